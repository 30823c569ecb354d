"""What counts as a change of code, and what does not."""

import importlib.metadata
from pathlib import Path

import pytest

from pipeline import sources
from pipeline.sources import describe

FILES = {
    "pipeline/__init__.py": (
        "def __getattr__(name):\n"
        "    from pipeline.core.apart import apart\n\n"
        "    return apart\n"
    ),
    "pipeline/artifacts.py": "def save():\n    return 0\n",
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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def low(x):", "def low(x=3):"),
        ("def low(x):", "import functools\n\n\n@functools.cache\ndef low(x):"),
        ("def low(x):", "def low(x: int):"),
        ("LIMIT = 3", "LIMIT: int = 3"),
        ("LIMIT = 3", "class Low:\n    limit = 3"),
        ("LIMIT = 3", "type_of_x = list[int]"),
        ("x + 1", "x + 1.0"),
        ("x + 1", "x + True"),
    ],
)
def test_defaults_decorators_annotations_and_types_of_constants_count(tree, old, new):
    assert changed(tree, "pipeline/core/low.py", old, new)


@pytest.mark.parametrize(
    "imported",
    [
        "from pipeline.core import apart as other",
        "import pipeline.core.apart",
        "import pipeline.core.apart as other",
        "from pipeline.core.apart import apart as other",
        "from pipeline.core.apart import *",
        "from pipeline.core.again import other",
        "def f():\n    if f:\n        import pipeline.core.apart\n",
        "try:\n    import pipeline.core.apart\nexcept ImportError:\n    pass\n",
        "from pipeline import core\n\n\ndef f():\n    return core.apart.apart()\n",
        "import pipeline.core.low\n\nf = pipeline.core.apart.apart\n",
        "import pipeline.core as c\n\nf = c.apart.apart\n",
    ],
)
def test_every_way_to_import_is_followed(tree, imported):
    again = tree / "pipeline/core/again.py"
    again.write_text("from pipeline.core.apart import apart as other\n")
    edit(tree, "pipeline/core/mid.py", "def mid", f"{imported}\n\n\ndef mid")

    found = changed(tree, "pipeline/core/apart.py", "return 0", "return 1")

    assert found == {"pipeline/core/apart.py: apart"}


def test_what_only_type_checkers_import_does_not_count(tree):
    guarded = (
        "import typing\nfrom typing import TYPE_CHECKING\n\n"
        "if typing.TYPE_CHECKING:\n    from pipeline.core.apart import apart\n"
        "if TYPE_CHECKING:\n    import pandas\n"
        "else:\n    import scipy\n"
    )
    edit(
        tree,
        "pipeline/core/mid.py",
        "from pipeline.core",
        f"{guarded}from pipeline.core",
    )

    found = look(tree)

    assert not any("apart" in name for name in found.definitions)
    assert "scipy" in found.versions
    assert "pandas" not in found.versions


@pytest.mark.parametrize("package", ["pipeline", "pipeline/core", "pipeline/stages"])
def test_the_packages_around_a_module_count_since_importing_runs_them(tree, package):
    before = look(tree).definitions
    path = tree / package / "__init__.py"
    path.write_text(f"import pipeline.core.apart\n{path.read_text()}")
    after = look(tree).definitions

    assert (
        before[f"{package}/__init__.py: module level"]
        != (after[f"{package}/__init__.py: module level"])
    )
    assert "pipeline/core/apart.py: apart" in after.keys() - before.keys()


def test_a_package_hides_a_module_of_the_same_name(tree):
    (tree / "pipeline/core/low").mkdir()
    (tree / "pipeline/core/low/__init__.py").write_text("def low(x):\n    return 5\n")

    assert "pipeline/core/low/__init__.py: low" in look(tree).definitions


def test_the_code_that_writes_results_counts_for_every_stage(tree):
    found = changed(tree, "pipeline/artifacts.py", "return 0", "return 1")

    assert found == {"pipeline/artifacts.py: save"}


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module('pipeline.core.apart')",
        "import_module(name)",
        "__import__('pipeline.core.apart')",
        "exec('1')",
        "eval('1')",
    ],
)
def test_an_import_that_cannot_be_followed_is_refused(tree, line):
    edit(tree, "pipeline/core/low.py", "return x + 1", line)

    with pytest.raises(
        ValueError, match=r"pipeline/core/low\.py: .* cannot be followed"
    ):
        look(tree)


def test_a_module_without_a_version_is_refused(tree, tmp_path, monkeypatch):
    (tmp_path / "stray.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    edit(tree, "pipeline/core/low.py", "LIMIT = 3", "import stray")

    with pytest.raises(ValueError, match=r"stray .* in no installed distribution"):
        look(tree)


def test_a_missing_optional_library_is_none(tree):
    edit(tree, "pipeline/core/low.py", "LIMIT = 3", "import not_installed_anywhere")

    assert set(look(tree).versions) == {"python", "numpy", "scipy"}


def test_libraries_count_with_all_they_require(tree):
    edit(tree, "pipeline/core/low.py", "LIMIT = 3", "import matplotlib")
    found = look(tree).versions

    # Pillow writes matplotlib's images.
    assert {"python", "numpy", "scipy", "matplotlib", "pillow"} <= set(found)
    assert "pytest" not in found


def test_a_relative_import_is_refused(tree):
    edit(tree, "pipeline/core/mid.py", "from pipeline.core", "from .")

    with pytest.raises(ValueError, match="relative imports"):
        look(tree)


@pytest.mark.parametrize("name", ["page.js", "page.css", "page.html"])
def test_a_file_that_a_module_may_read_from_beside_it_counts(tree, name):
    before = look(tree).definitions
    path = tree / "pipeline" / "core" / name
    path.write_text("1")
    first = look(tree).definitions
    path.write_text("2")
    second = look(tree).definitions

    label = f"pipeline/core/{name}"
    assert label not in before
    assert first[label] != second[label]
    assert {k for k in second if second[k] != before.get(k)} == {label}


def test_files_beside_modules_that_are_not_reached_do_not_count(tree):
    (tree / "pipeline" / "apart").mkdir()
    (tree / "pipeline" / "apart" / "page.js").write_text("1")
    (tree / "pipeline" / "core" / "notes.txt").write_text("1")

    names = {name for name in look(tree).definitions if not name.endswith("level")}
    assert not any(name.endswith((".js", ".txt")) for name in names)


def test_the_standard_library_finds_the_same_distributions():
    found = {
        module: sorted(each.name for each in distributions)
        for module, distributions in sources._distributions().items()
    }

    expected = importlib.metadata.packages_distributions()
    assert found == {module: sorted(names) for module, names in expected.items()}
