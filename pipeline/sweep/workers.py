"""The processes of Hydra's joblib launcher, started while the sweep is still planned.

A process that runs trials first imports what they need. Here that goes on beside the
planning, and is over when the first trial is launched: joblib keeps its processes from
one call to the next, where both ask for the same kind.
"""

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.processes import importing

_LAUNCHER = "JoblibLauncher"


@contextmanager
def started(
    launcher: Mapping[str, Any], targets: Sequence[str], *, tracked: bool, most: int
) -> Iterator[Callable[[], None]]:
    """Start the launcher's processes; let them end, in their own time, afterwards.

    Args:
        launcher: Its configuration. Those of other launchers start theirs.
        targets: The stages that trials run.
        tracked: Whether trials use MLflow.
        most: How many processes to prepare; 0 leaves it to the launcher.

    Yields:
        What waits until they are prepared.
    """
    if not str(launcher.get("_target_")).endswith(_LAUNCHER):
        yield _nothing
        return
    from hydra_plugins.hydra_joblib_launcher._core import process_joblib_cfg
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.externals.loky import get_reusable_executor

    options = {key: value for key, value in launcher.items() if key != "_target_"}
    process_joblib_cfg(options)
    processes = effective_n_jobs(options.get("n_jobs", -1))
    if processes == 1:  # trials are run in this process then
        yield _nothing
        return
    options |= {"backend": "loky", "return_as": "generator_unordered"}
    loads = Parallel(**options)(
        delayed(_load)(tuple(targets), tracked) for _ in range(min(processes, most))
    )

    def wait() -> None:
        for _ in loads:
            pass

    try:
        yield wait
    finally:
        with warnings.catch_warnings():
            # Where nothing is launched, it ends them at once, and says so.
            warnings.simplefilter("ignore", UserWarning)
            loads.close()
        get_reusable_executor(reuse=True).shutdown(wait=False)


def _nothing() -> None:
    """Wait for nothing."""


def _load(targets: tuple[str, ...], tracked: bool) -> None:
    """Import what trials need; what goes wrong in it, the first trial tells."""
    with suppress(Exception), importing():
        from pipeline.sweep.frozen import loaded_code
        from pipeline.sweep.trial import run_trial  # noqa: F401 - for what it imports

        loaded_code(targets)
        if tracked:
            from pipeline.tracking.mlflow_store import import_mlflow

            import_mlflow()
    gc.freeze()  # modules stay: they need not be looked through again
