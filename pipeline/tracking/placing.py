"""Put artifacts where they stay, if that is on this machine."""

import re
import shutil
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def local_folder(uri: str) -> Path | None:
    """Return the folder that an artifact address names, None if it is remote.

    A plain path is no address: `#` and `?` are part of it, as for MLflow.
    """
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return None if _SCHEME.match(uri) else Path(unquote(uri))


def keep_file(local: Path, target: Path, scratch: Path) -> None:
    """Keep a file; who reads `target` sees the old content or the whole new one.

    What lies in scratch is written once and then goes: its content is not copied but
    gets a second name, where the file system has such links.

    Args:
        local: The file.
        target: Its new name; folders above are made.
        scratch: See `core.files.scratch_of`.

    Raises:
        OSError: if it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        if not (local.is_relative_to(scratch) and _linked(local, fresh)):
            shutil.copyfile(local, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def _linked(local: Path, fresh: Path) -> bool:
    try:
        fresh.hardlink_to(local)
    except OSError:  # on another file system, or one without links
        return False
    return True
