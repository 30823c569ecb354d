"""How a process begins and ends."""

import gc
import subprocess
import sys

import pytest

from pipeline.processes import importing

CYCLE = """
class Loud:
    def __del__(self):
        print("looked through")

loud = Loud()
loud.itself = loud
"""


def test_the_collector_rests_while_much_is_imported():
    assert gc.isenabled()

    with importing():
        assert not gc.isenabled()

    assert gc.isenabled()


@pytest.mark.parametrize("left", [False, True])
def test_what_the_system_frees_is_not_looked_through(left):
    leave = (
        "from pipeline.processes import leave_memory_to_the_system\n"
        "leave_memory_to_the_system()\n"
        "import atexit; atexit.register(print, 'closed')\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", (leave if left else "") + CYCLE],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert said.split("\n")[:-1] == (["closed"] if left else ["looked through"])
