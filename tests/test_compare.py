"""`w2v compare`: which runs it takes, where the page goes, what it says."""

import json
import os

import forks
import numpy as np
import pytest
from click.testing import CliRunner
from pages import Elements, check_offline

from pipeline.cli import cli
from pipeline.core.types import Embeddings, Normalization
from pipeline.core.vectors import save_vectors
from pipeline.errors import DataError, TrackingError
from pipeline.loading import load

SMALL = (
    "ingest=newswire",
    "ingest.sentences=60",
    "ingest.valid_sentences=10",
    "ingest.test_sentences=10",
    "train.kernel=numpy",
    "train.epochs=1",
    "tracking=off",
    "targets=[train]",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run):
    """Two runs that differ in seed, width and vocabulary; and their home."""
    home = tmp_path_factory.mktemp("compare") / "home"
    first = make_run(home, *SMALL, "train.dim=4")
    second = make_run(home, *SMALL, "train.dim=6", "seed=9", "vocab.min_count=2")
    return home, first.run_id, second.run_id


def compare(home, *arguments):
    """Run the command in this process, and let its errors through."""
    return CliRunner().invoke(
        cli,
        ["compare", *map(str, arguments), "--home", str(home)],
        catch_exceptions=True,
    )


def test_two_runs_of_other_widths_and_words_are_compared(runs):
    home, first, second = runs

    done = compare(home, first, second)

    assert done.exit_code == 0, done.output
    page = home / "compare" / f"{first[:12]}-{second[:12]}.html"
    assert done.output.splitlines()[-1] == f"page: {page}"
    elements = Elements(page.read_bytes())
    check_offline(elements)
    words = [set(load(run, home).words) for run in (first, second)]
    assert set(elements.spec["words"]) <= words[0] & words[1]
    assert len(elements.spec["words"]) == min(len(words[0] & words[1]), 1000)
    assert f"{len(words[0] & words[1]):,} words that both hold" in done.output
    assert any(
        row[0] == "train/loss" and all(cell[0] for cell in row[1:3])
        for row in elements.spec["headlines"]
    )
    assert not any("per_second" in row[0] for row in elements.spec["others"])


def test_the_same_command_gives_the_same_page(runs):
    home, first, second = runs
    page = home / "compare" / f"{first[:12]}-{second[:12]}.html"

    compare(home, first[:8], second[:8])
    before = page.read_bytes()
    compare(home, first, second)

    assert page.read_bytes() == before


def test_a_run_is_compared_with_itself(runs):
    home, first, _ = runs

    done = compare(home, first, first, "--words", 40)

    assert "100% are the same in both" in done.output
    assert "  0.00  10 of 10 kept" in done.output


def test_a_file_of_vectors_stands_for_a_run(runs, tmp_path):
    home, first, _ = runs
    path = tmp_path / "<b>mine & yours.npz"
    save_vectors(path, load(first, home))

    done = compare(home, first, path)

    (page,) = home.glob(f"compare/{first[:12]}-_b_mine_yours_*.html")
    assert done.output.splitlines()[-1] == f"page: {page}"
    content = page.read_bytes()
    assert b"<b>mine" not in content
    assert b"&lt;b&gt;mine &amp; yours.npz" in content
    # The run has scores, and the file none.
    assert all(row[2] == ["", ""] for row in Elements(content).spec["headlines"])


def test_files_of_one_name_have_pages_of_their_own(runs, tmp_path):
    home, first, _ = runs
    embeddings = load(first, home)
    paths = [tmp_path / folder / "same.npz" for folder in "abc"]
    for path in paths:
        path.parent.mkdir()
        save_vectors(path, embeddings)

    pages = {compare(home, paths[0], p).output.splitlines()[-1] for p in paths[1:]}
    again = compare(home, *paths[:2]).output.splitlines()[-1]

    assert len(pages) == 2
    assert again in pages


def test_the_page_goes_where_it_is_told_and_overwrites_nothing_unasked(runs, tmp_path):
    home, first, second = runs
    path = tmp_path / "pages" / "both.html"

    done = compare(home, first, second, "--output", path)
    assert done.output.splitlines()[-1] == f"page: {path}"
    page = path.read_bytes()
    path.write_bytes(b"mine")
    refused = compare(home, first, second, "--output", path)

    assert refused.exit_code == 2
    assert f"{path} is there: overwrite it with --force" in refused.output
    assert path.read_bytes() == b"mine"
    assert compare(home, first, second, "--output", path, "--force").exit_code == 0
    assert path.read_bytes() == page
    assert compare(home, first, second, "--output", tmp_path).exit_code == 2


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_that_there_is_not_is_named(runs, place):
    home, first, _ = runs
    asked = ["0123456789", first] if place == 0 else [first, "0123456789"]

    done = compare(home, *asked)

    assert isinstance(done.exception, TrackingError)
    assert "no run '0123456789'" in str(done.exception)


def test_vectors_of_another_language_are_refused(runs, tmp_path):
    home, first, _ = runs
    rng = np.random.default_rng(1)
    other = Embeddings(
        ("eins", "zwei", "drei"),
        rng.normal(size=(3, 4)).astype(np.float32),
        np.empty((3, 0), np.float32),
        Normalization(lowercase=True, digits="keep"),
    )
    save_vectors(tmp_path / "other.npz", other)

    done = compare(home, first, tmp_path / "other.npz")

    assert isinstance(done.exception, DataError)
    assert "expected at least 5 words that both vocabularies hold" in str(
        done.exception
    )
    assert not list(home.glob("compare/*other*"))


def test_scores_with_intervals_that_do_not_meet_are_printed(runs):
    home, first, second = runs
    made = []
    for run, f1 in ((first, 0.25), (second, 0.75)):
        path = home / "runs" / run / "run.json"
        record = json.loads(path.read_bytes())
        made.append((path, path.read_bytes()))
        record["metrics"] |= {
            "probe/f1": f1, "probe/f1_low": f1 - 0.1, "probe/f1_high": f1 + 0.1
        }  # fmt: skip
        path.write_text(json.dumps(record))
    try:
        done = compare(home, first, second)
    finally:
        for path, content in made:
            path.write_bytes(content)

    lines = done.output.splitlines()
    assert "scores whose 95% intervals do not meet" in lines
    assert "  probe/f1                            0.2500    0.7500" in lines


def test_a_scoring_of_vectors_from_elsewhere_is_a_run(runs, tmp_path):
    home, first, _ = runs
    path = tmp_path / "vectors.txt"
    embeddings = load(first, home)
    lines = [
        " ".join([word, *map(repr, row)])
        for word, row in zip(embeddings.words, embeddings.center.tolist(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    done = forks.run(
        *("evaluate", str(path), "tracking=off", "evaluate.builtin_analogies=false"),
        *(override for override in SMALL if override.startswith("ingest")),
        env=os.environ | {"W2V_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    scoring = done.stdout.split("run_id: ")[1].strip()

    found = compare(home, first, scoring)

    assert found.exit_code == 0, found.output
    assert "100% are the same in both" in found.output
