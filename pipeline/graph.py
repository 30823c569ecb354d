"""Stages, and how they hang together by what they take and give.

A stage is `name(config, <inputs>, *, workspace, report) -> outputs`: its inputs
are the artifacts its parameters are named after, its outputs are those that the
DAG says it gives.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.errors import ConfigError


@dataclass(frozen=True)
class Stage:
    """A node of the DAG.

    Attributes:
        function: The stage; its name is the stage's name.
        gives: Names of the artifacts it returns, in order.
        on_request: Whether it runs only where it is a target, or one needs it.
        beside: Whether it may run in a process of its own, while stages before it
            that it does not need still run.
    """

    function: Callable[..., object]
    gives: tuple[str, ...]
    on_request: bool = False
    beside: bool = False

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.function.__name__

    @cached_property
    def takes(self) -> Mapping[str, type]:
        """Input artifact -> type, from the parameters after the config."""
        hints = typing.get_type_hints(self.function)
        return {name: hints[name] for name in self._parameters[1:]}

    @cached_property
    def config_type(self) -> Any:
        """The type of its config, with all that is said of it."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        return hints[self._parameters[0]]

    @cached_property
    def kinds(self) -> Mapping[str, type]:
        """Output artifact -> type, from the return annotation."""
        returned = typing.get_type_hints(self.function)["return"]
        many = typing.get_origin(returned) is tuple
        kinds = typing.get_args(returned) if many else (returned,)
        return dict(zip(self.gives, kinds, strict=True))

    @cached_property
    def _parameters(self) -> list[str]:
        return [
            p.name
            for p in inspect.signature(self.function).parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]


def check(stages: Sequence[Stage]) -> None:
    """Check that every input is given by an earlier stage, with the same type.

    Raises:
        TypeError: if the DAG does not hold together.
    """
    given: dict[str, type] = {}
    for stage in stages:
        for name, kind in stage.takes.items():
            if name not in given:
                message = f"{stage.name} takes {name!r}, which no stage before it gives"
                raise TypeError(message)
            if given[name] is not kind:
                raise TypeError(
                    f"{stage.name} takes {name!r} as {kind.__name__}, "
                    f"but it is given as {given[name].__name__}"
                )
        given |= stage.kinds


def select(stages: Sequence[Stage], targets: Sequence[str]) -> tuple[Stage, ...]:
    """Return the targets and all stages they need, in order.

    If none is named, all are targets but those that run on request.

    Raises:
        ConfigError: if a target is not a stage.
    """
    legal = [stage.name for stage in stages]
    for target in targets:
        if target not in legal:
            raise ConfigError(f"targets: expected some of {legal}, found {target!r}")
    wanted = targets or [stage.name for stage in stages if not stage.on_request]
    needed: set[str] = set()
    chosen: list[Stage] = []
    for stage in reversed(stages):
        if stage.name in wanted or needed & set(stage.gives):
            chosen.append(stage)
            needed |= set(stage.takes)
    return tuple(reversed(chosen))
