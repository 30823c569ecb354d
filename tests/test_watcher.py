"""Progress bars, as a terminal shows them."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from pipeline.watcher import Watcher

# What tqdm writes: text, to the line's begin, a new line, a line up.
PIECE = re.compile(r"\r|\n|\x1b\[A|[^\r\n\x1b]+")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows."""
    lines, row, column = [""], 0, 0
    for piece in PIECE.findall(written):
        if piece == "\r":
            column = 0
        elif piece == "\x1b[A":
            row -= 1
        elif piece == "\n":
            row, column = row + 1, 0
        else:
            lines += [""] * (row + 1 - len(lines))
            before = lines[row].ljust(column)
            column += len(piece)
            lines[row] = before[: column - len(piece)] + piece + before[column:]
    assert "".join(PIECE.findall(written)) == written
    return [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize("first", ["evaluate", "visualize"])
def test_bars_side_by_side_come_to_rest_on_lines_of_their_own(monkeypatch, first):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    watcher = Watcher(SimpleNamespace(), SimpleNamespace(), SimpleNamespace())
    names = ["evaluate", "visualize"]
    reports = {name: watcher.begin(name) for name in reversed(names)}
    for name in sorted(names, key=lambda name: name != first):
        reports[name].start(2, "steps")
    for name in names:
        reports[name].advance(1, f"half of {name}")
    assert [line.partition(":")[0] for line in screen(terminal.getvalue())] == [
        first,
        *(name for name in names if name != first),
    ]
    for name in names:
        reports[name].advance(1, f"all of {name}")
        watcher._close_bar(name)

    shown = screen(terminal.getvalue())
    assert [line.partition(":")[0] for line in shown] == names
    for line, name in zip(shown, names, strict=True):
        assert "2.00/2.00" in line
        assert f"all of {name}" in line


def test_in_a_log_no_bar_moves_about(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    watcher = Watcher(SimpleNamespace(), SimpleNamespace(), SimpleNamespace())
    for name in ("evaluate", "visualize"):
        watcher.begin(name).start(1, "steps")
    for name in ("evaluate", "visualize"):
        watcher._close_bar(name)

    assert "\x1b" not in log.getvalue()
    assert log.getvalue().count("\n") == 2
