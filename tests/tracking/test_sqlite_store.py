"""An SQLite file made or renewed once, whoever else comes, whoever is killed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.tracking.sqlite_store import ready

ROOT = Path(__file__).resolve().parent.parent.parent


def write(path: Path, form: int) -> None:
    with closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE IF NOT EXISTS form (n)")
        store.execute("INSERT INTO form VALUES (?)", [form])
        store.commit()


def form_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as store:
        return store.execute("SELECT max(n) FROM form").fetchone()[0]


def rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as store:
        return [n for (n,) in store.execute("SELECT n FROM form ORDER BY n")]


def ready_at(path: Path, form: int, *, fail: bool = False) -> Path | None:
    def build(file: Path) -> None:
        write(file, form)
        if fail:
            raise KeyboardInterrupt

    return ready(path, current=lambda f: form_of(f) == form, make=build, renew=build)


def test_a_new_file_is_made_once(tmp_path):
    path = tmp_path / "home" / "mlflow.db"

    assert ready_at(path, 1) is None
    assert ready_at(path, 1) is None
    assert rows(path) == [1]


def test_an_old_file_is_renewed_and_kept(tmp_path):
    path = tmp_path / "mlflow.db"
    ready_at(path, 1)

    kept = ready_at(path, 2)

    assert rows(path) == [1, 2]
    assert kept == tmp_path / "mlflow.db.old"
    assert rows(kept) == [1]


def test_a_making_cut_short_leaves_nothing_and_the_next_one_succeeds(tmp_path):
    path = tmp_path / "mlflow.db"
    with pytest.raises(KeyboardInterrupt):
        ready_at(path, 1, fail=True)
    assert not path.exists()

    ready_at(path, 1)

    assert rows(path) == [1]


def test_a_renewal_cut_short_leaves_the_old_file(tmp_path):
    path = tmp_path / "mlflow.db"
    ready_at(path, 1)
    with pytest.raises(KeyboardInterrupt):
        ready_at(path, 2, fail=True)
    assert rows(path) == [1]

    ready_at(path, 2)

    assert rows(path) == [1, 2]


def test_processes_that_come_together_make_it_once(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from pipeline.tracking.sqlite_store import ready\n"
        "def make(f):\n"
        "    print('made'); time.sleep(0.3); f.write_text('x')\n"
        "ready(Path(sys.argv[1]), current=lambda f: True, make=make, renew=make)"
    )
    path = tmp_path / "home" / "mlflow.db"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]

    outputs = [worker.communicate(timeout=60)[0] for worker in workers]

    assert sorted(outputs) == ["", "", "", "made\n"]
    assert [worker.returncode for worker in workers] == [0] * 4
