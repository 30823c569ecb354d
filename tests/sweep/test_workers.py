"""The processes that run a sweep's trials: ready when they are needed."""

import os
from contextlib import ExitStack

import pytest

from pipeline.sweep.workers import started

OPTIONS = {"n_jobs": 2, "pre_dispatch": "2*n_jobs", "max_nbytes": None}
LAUNCHER = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


@pytest.mark.slow
def test_trials_run_in_the_processes_that_were_started():
    joblib = pytest.importorskip("joblib")
    launcher = {"_target_": LAUNCHER, **OPTIONS}

    with started(launcher, ("ingest",), tracked=False, most=2) as wait:
        wait()
        loky = joblib.externals.loky.get_reusable_executor(reuse=True)
        before = set(loky._processes)
        used = joblib.Parallel(**OPTIONS, backend="loky")(
            joblib.delayed(os.getpid)() for _ in range(8)
        )

    assert len(before) == 2
    assert set(used) <= before


@pytest.mark.parametrize(
    "launcher",
    [
        {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"},
        {"_target_": LAUNCHER, **OPTIONS, "n_jobs": 1},
    ],
)
def test_where_none_are_used_none_are_started(launcher):
    loky = pytest.importorskip("joblib").externals.loky
    before = loky.reusable_executor._executor

    with started(launcher, ("ingest",), tracked=False, most=2) as wait:
        wait()
        assert loky.reusable_executor._executor is before


@pytest.mark.slow
def test_they_end_where_nothing_is_launched():
    joblib = pytest.importorskip("joblib")
    launcher = {"_target_": LAUNCHER, **OPTIONS}

    with ExitStack() as stack:
        stack.enter_context(started(launcher, ("evaluate",), tracked=True, most=2))
        loky = joblib.externals.loky.get_reusable_executor(reuse=True)
        processes = list(loky._processes.values())
        # They are left before they are waited for, as by an error.

    assert processes
    for process in processes:
        process.join(30)
        assert not process.is_alive()
