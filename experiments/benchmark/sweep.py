"""Measure what a sweep costs beside the training in it, and where that time goes.

    python experiments/benchmark/sweep.py CONLL_FOLDER      the 27-cell grid, for real
    python experiments/benchmark/sweep.py --listing 200     w2v sweep ls and report

Both print a table and, as their last line, the numbers as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

# Trials of a moment, of which only the number matters.
TINY = (
    *("experiment=smoke", "ingest.sentences=200", "targets=[train]", "tracking=off"),
    *("train.dim=range(4,24)", "train.window=2,3", "sweep.name=tiny"),
)


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("corpus", nargs="?", type=Path, help="folder of CoNLL-2003")
    what.add_argument("--listing", type=int, metavar="TRIALS", help="a multiple of 40")
    parser.add_argument("--jobs", type=int, default=2, help="trials at once, and cores")
    parser.add_argument("--keep", type=Path, metavar="HOME", help="keep the runs there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = (given.keep or Path(scratch) / "home").absolute()
        if given.listing:
            found = listing(home, given.listing, given.jobs)
        else:
            found = grid(home, given.corpus.absolute(), given.jobs)
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {value:10.2f}")
    print(json.dumps(found))


def w2v(home: Path, *arguments: str) -> float:
    """Run a command; return the seconds it took."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - the arguments are our own
        [sys.executable, "-m", "pipeline", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"W2V_HOME": str(home)},
    )
    return time.perf_counter() - began


def grid(home: Path, corpus: Path, jobs: int) -> dict[str, float]:
    """Run the grid; return its cost, and each part's worker seconds.

    What a worker does is a trial's stages, or lies between them (tracking, the record,
    reading and publishing results), or outside trials (start-up, planning, the report,
    waiting for the last trial).
    """
    began = time.time()
    wall = w2v(
        *(home, "run", "-m", "+sweep=grid", "sweep.name=grid", "train.epochs=15"),
        *("ingest=conll_files", f"ingest.path={corpus}"),
        *("targets=[evaluate]", f"hydra.launcher.n_jobs={jobs}"),
    )
    runs = [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]
    stages = {
        name: sum(run["stages"][name]["seconds"] for run in runs)
        for name in runs[0]["stages"]
    }
    lasted = sum(_moment(run["ended"]) - _moment(run["started"]) for run in runs)
    first = min(_moment(run["started"]) for run in runs)
    last = max(_moment(run["ended"]) for run in runs)
    workers = {run["process"]["pid"] for run in runs}
    return {
        "trials": len(runs),
        "worker processes": len(workers),
        "wall seconds": wall,
        "ratio (bar 1.3)": wall * jobs / stages["train"],
        **{f"{name}, worker seconds": seconds for name, seconds in stages.items()},
        "tracking and records, worker seconds": lasted - sum(stages.values()),
        "outside trials, worker seconds": wall * jobs - lasted,
        "until the first trial, seconds": first - began,
        "after the last trial, seconds": began + wall - last,
    }


def listing(home: Path, trials: int, jobs: int) -> dict[str, float]:
    """Run a sweep of so many small trials; time the commands that read it."""
    w2v(
        home,
        *("run", "-m", *TINY, f"sweep.seeds={trials // 40}"),
        f"hydra.launcher.n_jobs={jobs}",
    )
    found = len(list((home / "sweeps" / "tiny" / "trials").glob("*.json")))
    return {
        "trials": found,
        "w2v sweep ls, seconds (bar 5)": w2v(home, "sweep", "ls"),
        "w2v sweep show, seconds": w2v(home, "sweep", "show", "tiny"),
        "w2v sweep report, seconds (bar 5)": w2v(home, "sweep", "report", "tiny"),
    }


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
