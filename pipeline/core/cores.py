"""How many threads may run at a time."""

import os
from pathlib import Path


def available_cores() -> int:
    """Return how many threads this process may run at a time, at least 1.

    The least of what the scheduler allows and of the share of time that a control group
    (a container) is given, rounded up.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def _quota() -> int:
    """Return the cores' worth of time that the control group is given; or very many."""
    unlimited = 2**31
    try:
        text = Path("/sys/fs/cgroup/cpu.max").read_text("ascii")
    except OSError:  # no control groups, or of the first version
        return unlimited
    quota, period = text.split()
    return unlimited if quota == "max" else -(-int(quota) // int(period))
