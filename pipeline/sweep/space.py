"""The space of a sweep: keys and the values that each may take, in Hydra's grammar."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
)

from pipeline.errors import ConfigError

Plain = str | int | float | bool | None


@dataclass(frozen=True)
class Value:
    """One value of a key.

    Attributes:
        text: As an override has it.
        plain: As a table has it; lists and mappings as text.
    """

    text: str
    plain: Plain


@dataclass(frozen=True)
class Axis:
    """A key and the values that it may take.

    Attributes:
        key: As an override has it: `train.dim`, or `+key`, or a group.
        text: The values as typed.
        values: All of them; empty for an interval.
        is_range: Whether they are numbers at equal distances.
        low: Least number of an interval.
        high: Greatest number of it.
        log: Whether to search it by its logarithm.
        whole: Whether only whole numbers count.
    """

    key: str
    text: str
    values: tuple[Value, ...]
    is_range: bool = False
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False

    @property
    def name(self) -> str:
        """The key in the configuration."""
        return self.key.lstrip("+")


def split_overrides(
    overrides: Iterable[str], space: Mapping[str, object]
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    """Tell the axes of a sweep from what is the same in all trials.

    Args:
        overrides: The command line's.
        space: Key -> values as typed; a key of the overrides goes before.

    Returns:
        The axes, those of `space` first, and the other overrides.

    Raises:
        ConfigError: if a value of `space` names no values, or an axis has none.
        HydraException: if an override cannot be read.
    """
    parser = OverridesParser.create()
    given = parser.parse_overrides(list(overrides))
    typed = {o.key_or_group for o in given}
    listed = [f"{key}={text}" for key, text in space.items() if key not in typed]
    axes: dict[str, Axis] = {}
    fixed = []
    for override in [*parser.parse_overrides(listed), *given]:
        if override.is_sweep_override():
            axis = _axis(override)
            axes[axis.name] = axis
        else:
            fixed.append(str(override.input_line))
    return tuple(axes.values()), tuple(fixed)


def _axis(override: Override) -> Axis:
    key, text = override.get_key_element(), override.get_value_string()
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        if sweep.start is None or sweep.end is None or sweep.start >= sweep.end:
            raise ConfigError(f"{key}={text}: expected interval(LOW,HIGH), LOW < HIGH")
        log = "log" in sweep.tags
        if log and sweep.start <= 0:
            raise ConfigError(f"{key}={text}: a logarithm needs numbers above 0")
        whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        return Axis(
            *(key, text, ()),
            low=sweep.start,
            high=sweep.end,
            log=log,
            whole=whole,
        )
    if isinstance(sweep, RangeSweep | ChoiceSweep):
        sweep.shuffle = False  # the order would be another each time
    values = tuple(
        Value(Override._get_value_element_as_str(v), _plain(v))
        for v in override.sweep_iterator()
    )
    if not values:
        raise ConfigError(f"{key}={text}: expected values, found none")
    return Axis(key, text, values, is_range=isinstance(sweep, RangeSweep))


def _plain(value: object) -> Plain:
    if isinstance(value, QuotedString):
        return value.text
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(Override._get_value_element_as_str(value))  # type: ignore[arg-type]  # a list or mapping
