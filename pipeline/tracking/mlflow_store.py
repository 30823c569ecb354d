"""MLflow itself, quietly imported, and this project's own store for it."""

import functools
import importlib
import logging
import os
import re
import sqlite3
import threading
import warnings
from contextlib import closing
from pathlib import Path

from pipeline.errors import StorageError, TrackingError
from pipeline.processes import importing
from pipeline.tracking import sqlite_store

log = logging.getLogger(__name__)

_PROBE_SECONDS = 4  # to connect, and again to answer


def import_mlflow() -> None:
    """Import MLflow for the first time, with telemetry off and in silence.

    A user's own time limits and log level stay.
    """
    # Read when MLflow is imported, and by the servers it starts. Source:
    # mlflow.org/docs/latest/community/usage-tracking
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # Standard output belongs to what the command prints.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Its own limits are 120 s and 7 retries: an epoch would wait for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    # They log an error that is also raised, and that we report.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    with importing(), warnings.catch_warnings():
        # What it uses of its libraries' old ways is not for our users to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Nor are the type hints of its own models.
        warnings.simplefilter("ignore", UserWarning)
        importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        importlib.import_module("mlflow.pyfunc")


def ready_store(home: Path) -> str:
    """Create this project's SQLite store, or bring it to MLflow's present form.

    One process at a time does so while the others wait. What is made or changed
    is a file beside, so that a kill leaves the store as it was.

    Returns:
        The store's address for MLflow.

    Raises:
        TrackingError: if the file is not an MLflow store, or a newer MLflow's.
        StorageError: if home cannot be written.
    """
    if set("?%") & set(str(home)):
        # SQLAlchemy reads them as parts of an address.
        raise TrackingError(
            f"home {home} holds a ? or %, which the address of an SQLite file cannot: "
            "set home to another folder, or track with tracking=off"
        )
    import_mlflow()
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    path = home / "mlflow.db"
    try:
        kept = sqlite_store.ready(
            path,
            current=lambda file: _schema(file) == _latest_schema(),
            make=lambda file: _make_store(file, home / "artifacts"),
            renew=_renew_store,
        )
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise StorageError(
            f"cannot make or open the tracking store {path}: {reason_of(error)}. Free "
            "space, or set home to a folder that can be written"
        ) from error
    if kept:
        log.warning(
            "%s is now of MLflow %s; before: %s", path, mlflow.__version__, kept
        )
    return f"sqlite:///{path}"


def probe(uri: str) -> None:
    """Ask a server whether it is there, with short time limits and no retry.

    Raises:
        TrackingError: if nothing answers.
    """
    import_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        http_request(
            get_default_host_creds(uri),
            "/health",
            "GET",
            timeout=_PROBE_SECONDS,
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException as error:
        raise TrackingError(
            f"tracking server {uri} cannot be reached: {reason_of(error)}. Start it "
            "(mlflow server), correct tracking.uri, or track with tracking=local"
        ) from error


@functools.cache
def _latest_schema() -> str:
    """Return the schema version of this MLflow, which reads 70 files to know it."""
    from mlflow.store.db import utils

    return str(utils._get_latest_schema_revision())


def _schema(path: Path) -> str:
    """Return the schema version of a store's file."""
    try:
        with closing(sqlite3.connect(path)) as store:
            rows = store.execute("SELECT version_num FROM alembic_version")
            return str(rows.fetchone()[0])
    except (sqlite3.DatabaseError, TypeError) as error:
        if "unable to open" in str(error):  # of the disk, not of what is in the file
            raise
        raise TrackingError(
            f"{path} is not an MLflow store ({error}). Move it away; a new one is "
            "made in its place"
        ) from error


def _make_store(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    ours = threading.get_ident()

    def quicken(connection: sqlite3.Connection, _: object) -> None:
        if threading.get_ident() != ours:
            return  # another thread's, of another file
        # Hundreds of small steps, each synced; the file is, before it has its name.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", quicken)
    try:
        store = SqlAlchemyStore(f"sqlite:///{path}", artifacts.as_uri())
        store.engine.dispose()
    finally:
        event.remove(Engine, "connect", quicken)


def _renew_store(path: Path) -> None:
    import mlflow
    from alembic.util import CommandError
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine(f"sqlite:///{path}")
    try:
        utils._upgrade_db(engine)
    except CommandError as error:
        raise TrackingError(
            f"{path.parent / 'mlflow.db'} was written by a newer MLflow than "
            f"{mlflow.__version__} ({error}): install that, or set home to another "
            "folder"
        ) from error
    finally:
        engine.dispose()


def reason_of(error: Exception) -> str:
    """Return what went wrong on one line, without the layers around it."""
    text = " ".join(str(error).split())
    for inner in (
        r"\[Errno -?\d+\] ([^'\")]+)",
        r"(Connection to \S+ timed out|Read timed out)",
        r"\(sqlite3\.\w+\) ([^\[]+)",
    ):
        found = re.search(inner, text)
        if found:
            return found[1].strip(" :")
    return text[:300]
