"""Find the vectors of a run, or of a file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import expanded
from pipeline.core.formats.reading import read_vectors
from pipeline.core.types import Embeddings
from pipeline.errors import ConfigError, TrackingError
from pipeline.records import RunRecord, load_record
from pipeline.tracking.placing import local_folder

if TYPE_CHECKING:
    from pipeline.config import AnyConfig

_VECTORS = "vectors/vectors.npz"

# Keys, by group, that name a run whose vectors a stage reads.
_RUN_KEYS = (("evaluate", "against"), ("tag", "word_classes"))


def load(run_or_path: str | Path, home: str | Path | None = None) -> Embeddings:
    """Return word vectors.

    Args:
        run_or_path: See `vectors_file`.
        home: See there.

    Raises:
        DataError: if a file is damaged or of another form.
        TrackingError: if there is no such run or it kept no vectors.
    """
    return read_vectors(vectors_file(run_or_path, home))


def read_values(values: dict[str, Any]) -> tuple["AnyConfig", dict[str, Any]]:
    """Check a configuration, and put the file in a run's place that it names.

    A stage reads files, and does not know runs; and `last` would be another run
    when the record of this one is read. Nothing is made yet: what cannot be run is
    refused before it leaves a trace.

    Returns:
        The configuration, and the same as plain values.

    Raises:
        ConfigError: naming every bad key in full, its value and what is legal; a
            file to be read that is not there; a home that cannot be.
        TrackingError: if there is no such run.
    """
    # Not with the module: who only loads vectors needs none of the stages.
    from pipeline.config import check_config
    from pipeline.inputs import check_files

    config = check_config(values)
    home = config.home_folder
    _check_top(home)
    for group, key in _RUN_KEYS:
        named = values.get(group, {}).get(key)
        if named is not None:
            path = vectors_file(named, home)
            placed = {**values[group], key: str(path.absolute())}
            values = {**values, group: placed}
    config = check_config(values)
    check_files(config)
    return config, values


def _check_top(home: Path) -> None:
    """Check that home lies on this machine: below a folder of the root that is there.

    That of another machine, or of a disk that is not mounted, is not made.
    """
    for top in home.parents[-2:-1]:
        if not top.exists():
            raise ConfigError(
                f"home: {home} lies below {top}, which is not on this machine. Set "
                "home, or W2V_HOME, to another folder"
            )


def vectors_file(run_or_path: str | Path, home: str | Path | None = None) -> Path:
    """Return the local file of word vectors that a run kept, or the file named.

    Args:
        run_or_path: A run id, the start of one, `last`, or a file: word2vec text or
            binary, GloVe text, or vectors or a checkpoint of this project.
        home: The folder that holds the runs; by default W2V_HOME, or ./runs.

    Raises:
        TrackingError: if there is no such run or it kept no vectors.
    """
    path = Path(run_or_path)
    if _is_file(path) or path.suffix or len(path.parts) > 1:  # no run's id has either
        return path
    folder = expanded(home or os.environ.get("W2V_HOME", "runs")).absolute()
    record = load_record(folder, str(run_or_path))
    if _VECTORS not in record.artifacts:
        raise TrackingError(why_untrained(record, "no vectors"))
    return fetch(folder, record, _VECTORS)


def why_untrained(record: RunRecord, lacking: str) -> str:
    """Say why a run lacks what training leaves, and what to do.

    Args:
        record: The run.
        lacking: What it holds, such as "no vectors".
    """
    why = "its training did not finish. Run it again: finished stages are not repeated"
    if record.status == "FINISHED":
        why = "it was not to train any. Name a run that trained"
    return f"run {record.run_id} ({record.status}) holds {lacking}: {why}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL: no file has that name
        return False


def fetch(home: Path, record: RunRecord, path: str) -> Path:
    """Return an artifact of a run as a local file.

    Args:
        home: The folder that holds the runs.
        record: The run.
        path: The artifact, relative to the run's artifacts.

    Raises:
        TrackingError: if it cannot be had.
    """
    local = local_folder(record.artifact_uri)
    if local is not None and (local / path).is_file():
        return local / path
    from pipeline.tracking.mlflow_tracker import download

    return download(home, record, path)
