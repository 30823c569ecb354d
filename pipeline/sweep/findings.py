"""What a sweep's results say, metric by metric."""

import itertools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.core.effects import Effects, Levels, levels, main_effects
from pipeline.core.labels import shown
from pipeline.core.similarity import unit_vectors, word_ids
from pipeline.core.stability import (
    AMONG,
    NeighborLists,
    neighbor_lists,
    neighbor_overlap,
    shared_spearman,
)
from pipeline.core.statistics import (
    Comparison,
    Interval,
    compare_cells,
    mean_interval,
    pareto_front,
    seed_noise,
)
from pipeline.core.types import Doubles
from pipeline.core.vectors import load_first, load_vectors
from pipeline.core.word_pairs import PairScores, WordPair, score_pairs
from pipeline.errors import DataError
from pipeline.sweep.config import loss_keys
from pipeline.sweep.results import Plain, SweepResults, TrialResult, maximizes

# Besides the objective, the page can be asked about this many metrics.
_MOST_METRICS = 30

# Files of vectors read for neighbor overlap, about 50 ms each: those of the best
# cells. A grid of 27 cells at 3 seeds is read whole.
_MOST_VECTORS = 81

SHARED = " on shared pairs"


@dataclass(frozen=True)
class Cell:
    """One configuration.

    Attributes:
        values: Swept key -> value.
        trials: All its trials, by number.
        finished: One trial a seed: the first that finished.
        seconds: Mean wall time of `finished`; None where none did.
    """

    values: Mapping[str, Plain]
    trials: tuple[TrialResult, ...]
    finished: tuple[TrialResult, ...]
    seconds: float | None


@dataclass(frozen=True)
class Judged:
    """What one metric says.

    Attributes:
        metric: Its name.
        maximize: Whether more of it is better.
        scores: Shape (C, S), NaN where missing.
        comparison: Of the cells.
        intervals: One for each cell, None where it has no score.
        effects: Of the hyperparameters.
        front: Cells that no other beats in both score and wall time, quickest first.
    """

    metric: str
    maximize: bool
    scores: Doubles
    comparison: Comparison
    intervals: tuple[Interval | None, ...]
    effects: Effects
    front: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """What a sweep's results say.

    Attributes:
        results: What they are read from.
        cells: C configurations, in the order of their first trial.
        seeds: S seeds, sorted.
        factors: Swept key -> its levels; keys of one value only are left out.
        judged: Metric -> what it says; the objective first.
        overlaps: Mean top-10 neighbor overlap of each cell's seeds, None where not
            known.
        vocabularies: Digest -> numbers of the finished trials that have it.
        shared_pairs: Set of word pairs -> how many of them all vocabularies cover.
        notes: What could not be looked at, and why.
    """

    results: SweepResults
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    factors: Mapping[str, Levels]
    judged: Mapping[str, Judged]
    overlaps: tuple[float | None, ...]
    vocabularies: Mapping[str, tuple[int, ...]]
    shared_pairs: Mapping[str, int]
    notes: tuple[str, ...]


def find(
    results: SweepResults, pairs: Mapping[str, Sequence[WordPair]] | None = None
) -> Findings:
    """Work out what a sweep's results say.

    Args:
        results: Those of the sweep.
        pairs: Set -> word pairs with human scores. Where trials have different
            vocabularies, each set is scored on the pairs that all of them cover, as
            the metric `similarity/<set> on shared pairs`.
    """
    finished = [trial for trial in results.trials if trial.status == "finished"]
    vocabularies: dict[str, list[int]] = {}
    for trial in finished:
        if trial.vocab_digest is not None:
            vocabularies.setdefault(trial.vocab_digest, []).append(trial.number)
    notes: list[str] = []
    shared: dict[str, int] = {}
    if len(vocabularies) > 1 and pairs:
        results, shared = _score_shared_pairs(results, pairs, notes)
    cells = _cells(results)
    seeds = tuple(sorted({t.seed for cell in cells for t in cell.finished}))
    keys = list(dict.fromkeys(key for cell in cells for key in cell.values))
    factors = {key: levels([cell.values.get(key) for cell in cells]) for key in keys}
    factors = {key: each for key, each in factors.items() if len(each.labels) > 1}
    judged = {
        metric: _judge(results, cells, seeds, factors, metric)
        for metric in _metrics(results)
    }
    order = judged[results.objective].comparison.order
    return Findings(
        results,
        cells,
        seeds,
        factors,
        judged,
        _overlaps(cells, order, notes),
        {digest: tuple(numbers) for digest, numbers in vocabularies.items()},
        shared,
        tuple(notes),
    )


def _cells(results: SweepResults) -> tuple[Cell, ...]:
    groups: dict[tuple[tuple[str, str], ...], list[TrialResult]] = {}
    for trial in sorted(results.trials, key=lambda each: each.number):
        # By type too: 1, True and "1" are three configurations.
        key = tuple(sorted((k, f"{type(v)} {v}") for k, v in trial.cell.items()))
        groups.setdefault(key, []).append(trial)
    cells = []
    for trials in groups.values():
        by_seed: dict[int, TrialResult] = {}
        for trial in trials:
            if trial.status == "finished":
                by_seed.setdefault(trial.seed, trial)
        done = tuple(by_seed.values())
        seconds = [trial.seconds for trial in done if math.isfinite(trial.seconds)]
        mean = math.fsum(seconds) / len(seconds) if seconds else None
        cells.append(Cell(trials[0].cell, tuple(trials), done, mean))
    return tuple(cells)


def _metrics(results: SweepResults) -> list[str]:
    """Return the objective and the other metrics that finished trials have."""
    others = {
        name
        for trial in results.trials
        if trial.status == "finished"
        for name, value in trial.metrics.items()
        if math.isfinite(value)
    }
    shared = sorted(name for name in others if name.endswith(SHARED))
    rest = sorted(others - set(shared) - {results.objective})
    return [results.objective, *shared, *rest][: 1 + _MOST_METRICS]


def _judge(
    results: SweepResults,
    cells: Sequence[Cell],
    seeds: Sequence[int],
    factors: Mapping[str, Levels],
    metric: str,
) -> Judged:
    scores = np.full((len(cells), len(seeds)), np.nan)
    for row, cell in zip(scores, cells, strict=True):
        for trial in cell.finished:
            row[seeds.index(trial.seed)] = trial.metrics.get(metric, math.nan)
    scores[~np.isfinite(scores)] = np.nan
    maximize = maximizes(results, metric)
    comparison = compare_cells(scores, maximize=maximize)
    changing = loss_keys(metric, factors)
    if changing and comparison.order:
        comparison = replace(
            comparison,
            p_values=np.full(len(cells), np.nan),
            tied=comparison.order,
            winner=None,
            untested=f"a loss is another quantity at each value of "
            f"{' and of '.join(shown(key) for key in changing)}, so that cells cannot "
            "be ranked by it",
        )
    known = [row[np.isfinite(row)] for row in scores]
    intervals = tuple(mean_interval(row) if len(row) else None for row in known)
    counts = np.array([len(row) for row in known], np.int64)
    effects = main_effects(factors, comparison.means, counts, seed_noise(scores))
    timed = [c for c in range(len(cells)) if counts[c] and cells[c].seconds is not None]
    costs = np.array([cells[c].seconds for c in timed], np.float64)
    qualities = comparison.means[timed] * (1 if maximize else -1)
    front = tuple(timed[i] for i in pareto_front(costs, qualities))
    return Judged(metric, maximize, scores, comparison, intervals, effects, front)


def _overlaps(
    cells: Sequence[Cell], order: Sequence[int], notes: list[str]
) -> tuple[float | None, ...]:
    asked: list[tuple[int, int, Path]] = []  # cell, trial, its vectors
    for place, c in enumerate(order):
        own = [(c, t.number, t.vectors) for t in cells[c].finished if t.vectors]
        if len(own) < 2:
            continue
        if len(asked) + len(own) > _MOST_VECTORS:
            notes.append(
                f"Neighbor overlap was worked out for the first {place} cells of the "
                "ranking only."
            )
            break
        asked += own
    # Reading, hashing and multiplying leave the interpreter to the other thread.
    with ThreadPoolExecutor(max_workers=2) as pool:
        read = list(pool.map(_lists, [path for _, _, path in asked]))
    lists: dict[int, list[NeighborLists]] = {}
    for (c, trial, _), each in zip(asked, read, strict=True):
        if isinstance(each, DataError):
            notes.append(_left_out(trial, each))
        else:
            lists.setdefault(c, []).append(each)
    return tuple(neighbor_overlap(lists.get(c, [])) for c in range(len(cells)))


def _lists(path: Path) -> NeighborLists | DataError:
    try:
        return neighbor_lists(load_first(path, AMONG))
    except DataError as error:
        return error


def _left_out(trial: int, error: DataError) -> str:
    return f"The vectors of trial {trial} were left out: {shown(str(error), 300)}"


def _score_shared_pairs(
    results: SweepResults, pairs: Mapping[str, Sequence[WordPair]], notes: list[str]
) -> tuple[SweepResults, dict[str, int]]:
    """Return the results with scores on shared pairs, and how many are shared."""
    human = {name: np.array([p.score for p in each]) for name, each in pairs.items()}
    scored: dict[int, dict[str, PairScores]] = {}
    for trial in results.trials:
        if trial.status != "finished" or trial.vectors is None:
            continue
        try:
            embeddings = load_vectors(trial.vectors)
        except DataError as error:
            notes.append(_left_out(trial.number, error))
            continue
        unit = unit_vectors(embeddings.center)
        scored[trial.number] = {}
        for name, each in pairs.items():
            words = itertools.chain.from_iterable((p.first, p.second) for p in each)
            ids = word_ids(embeddings, list(words)).reshape(-1, 2)
            scored[trial.number][name] = score_pairs(unit, ids, human[name])
    added: dict[int, dict[str, float]] = {number: {} for number in scored}
    shared: dict[str, int] = {}
    for name in pairs if scored else ():
        rhos, shared[name] = shared_spearman(
            [each[name] for each in scored.values()], human[name]
        )
        for number, rho in zip(scored, rhos, strict=True):
            if rho is not None:
                added[number][f"similarity/{name}{SHARED}"] = rho
    trials = tuple(
        replace(trial, metrics={**trial.metrics, **added.get(trial.number, {})})
        for trial in results.trials
    )
    return replace(results, trials=trials), shared
