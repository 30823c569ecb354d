"""Which files an evaluation reads, by the name that each has among the metrics."""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.core.findings import slug
from pipeline.errors import ConfigError, DataError

# Short names of the public sets, by file name without its ending.
_KNOWN_FILES = {
    "EN-MEN-TR-3K": "men",
    "EN-RG-65": "rg65",
    "EN-RW-STANFORD": "rareword",
    "EN-SIMLEX-999": "simlex999",
    "EN-WS-353-ALL": "ws353",
    "EN-WS-353-REL": "ws353_rel",
    "EN-WS-353-SIM": "ws353_sim",
    "QUESTIONS-WORDS": "google",
}


def named_files(key: str, patterns: Sequence[str]) -> Mapping[str, Path]:
    """Return metric name -> file for paths and globs, ordered by name.

    Args:
        key: The config's, for errors.
        patterns: Paths and globs.

    Raises:
        DataError: if one names no file.
        ConfigError: if two files would share a metric's name.
    """
    files: dict[str, Path] = {}
    for pattern in patterns:
        # A file may have a name that is no glob for itself: pairs[1].txt.
        literal = Path(pattern)
        found = [literal] if literal.is_file() else _matching(pattern)
        if not found:
            raise DataError(f"{key}: expected a file or files, {pattern!r} names none")
        for path in found:
            name = _metric_name(path)
            other = files.setdefault(name, path)
            if not other.samefile(path):
                raise ConfigError(
                    f"{key}: {other} and {path} would share the metric name "
                    f"{name!r}. Rename or leave out one."
                )
    return dict(sorted(files.items()))


def _matching(pattern: str) -> list[Path]:
    # Path.glob takes no absolute pattern.
    paths = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207
    return [path for path in paths if path.is_file()]


def _metric_name(path: Path) -> str:
    stem = Path(path.name.removesuffix(".gz")).stem
    name = _KNOWN_FILES.get(stem.upper()) or slug(stem)
    if not name:
        raise ConfigError(f"{path}: its name makes no metric name. Rename it.")
    return name
