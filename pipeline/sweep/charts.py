"""The numbers behind a report's charts, as JSON."""

import itertools
import json
import math
from typing import Any

import numpy as np

from pipeline.core.effects import Effect
from pipeline.core.figures.style import escaped
from pipeline.core.labels import shown
from pipeline.sweep.findings import Findings, Judged
from pipeline.sweep.words import label, short_names, verdict, written

# More would neither be read nor fit.
MOST_HEATMAPS = 15
MOST_RANKED = 30
_MOST_NAMED_VALUES = 12

_LOSSES = (("train/heldout_loss", "held-out loss"), ("train/loss", "training loss"))


def heatmap_pairs(found: Findings) -> list[tuple[str, str]]:
    """Return the pairs of hyperparameters to draw a heatmap of."""
    return list(itertools.combinations(found.factors, 2))[:MOST_HEATMAPS]


def spec(found: Findings) -> str:
    """Return what the page draws, as JSON that can stand in an element.

    All texts are escaped for Plotly, which reads tags in them.
    """
    names = {
        key: escaped(name) for key, name in short_names(list(found.factors)).items()
    }
    content = {
        "objective": found.results.objective,
        "most": MOST_RANKED,
        "cells": [
            {
                "label": escaped(label(found, cell)),
                "seconds": _rounded(cell.seconds),
                "trials": [trial.number for trial in cell.finished],
            }
            for cell in found.cells
        ],
        "axes": [{"name": names[key], **_axis(found, key)} for key in found.factors],
        "levels": {
            key: [escaped(text) for text in factor.labels]
            for key, factor in found.factors.items()
        },
        "names": names,
        "pairs": heatmap_pairs(found),
        "metrics": {
            metric: _metric(found, judged) for metric, judged in found.judged.items()
        },
        "losses": _losses(found),
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def _axis(found: Findings, key: str) -> dict[str, Any]:
    """Return a hyperparameter's axis: a place for each cell, and named places.

    Plotly reads no tags in the names of places on a parallel axis.
    """
    values = [cell.values.get(key) for cell in found.cells]
    numbers = [
        v for v in values if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    if len(numbers) == len(values):
        distinct = sorted(set(numbers))
        # Steps such as 50, 100, 200 or 2, 5, 10 are named where they are few.
        ticks = distinct if len(distinct) <= _MOST_NAMED_VALUES else []
        return {
            "at": [_rounded(v) for v in numbers],
            "ticks": [_rounded(v) for v in ticks],
            "texts": [written(v) for v in ticks],
        }
    factor = found.factors[key]
    return {
        "at": factor.of.tolist(),
        "ticks": list(range(len(factor.labels))),
        "texts": [shown(text) for text in factor.labels],
    }


def _metric(found: Findings, judged: Judged) -> dict[str, Any]:
    comparison = judged.comparison
    tied = set() if comparison.untested else set(comparison.tied)
    return {
        "name": escaped(judged.metric),
        "maximize": judged.maximize,
        "verdict": " ".join(verdict(found, judged)),
        "means": [_rounded(v) for v in comparison.means.tolist()],
        "low": [_rounded(i.low) if i else None for i in judged.intervals],
        "high": [_rounded(i.high) if i else None for i in judged.intervals],
        "scores": [[_rounded(v) for v in row] for row in judged.scores.tolist()],
        "order": list(comparison.order),
        "tied": [c in tied for c in range(len(found.cells))],
        "effects": {
            key: _effect(effect) for key, effect in judged.effects.by_name.items()
        },
        "heat": [_heat(found, judged, *pair) for pair in heatmap_pairs(found)],
        "front": list(judged.front),
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "labels": [escaped(text) for text in effect.labels],
        "mean": [_rounded(i.mean) for i in effect.intervals],
        "low": [_rounded(i.low) for i in effect.intervals],
        "high": [_rounded(i.high) for i in effect.intervals],
        "cells": list(effect.cells),
    }


def _heat(
    found: Findings, judged: Judged, first: str, second: str
) -> list[list[float | None]]:
    """Return the mean of the cells at each pair of levels; rows are `first`'s."""
    rows, columns = found.factors[first], found.factors[second]
    means = judged.comparison.means
    known = np.isfinite(means)
    table: list[list[float | None]] = []
    for row in range(len(rows.labels)):
        at = [
            means[known & (rows.of == row) & (columns.of == column)]
            for column in range(len(columns.labels))
        ]
        table.append([_rounded(float(v.mean())) if len(v) else None for v in at])
    return table


def _losses(found: Findings) -> list[dict[str, Any]]:
    """Return each kind of loss with the curves of all trials that have it."""
    kinds = []
    for metric, name in _LOSSES:
        curves = [
            {
                "cell": c,
                "trial": trial.number,
                "seed": trial.seed,
                "status": trial.status,
                "loss": [_rounded(float(v)) for v in trial.history[metric]],
            }
            for c, cell in enumerate(found.cells)
            for trial in cell.trials
            if trial.history.get(metric)
        ]
        if curves:
            kinds.append({"name": name, "curves": curves})
    return kinds
