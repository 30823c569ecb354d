"""What a sweep is told, besides its space: the group `sweep` of the configuration."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from pipeline.errors import ConfigError
from pipeline.fields import NaturalInt, PositiveInt

# It names a folder, and stands in addresses of the UI.
SweepName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.+-]{0,99}$")]

PROBE, HELDOUT_LOSS = "probe/f1", "train/heldout_loss"

# What a loss is a mean over: K negatives drawn from the noise, for the pairs of a
# window, of the words of a vocabulary. Another choice makes it another quantity.
_LOSS_KEYS = {
    f"train.{key}"
    for key in ("window", "negatives", "noise_power", "subsample", "heldout_split")
}
_LOSS_GROUPS = ("vocab", "ingest")


@dataclass(frozen=True)
class SweepConfig:
    """How a sweep searches; `conf/sweep` explains each key."""

    name: SweepName | None
    search: Literal["grid", "random", "tpe"]
    seeds: PositiveInt
    trials: PositiveInt
    batch: PositiveInt
    seed: NaturalInt
    objective: str
    direction: Literal["auto", "maximize", "minimize"]
    prune: Literal["none", "median", "halving"]
    prune_after: PositiveInt
    prune_startup: PositiveInt
    space: Mapping[str, str | int | float | bool]

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


def read_sweep(values: Mapping[str, Any]) -> SweepConfig:
    """Check the plain values of the group `sweep`.

    Raises:
        ConfigError: naming every bad key, its value and what is legal.
    """
    try:
        adapter = TypeAdapter(SweepConfig)
        return adapter.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        lines = [
            f"sweep.{'.'.join(map(str, d['loc']))}: {d['msg']}, found {d['input']!r}"
            for d in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def resolved_objective(config_objective: str, trials: list[Mapping[str, float]]) -> str:
    """Return the metric to judge by: the one named, or that which `auto` means.

    Args:
        config_objective: The name of a metric, or `auto`.
        trials: Metrics of the trials that finished.
    """
    if config_objective != "auto":
        return config_objective
    probed = trials and all(PROBE in metrics for metrics in trials)
    return PROBE if probed else HELDOUT_LOSS


def is_maximized(metric: str, direction: str = "auto") -> bool:
    """Say whether more of a metric is better."""
    if direction != "auto":
        return direction == "maximize"
    return not any(word in metric for word in ("loss", "seconds", "_mb"))


def loss_keys(metric: str, keys: Iterable[str]) -> list[str]:
    """Return the swept keys that make a loss another quantity; none for a score."""
    if "loss" not in metric:
        return []
    return [
        key
        for key in keys
        if key in _LOSS_KEYS or key.partition(".")[0] in _LOSS_GROUPS
    ]
