"""What counts as a change of code, and what does not."""

from pathlib import Path

import pytest

from pipeline.sources import describe

FILES = {
    "pipeline/__init__.py": "",
    "pipeline/core/__init__.py": "",
    "pipeline/core/low.py": (
        '"""Low."""\nLIMIT = 3\n\n\ndef low(x):\n    return x + 1\n'
    ),
    "pipeline/core/mid.py": (
        "from pipeline.core import low\n\n\ndef mid(x):\n    return low.low(x)\n"
    ),
    "pipeline/core/apart.py": "def apart():\n    return 0\n",
    "pipeline/stages/__init__.py": "",
    "pipeline/stages/top.py": (
        "import json\n\n\ndef top(x):\n"
        "    import scipy.stats\n"
        "    from pipeline.core.mid import mid\n\n"
        "    return mid(x), json, scipy\n"
    ),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def look(root: Path):
    describe.cache_clear()
    return describe("pipeline.stages.top", root)


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def changed(root: Path, name: str, old: str, new: str) -> set[str]:
    before = look(root).definitions
    edit(root, name, old, new)
    after = look(root).definitions
    return {
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    }


def test_a_helpers_helper_counts(tree):
    found = changed(tree, "pipeline/core/low.py", "x + 1", "x + 2")

    assert found == {"pipeline/core/low.py: low"}


def test_a_constant_counts_under_module_level(tree):
    found = changed(tree, "pipeline/core/low.py", "LIMIT = 3", "LIMIT = 4")

    assert found == {"pipeline/core/low.py: module level"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Low."""', '"""Lower."""'),
        ("LIMIT = 3\n", "LIMIT = 3  # three\n"),
        ("    return x + 1", "    # one more\n    return (x\n            + 1)"),
        ("def low(x):\n", 'def low(x):\n    """Add one."""\n'),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tree, old, new):
    assert changed(tree, "pipeline/core/low.py", old, new) == set()


def test_code_out_of_reach_does_not_count(tree):
    assert changed(tree, "pipeline/core/apart.py", "return 0", "return 1") == set()


def test_a_new_import_brings_its_module(tree):
    found = changed(
        tree,
        "pipeline/core/mid.py",
        "from pipeline.core import low",
        "from pipeline.core import apart, low",
    )

    assert "pipeline/core/apart.py: apart" in found


def test_two_definitions_of_one_name_both_count(tree):
    edit(
        tree,
        "pipeline/core/low.py",
        "LIMIT = 3\n",
        "LIMIT = 3\n\n\ndef low(x):\n    return 0\n",
    )
    found = changed(tree, "pipeline/core/low.py", "return 0", "return 9")

    assert found == {"pipeline/core/low.py: low"}


def test_libraries_count_by_version_and_the_standard_library_with_python(tree):
    versions = look(tree).versions

    assert {"python", "numpy", "numba", "scipy"} == set(versions)


def test_a_relative_import_is_refused(tree):
    edit(tree, "pipeline/core/mid.py", "from pipeline.core", "from .")

    with pytest.raises(ValueError, match="relative imports"):
        look(tree)
