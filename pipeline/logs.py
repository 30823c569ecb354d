"""How what is logged is written, on the terminal and in a run's file."""

import logging
import time

from pipeline.core.labels import visible


class LogFormatter(logging.Formatter):
    """Write entries in UTC, and what they quote from outside as visible text."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern, "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry; only its own line breaks and tabs stay."""
        return visible(super().format(record), keep="\n\t")
