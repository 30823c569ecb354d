"""What a stage's config may say about its fields, beside their types.

Ranges are `annotated_types` (Ge, Gt, Le, Lt), choices are `Literal`. The checks
themselves run in `pipeline.config`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

from annotated_types import Ge, Gt, Le, Lt

LARGEST = 2**31 - 1  # what the narrowest of the libraries' integers holds

PositiveInt = Annotated[int, Ge(1), Le(LARGEST)]
NaturalInt = Annotated[int, Ge(0), Le(LARGEST)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
OpenFraction = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class Unkeyed:
    """Marks a field that stays out of the cache key.

    For a field that cannot change a result (how many checkpoints to keep), and
    for a path, whose content is keyed instead.
    """


@dataclass(frozen=True)
class OfGroup:
    """Marks a field that holds keys of the group that it is named after.

    For a stage whose result depends on another's keys: the cache knows them, and
    names them, by their full names.
    """


@runtime_checkable
class ReadsFiles(Protocol):
    """A config that names files to read; the cache keys their content."""

    def input_files(self) -> Mapping[str, Path]:
        """Return label -> file, in the order in which they are read.

        Labels are keyed with the content and must not depend on where the
        files lie.

        Raises:
            DataError: if a named file does not exist.
        """
        ...
