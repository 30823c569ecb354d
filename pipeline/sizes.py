"""Sizes on disk, as people write and read them."""

import re
from pathlib import Path

from pipeline.errors import ConfigError

_UNITS = ("B", "kB", "MB", "GB", "TB")
_FACTORS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_FACTORS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(
    r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([a-z]{0,3})\s*", re.IGNORECASE
)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `5GB`, `500 MB`, `1.5 GiB` or `0`.

    Raises:
        ConfigError: if it is no size.
    """
    match = _SIZE.fullmatch(text)
    factor = _FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ConfigError(
            f"{text!r} is no size: expected a number and a unit, such as 5GB, 500MB "
            "or 1.5GiB"
        )
    return round(float(match[1]) * factor)


def show_size(size: int) -> str:
    """Return a size with three digits or so: 512 B, 1.5 kB, 23.0 MB."""
    value, unit = float(size), _UNITS[0]
    for larger in _UNITS[1:]:
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 if it is gone."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(_size(file) for file in files)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if not path.is_dir() else 0
    except OSError:  # removed while we look
        return 0
