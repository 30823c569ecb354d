"""What a stage may say while it works."""

from collections.abc import Mapping


class Report:
    """Take a stage's progress and live metrics; this one stays silent.

    The engine passes one that draws a progress bar and logs to the tracking
    store. A stage called by hand gets this one.
    """

    def start(self, total: int | None, unit: str) -> None:
        """Open the progress bar: `total` units of work, None if not known."""

    def advance(self, amount: int, shown: str = "") -> None:
        """Say that `amount` more units are done; `shown` stands beside the bar."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log values by flat name; `step` counts epochs from 1."""
