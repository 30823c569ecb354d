"""The doctor finds what the dead left, mends it, and touches nothing alive.

What it finds, kind by kind, is held by the tests below doctor.
"""

import json

import pytest
from ailing import put, save
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.doctor.examination import examine
from pipeline.errors import ConfigError


def test_a_home_that_is_not_there_is_well_and_stays_away(tmp_path):
    assert examine(tmp_path / "home") == []
    assert not (tmp_path / "home").exists()


def test_the_command_says_what_remains_by_its_exit_code(tmp_path):
    save(tmp_path, "a" * 32)
    runner = CliRunner()

    def doctor(*arguments: str):
        return runner.invoke(cli, ["doctor", "--home", str(tmp_path), *arguments])

    looked = doctor("--json")
    assert looked.exit_code == 1
    (finding,) = json.loads(looked.stdout)["findings"]
    assert (finding["kind"], finding["state"]) == ("dead run", "found")
    assert finding["bytes"] > 0

    mended = doctor("--fix")
    assert mended.exit_code == 0
    assert "mended" in mended.stdout
    again = doctor()
    assert again.exit_code == 0
    assert again.stdout == f"{tmp_path}: all is well\n"


@pytest.mark.parametrize("kind", ["a file", "nothing there"])
def test_the_command_needs_a_home(tmp_path, kind):
    home = tmp_path / "home"
    if kind == "a file":
        home.write_text("")

    done = CliRunner().invoke(cli, ["doctor", "--home", str(home)])

    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith(f"{home}: expected the folder")
    assert f"found {kind}" in str(done.exception)


def test_the_cache_command_lists_and_prunes(tmp_path):
    for value in (1.0, 2.0, 3.0):
        put(tmp_path, value)
    runner = CliRunner()

    def cache(*arguments: str):
        return runner.invoke(cli, ["cache", *arguments, "--home", str(tmp_path)])

    listed = json.loads(cache("ls", "--json").stdout)
    assert [entry["holds"] for entry in listed] == ["toy: metrics"] * 3
    size = listed[0]["bytes"]
    assert "3 entries" in cache("ls").stdout

    pruned = json.loads(cache("prune", "--keep", f"{size + 1}", "--json").stdout)
    assert pruned == {"removed": 2, "freed_bytes": 2 * size, "left_bytes": size}
    assert cache("prune").exit_code == 2
