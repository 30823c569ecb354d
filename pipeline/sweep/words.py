"""What a sweep's findings are in words."""

import math
from collections.abc import Sequence

from pipeline.core.effects import value_text
from pipeline.core.figures.style import counted
from pipeline.core.labels import shown
from pipeline.core.statistics import Interval
from pipeline.sweep.findings import SHARED, Cell, Findings, Judged
from pipeline.sweep.results import Plain

_MOST_NAMED = 6  # cells listed by name in a sentence


def number(value: float | None) -> str:
    """Return a number to four digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "—"
    return f"{value:#.4g}".removesuffix(".")


def span(interval: Interval | None) -> str:
    """Return `0.41 to 0.43`; a dash where there is no interval."""
    if interval is None or interval.low is None:
        return "—"
    return f"{number(interval.low)} to {number(interval.high)}"


def p_value(value: float) -> str:
    """Return a p-value to three digits."""
    if math.isnan(value):
        return "—"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return `train.dim` as `dim`, where no other key ends so."""
    ends = [key.rpartition(".")[2] for key in keys]
    return {
        key: shown(end if ends.count(end) == 1 and end else key, 40)
        for key, end in zip(keys, ends, strict=True)
    }


def written(value: Plain) -> str:
    """Return a hyperparameter's value as an override has it, in one short line."""
    return shown(value_text(value), 40)


def label(found: Findings, cell: Cell) -> str:
    """Return `dim=50 window=5`: what sets a cell apart."""
    names = short_names(list(found.factors))
    parts = [f"{names[k]}={written(cell.values.get(k))}" for k in found.factors]
    return " ".join(parts) or "the only configuration"


def verdict(found: Findings, judged: Judged) -> list[str]:
    """Say which cell won, or why none did, in sentences."""
    comparison = judged.comparison
    if not comparison.order:
        return [f"No winner: no trial finished with {shown(judged.metric, 80)}."]
    best = comparison.order[0]
    name = label(found, found.cells[best])
    most = "highest" if judged.maximize else "lowest"
    metric = shown(judged.metric, 80)
    seeds = counted(int((judged.scores[best] == judged.scores[best]).sum()), "seed")
    mean = f"{number(comparison.means[best])} ({seeds}"
    interval = judged.intervals[best]
    if interval is not None and interval.low is not None:
        mean += f", 95% interval {span(interval)}"
    mean += ")"
    if comparison.untested:
        return [
            f"No winner is named: {comparison.untested}.",
            f"The {most} {metric} is {mean}, of {name}.",
            *_advice(comparison.untested),
        ]
    others = len(comparison.order) - 1
    if comparison.winner is not None:
        worst = max(comparison.p_values[c] for c in comparison.order[1:])
        against = "the other cell" if others == 1 else f"each of the {others} others"
        return [
            f"The winner is {name}.",
            f"Its {metric} is {mean}, the {most}, and {against} can be told from it "
            f"(p {_at_most(worst)}, corrected for all pairs of cells).",
        ]
    rest = [label(found, found.cells[c]) for c in comparison.tied[1:]]
    listed = "; ".join(rest[:_MOST_NAMED])
    more = len(rest) - _MOST_NAMED
    lines = [
        f"No winner: {len(comparison.tied)} of {others + 1} cells cannot be told from "
        "the best.",
        f"The {most} mean {metric} is {mean}, of {name}. Within the noise of the "
        f"seeds {'is' if len(rest) == 1 else 'are'} also: {listed}"
        f"{f'; and {more} more' if more > 0 else ''}.",
    ]
    timed = [c for c in comparison.tied if found.cells[c].seconds is not None]
    if timed:
        quick = min(timed, key=lambda c: (found.cells[c].seconds or 0, c))
        lines.append(
            f"The quickest of them is {label(found, found.cells[quick])}, "
            f"{number(found.cells[quick].seconds)} s a trial. More seeds would tell "
            "smaller differences apart."
        )
    return lines


def _at_most(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"≤ {math.ceil(value * 1000) / 1000:.3f}"


def _advice(untested: str) -> list[str]:
    if "another quantity" in untested:
        return ["Judge by a score of the vectors instead, such as probe/f1."]
    if "one seed" not in untested and "same seeds" not in untested:
        return []
    return ["Run every cell with the same three seeds or more: sweep.seeds=3."]


def cautions(found: Findings) -> list[str]:
    """Say what should be known before the numbers are believed."""
    lines = []
    for status, one, several in (
        ("failed", "failed and does", "failed and do"),
        ("pruned", "was pruned and does", "were pruned and do"),
        ("stopped", "was stopped and does", "were stopped and do"),
        ("running", "still runs and does", "still run and do"),
        ("missing", "has not run and does", "have not run and do"),
    ):
        count = sum(trial.status == status for trial in found.results.trials)
        if count:
            verb = one if count == 1 else several
            lines.append(f"{counted(count, 'trial')} {verb} not count.")
    if len(found.vocabularies) > 1:
        parts = [
            f"{chr(65 + i % 26)}: {counted(len(numbers), 'trial')}"
            for i, numbers in enumerate(found.vocabularies.values())
        ]
        shared = "; ".join(
            f"similarity/{name}{SHARED} is scored on the {counted(count, 'pair')} that "
            "all of them cover"
            for name, count in found.shared_pairs.items()
        )
        lines.append(
            f"The trials have {len(parts)} vocabularies ({', '.join(parts)}). A score "
            "on words that one has and another has not compares different questions"
            + (f": {shared}." if shared else ", and losses are not comparable either.")
        )
    elif found.vocabularies:
        (numbers,) = found.vocabularies.values()
        if len(numbers) > 1:
            lines.append(f"All {len(numbers)} finished trials share one vocabulary.")
    return [*lines, *found.notes]


def method(found: Findings, judged: Judged) -> list[str]:
    """Say how the numbers were come by."""
    lines = [
        "An interval is the 95% interval of a cell's mean, by Student's t over its own "
        "seeds.",
        "The p-values are of paired t tests against the best cell over the seeds both "
        "have. The noise is learned from all cells, with the seed as a block (Smyth's "
        "moderated variance), for three seeds alone would tell nothing apart. Holm's "
        "correction is for all pairs of cells, for the same scores chose which is "
        "best.",
        "Neighbor overlap is the mean share of a word's 10 nearest neighbors that two "
        "seeds agree on: 200 words spread over the 4,000 most frequent.",
    ]
    effects = judged.effects
    if effects.by_name:
        if not effects.separable:
            how = (
                "plain means over the cells there are, for some values occur only "
                "together"
            )
        elif effects.complete:
            how = "means over all cells with a value"
        else:
            how = (
                "those of an additive model, for the grid has gaps: averaged over all "
                "values of the others"
            )
        noise = (
            "the seeds' noise"
            if effects.from_seeds
            else "what the hyperparameters do not explain by themselves"
        )
        lines.append(f"Main effects are {how}; their intervals come from {noise}.")
    return lines
