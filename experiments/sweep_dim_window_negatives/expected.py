"""Compare a sweep with `expected.json`, or write that file from it.

    python experiments/sweep_dim_window_negatives/expected.py [HOME] [--write]

HOME is the folder that holds all that runs wrote (default: W2V_HOME, or runs). Exit
code 1 where a score differs by more than the tolerance.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.files import write_atomically
from pipeline.core.statistics import mean_interval
from pipeline.sweep.ledger import Ledger
from pipeline.sweep.results import SweepResults, read_results

FILE = Path(__file__).with_name("expected.json")
SWEEP = "dim_window_negatives"
KEYS = ("train.dim", "train.window", "train.negatives")
METRICS = (
    "probe/f1",
    "similarity/ws353",
    "category/purity",
    "category/precision_at_10",
)

# What `w2v rerun` allows where a library or the processor is another than then; on
# the same ones all are equal. The seeds of a cell differ by as much.
TOLERANCE = 0.02


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "home", nargs="?", type=Path, default=os.environ.get("W2V_HOME", "runs")
    )
    parser.add_argument("--write", action="store_true", help="write expected.json")
    given = parser.parse_args()
    found = scores(read_results(Ledger(Path(given.home).absolute(), SWEEP)))
    if given.write:
        write_atomically(FILE, (json.dumps(found, indent=1) + "\n").encode())
        print(table(found))
        return
    expected = json.loads(FILE.read_text())
    differences = compare(found, expected)
    for difference in differences:
        print(difference)
    most = largest(found, expected)
    print(f"{len(found['cells'])} cells; the largest difference is {most:.6f}")
    sys.exit(1 if differences else 0)


def scores(results: SweepResults) -> dict[str, Any]:
    """Return the scores of all cells by seed, in the order of the seeds."""
    finished = [trial for trial in results.trials if trial.status == "finished"]
    cells: dict[tuple[Any, ...], dict[int, Mapping[str, float]]] = {}
    for trial in finished:
        cell = cells.setdefault(tuple(trial.cell[key] for key in KEYS), {})
        cell[trial.seed] = trial.metrics
    return {
        "seeds": sorted({trial.seed for trial in finished}),
        "cells": [
            {
                **dict(zip(KEYS, values, strict=True)),
                **{
                    metric: [round(by_seed[s][metric], 6) for s in sorted(by_seed)]
                    for metric in METRICS
                },
            }
            for values, by_seed in sorted(cells.items())
        ],
    }


def compare(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Say what differs by more than the tolerance."""
    if found["seeds"] != expected["seeds"]:
        return [f"seeds: expected {expected['seeds']}, found {found['seeds']}"]
    places = [
        [tuple(c[k] for k in KEYS) for c in x["cells"]] for x in (expected, found)
    ]
    if places[0] != places[1]:
        missing = sorted(set(places[0]) - set(places[1]))
        return [f"cells: expected {len(places[0])}, found {len(places[1])}; {missing}"]
    return [
        f"{', '.join(f'{key}={was[key]}' for key in KEYS)}: {metric}: expected "
        f"{was[metric]}, found {now[metric]}"
        for was, now in zip(expected["cells"], found["cells"], strict=True)
        for metric in METRICS
        if any(
            abs(a - b) > TOLERANCE
            for a, b in zip(was[metric], now[metric], strict=True)
        )
    ]


def largest(found: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """Return the largest difference between scores of the same cell and seed."""
    return max(
        (
            abs(a - b)
            for was, now in zip(expected["cells"], found["cells"], strict=False)
            for metric in METRICS
            for a, b in zip(was[metric], now[metric], strict=False)
        ),
        default=0.0,
    )


def table(found: Mapping[str, Any]) -> str:
    """Return the cells as Markdown, the best mean of the first metric first."""
    lines = [
        f"| dim | window | negatives | {METRICS[0]} | 95% interval | "
        f"{' | '.join(METRICS[1:])} |",
        f"|{'--:|' * (4 + len(METRICS))}",
    ]
    means = {
        tuple(cell[key] for key in KEYS): [
            sum(cell[metric]) / len(cell[metric]) for metric in METRICS
        ]
        for cell in found["cells"]
    }
    for cell in sorted(found["cells"], key=lambda c: -sum(c[METRICS[0]])):
        place = tuple(cell[key] for key in KEYS)
        first, *others = (f"{mean:.3f}" for mean in means[place])
        interval = mean_interval(np.array(cell[METRICS[0]]))
        lines.append(
            f"| {' | '.join(map(str, place))} | {first} | {interval.low:.3f} to "
            f"{interval.high:.3f} | {' | '.join(others)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
