"""Threads: every job's result, whatever the order; errors and no jobs."""

import threading
from functools import partial

import pytest

from pipeline.core.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [1, 2, 9, None])
def test_every_job_gives_its_result_under_its_place(threads):
    jobs = [partial(pow, i, 2) for i in range(7)]

    assert dict(side_by_side(jobs, threads)) == {i: i**2 for i in range(7)}


def test_jobs_work_at_once():
    both = threading.Barrier(2, timeout=20)  # passes only when two have come

    assert len(list(side_by_side([both.wait, both.wait], 2))) == 2


def test_what_a_job_raises_is_raised():
    def fail():
        raise KeyError("here")

    with pytest.raises(KeyError, match="here"):
        list(side_by_side([fail], 1))


def test_no_jobs_give_nothing():
    assert list(side_by_side([])) == []
