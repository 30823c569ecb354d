"""Which trials a sweep has: those that stand, and those that are added."""

import hashlib
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.artifacts import json_digest
from pipeline.errors import ConfigError, SweepError
from pipeline.sweep.config import (
    SweepConfig,
    is_maximized,
    loss_keys,
    resolved_objective,
)
from pipeline.sweep.ledger import Ledger, SweepRecord, TrialRecord, flat
from pipeline.sweep.search import Cell, Tried, grid_cells, random_cell, tpe_cells
from pipeline.sweep.space import Axis

log = logging.getLogger(__name__)

# What can differ between trials that are the same: where things lie and how fast
# they are computed, never what comes out.
BUDGET = "train.time_budget"
_ASIDE = (
    *("home", "cache.", "visualize."),
    *("train.threads", "train.kernel_cache", "evaluate.kernel_cache"),
    *("train.keep_checkpoints", "train.checkpoint_share", BUDGET),
)
_SHOWN = 4
_LONGEST_NAME = 40

_COSTS = ("dim", "window", "negatives", "epochs")

# What may be another when a sweep is gone on with: more of the same.
_GROWS = ("name", "seeds", "trials", "space")


@dataclass(frozen=True)
class Space:
    """The space of a sweep, as the command gives it.

    Attributes:
        axes: Without the seed.
        seeds: Seeds that each cell is tried with.
    """

    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are swept, without the seed."""
        return tuple(axis.name for axis in self.axes)


def read_space(axes: Sequence[Axis], config: SweepConfig, seed: int) -> Space:
    """Take the seed out of the axes, where it is one.

    Args:
        axes: All.
        config: Says how many seeds a cell has, where the seed is no axis.
        seed: The first seed then.

    Raises:
        ConfigError: if seeds are given twice, or are no numbers.
    """
    others = tuple(axis for axis in axes if axis.name != "seed")
    swept = [axis for axis in axes if axis.name == "seed"]
    if not swept:
        return Space(others, tuple(range(seed, seed + config.seeds)))
    if config.seeds != 1:
        raise ConfigError(
            f"seed={swept[0].text} and sweep.seeds={config.seeds} both say which seeds "
            "there are: give one of them"
        )
    seeds = tuple(v.plain for v in swept[0].values if isinstance(v.plain, int))
    if not seeds or len(seeds) != len(swept[0].values):
        raise ConfigError(f"seed={swept[0].text}: expected whole numbers")
    return Space(others, seeds)


def default_name(
    axes: Sequence[Axis], fixed: Sequence[str], config: SweepConfig
) -> str:
    """Return a name for a sweep, made of its space: equal commands have equal names."""
    where = ("home=", "hydra.", "hydra/", f"{BUDGET}=")
    typed = {
        "axes": sorted([axis.key, axis.text] for axis in axes),
        "fixed": sorted(text for text in fixed if not text.startswith(where)),
        "config": _searching(config),
    }
    keys = "-".join(axis.name.rpartition(".")[2] for axis in axes)
    # Keys may hold slashes, and what a file's name should not.
    keys = re.sub(r"[^A-Za-z0-9_]+", "-", keys).strip("-")[:_LONGEST_NAME]
    digest = hashlib.sha256(json_digest(typed).encode()).hexdigest()[:6]
    return f"{keys or config.search}-{digest}"


def _searching(config: SweepConfig) -> dict[str, Any]:
    """Return what must stay the same while a sweep lasts."""
    return {k: v for k, v in vars(config).items() if k not in _GROWS}


def check_same_search(then: SweepConfig, now: SweepConfig, name: str) -> None:
    """Check that a sweep is gone on with as it began.

    Raises:
        ConfigError: naming what differs.
    """
    before, after = _searching(then), _searching(now)
    changed = [k for k in before if before[k] != after[k]]
    if changed:
        pairs = ", ".join(f"sweep.{k} was {before[k]}, is {after[k]}" for k in changed)
        raise ConfigError(
            f"sweep {name} was begun otherwise: {pairs}. Go on with it as it was, or "
            "begin another (sweep.name=NAME)"
        )


def check_same_base(
    record: SweepRecord, values: Mapping[str, Any], swept: Sequence[str]
) -> None:
    """Check that what is not swept is as it was when the sweep began.

    Args:
        record: The sweep.
        values: A trial's configuration as it would be now.
        swept: Keys and groups that are swept, now or then.

    Raises:
        ConfigError: naming what differs.
    """
    if "experiment" in swept:
        return  # a preset may set any key
    then, now = flat(record.base), flat(values)
    changed = [
        key
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key)
        and not key.startswith(_ASIDE)
        and key.rpartition(".")[2] != "seed"
        and not any(key == name or key.startswith(f"{name}.") for name in swept)
    ]
    if changed:
        pairs = [f"{k} was {then.get(k)}, is {now.get(k)}" for k in changed[:_SHOWN]]
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ConfigError(
            f"sweep {record.name} was begun with other settings: {', '.join(pairs)}"
            f"{more}. Bring them back to what they were, or begin another sweep "
            "(sweep.name=NAME)"
        )


def identity(values: Mapping[str, Any], swept: Sequence[str]) -> str:
    """Return a digest that two trials share if they are the same.

    Args:
        values: A trial's configuration.
        swept: Keys that tell trials apart in any case.
    """
    kept = {
        key: value
        for key, value in flat(values).items()
        if key in swept or not key.startswith(_ASIDE)
    }
    return json_digest(kept)


class Planner:
    """Add to a ledger the trials that a command asks for.

    Args:
        ledger: The sweep's; its lock is held by who plans.
        space: The command's.
        config: How to search.
        compose: Returns the configuration that overrides make.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: Space,
        config: SweepConfig,
        compose: Callable[[Sequence[str]], dict[str, Any]],
    ) -> None:
        self._ledger, self._space, self._config = ledger, space, config
        self._compose = compose
        self._grid = grid_cells(space.axes) if config.search == "grid" else []

    @property
    def cells(self) -> int:
        """Number of cells that the command asks for."""
        return len(self._grid) if self._config.search == "grid" else self._config.trials

    @property
    def batches(self) -> list[range]:
        """Cells that are begun together: all, unless later ones learn from earlier."""
        learns = self._config.search == "tpe" or self._config.prune != "none"
        size = self._config.batch if learns else max(self.cells, 1)
        return [
            range(first, min(first + size, self.cells))
            for first in range(0, self.cells, size)
        ]

    def check(self) -> None:
        """Check the configurations of all cells that can be counted.

        Raises:
            ConfigError: if one is not legal.
        """
        for cell in self._grid or self._propose(range(1), ()):
            self._values(cell, self._space.seeds[0])

    def first_values(self) -> dict[str, Any]:
        """Return the configuration of some cell, to compare the rest of it."""
        (cell,) = self._propose(range(1), ())
        return self._values(cell, self._space.seeds[0])

    def plan(self, batch: range) -> list[TrialRecord]:
        """Return the trials of some cells, adding those that the ledger lacks.

        Raises:
            ConfigError: if a cell's configuration is not legal; nothing is added.
        """
        trials = self._ledger.trials()
        if self._config.search == "grid":
            cells = self._grid[batch.start : batch.stop]
            planned = self._add_by_identity(trials, cells)
        else:
            planned = self._add_by_index(trials, batch)
        return [self._with_budget(trial) for trial in planned]

    def _with_budget(self, trial: TrialRecord) -> TrialRecord:
        """Return a trial with the time budget that the command gives it.

        How long it may take at a time is no part of what it is.
        """
        if trial.ended or BUDGET in trial.cell or "train" not in trial.config:
            return trial
        budget = self.first_values()["train"].get("time_budget")
        train = trial.config["train"]
        if train.get("time_budget") == budget:
            return trial
        config = {**trial.config, "train": {**train, "time_budget": budget}}
        changed = replace(trial, config=config)
        self._ledger.save_trial(changed)
        return changed

    def _add_by_identity(
        self, trials: list[TrialRecord], cells: Sequence[Cell]
    ) -> list[TrialRecord]:
        keys = {*self._space.keys, *(key for t in trials for key in t.cell)}
        swept = sorted({*keys, "seed"})
        known = {identity(trial.config, swept): trial for trial in trials}
        next_index = max((trial.index for trial in trials), default=-1) + 1
        found: list[TrialRecord] = []
        added: list[TrialRecord] = []
        for cell in cells:
            index: int | None = None
            for seed in self._space.seeds:
                values = self._values(cell, seed)
                same = known.get(identity(values, swept))
                if same is None:
                    number = len(trials) + len(added)
                    if index is None:
                        index = self._index_of(cell, trials)
                    if index is None:
                        index, next_index = next_index, next_index + 1
                    same = _trial(number, index, cell, seed, values)
                    known[identity(values, swept)] = same
                    added.append(same)
                index = same.index if index is None else index
                found.append(same)
        self._save(added)
        return found

    def _index_of(self, cell: Cell, trials: Sequence[TrialRecord]) -> int | None:
        """Return the index of a cell that was tried with other seeds."""
        return next((t.index for t in trials if t.cell == cell.plain), None)

    def _add_by_index(
        self, trials: list[TrialRecord], batch: range
    ) -> list[TrialRecord]:
        known = {(trial.index, trial.seed): trial for trial in trials}
        planned = {t.index: Cell(self._typed(t), t.cell) for t in trials}
        if any(index not in planned for index in batch):
            proposed = self._propose(batch, trials)
            for index, cell in zip(batch, proposed, strict=True):
                # Those of a batch that a kill cut short are proposed again alike.
                planned.setdefault(index, cell)
        found: list[TrialRecord] = []
        added: list[TrialRecord] = []
        for index in batch:
            for seed in self._space.seeds:
                trial = known.get((index, seed))
                if trial is None:
                    values = self._values(planned[index], seed)
                    number = len(trials) + len(added)
                    trial = _trial(number, index, planned[index], seed, values)
                    added.append(trial)
                found.append(trial)
        self._save(added)
        return found

    def _typed(self, trial: TrialRecord) -> tuple[str, ...]:
        return tuple(o for o in trial.overrides if not o.startswith("seed="))

    def _propose(self, batch: range, trials: Sequence[TrialRecord]) -> list[Cell]:
        config, axes = self._config, self._space.axes
        if config.search == "grid":
            return self._grid[batch.start : batch.stop]
        if config.search == "random":
            return [random_cell(axes, config.seed, index) for index in batch]
        before = [trial for trial in trials if trial.index < batch.start]
        finished = [t.metrics for t in before if t.outcome == "finished"]
        metric = resolved_objective(config.objective, finished)
        changing = loss_keys(metric, self._space.keys)
        if finished and changing and batch.start == config.batch:  # once a sweep
            log.warning(
                "sweep %s looks for a low %s, which is another quantity at each value "
                "of %s: name a score of the vectors (sweep.objective)",
                *(self._ledger.name, metric, " and of ".join(changing)),
            )
        maximize = is_maximized(metric, config.direction)
        tried = _tried(before, metric, maximize=maximize)
        return tpe_cells(axes, config, tried, count=len(batch), maximize=maximize)

    def _values(self, cell: Cell, seed: int) -> dict[str, Any]:
        return self._compose((*cell.overrides, f"seed={seed}"))

    def _save(self, added: Sequence[TrialRecord]) -> None:
        for trial in added:
            self._ledger.save_trial(trial)


def longest_first(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Sort trials by what the time of a training grows with, of what is often swept.

    Where several run at once, the last to end then keeps fewer cores waiting (Graham
    1969, "Bounds on Multiprocessing Timing Anomalies").
    """

    def work(trial: TrialRecord) -> int:
        train = trial.config.get("train", {})
        return math.prod(train.get(key, 1) for key in _COSTS)

    return sorted(trials, key=work, reverse=True)


def _trial(
    number: int, index: int, cell: Cell, seed: int, values: dict[str, Any]
) -> TrialRecord:
    overrides = (*cell.overrides, f"seed={seed}")
    return TrialRecord(number, index, dict(cell.plain), seed, overrides, values)


def _tried(
    trials: Sequence[TrialRecord], metric: str, *, maximize: bool
) -> list[Tried]:
    """Return what came of cells: the metric's mean over seeds.

    A pruned trial counts with its last value of the metric, where it has one from
    its epochs, else as bad as the worst that finished.

    Raises:
        SweepError: if trials finished, and none has the metric.
    """
    finished = [t for t in trials if t.outcome == "finished"]
    scores = [t.metrics[metric] for t in finished if metric in t.metrics]
    if finished and not scores:
        known = ", ".join(sorted(n for n in finished[0].metrics if n[:6] != "stage/"))
        raise SweepError(
            f"sweep.objective={metric}: no trial has such a metric. They have {known}"
        )
    worst = (min if maximize else max)(scores, default=None)
    cells: dict[int, list[TrialRecord]] = {}
    for trial in trials:
        cells.setdefault(trial.index, []).append(trial)
    tried = []
    for index in sorted(cells):
        found = [_score(trial, metric, worst) for trial in cells[index]]
        known_scores = [score for score in found if score is not None]
        mean = sum(known_scores) / len(known_scores) if known_scores else None
        tried.append(Tried(cells[index][0].cell, mean))
    return tried


def _score(trial: TrialRecord, metric: str, worst: float | None) -> float | None:
    if trial.outcome == "pruned":
        history = trial.history.get(metric)
        return history[-1] if history else worst
    return trial.metrics.get(metric) if trial.outcome == "finished" else None
