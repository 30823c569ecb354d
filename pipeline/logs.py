"""How what is logged is written, on the terminal and in a run's file."""

import logging
import sys
import time
from pathlib import Path

from pipeline.core.labels import visible

log = logging.getLogger(__name__)


class LogFormatter(logging.Formatter):
    """Write entries in UTC, and what they quote from outside as visible text."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern, "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry; only its own line breaks and tabs stay."""
        return visible(super().format(record), keep="\n\t")


class LogFile(logging.FileHandler):
    """Keep what is logged in a file, as far as its disk takes it.

    A full disk must end no run for its log's sake: it is warned of once, and the
    entries go on to the terminal.

    Raises:
        OSError: if the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.setFormatter(
            LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        )
        self._told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 its name
        """Warn of a disk that takes no more; the rest is for `logging` to tell."""
        error = sys.exception()
        if isinstance(error, OSError):
            self._tell(error)
        else:
            super().handleError(record)

    def close(self) -> None:
        """Close the file, whether or not its last entries can be written."""
        try:
            super().close()
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self._told:  # the warning itself comes here again
            self._told = True
            log.warning(
                "%s: cannot be written: %s. The run goes on; its log has gaps",
                self.baseFilename,
                error.strerror,
            )
