"""What a stage reports, kept beside its checkpoints until it is done."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.errors import DataError
from pipeline.report import Report

# A metric as it is kept while a stage works: name, value, step.
_POINT = TypeAdapter(
    tuple[str, float, int | None], config=ConfigDict(allow_inf_nan=False)
)


class Recorder(Report):
    """Pass a stage's words on, and keep its metrics in a file.

    A stage that was killed and goes on finds there what it reported before.

    Args:
        report: Takes the words.
        path: The file; it need not be there yet.
    """

    def __init__(self, report: Report, path: Path) -> None:
        self._report = report
        self._path = path
        self._values = dict(read_series(path))

    def start(self, total: int | None, unit: str) -> None:
        """Open the progress bar."""
        self._report.start(total, unit)

    def advance(self, amount: int, shown: str = "") -> None:
        """Move it on."""
        self._report.advance(amount, shown)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Keep values and pass them on.

        Raises:
            DataError: if one is not finite.
        """
        for name, value in values.items():
            if not math.isfinite(value):
                where = f" at step {step}" if step is not None else ""
                raise DataError(f"{name} is {value}{where}: expected a finite number")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n")  # ends a line that a kill cut off
            for name, value in values.items():
                self._values[name, step] = float(value)
                file.write(json.dumps([name, float(value), step]) + "\n")
        self._report.metrics(values, step)

    def series(self) -> list[tuple[str, float, int | None]]:
        """Return all that was reported, as name, value, step."""
        return [(name, value, step) for (name, step), value in self._values.items()]


def read_series(path: Path) -> Iterator[tuple[tuple[str, int | None], float]]:
    """Yield (name, step), value of each sound line of a file, if it is there."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            point = _POINT.validate_json(line, strict=True)
        except ValidationError:  # a line cut off by a kill; it is reported again
            continue
        name, value, step = point
        yield (name, step), value
