"""The house's floors, read from the imports themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))

# What composes configurations, and launches the trials of a sweep.
HYDRA = {
    "pipeline/cli.py",
    "pipeline/composition.py",
    "pipeline/sweep/launch.py",
    "pipeline/sweep/space.py",
}

# What each layer may import of the package, from the top floor down.
COMMON = {f"pipeline.{name}" for name in ("errors", "fields", "report", "scored")}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module)
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "pipeline"}


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_core_imports_only_core_and_errors(path):
    if "pipeline/core/" not in label(path):
        return
    for name in ours(path):
        assert name.startswith("pipeline.core") or name == "pipeline.errors"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_stages_import_only_core_and_the_common_floor(path):
    if "pipeline/stages/" not in label(path):
        return
    for name in ours(path):
        assert name.startswith("pipeline.core") or name in COMMON


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("hydra", HYDRA),
        ("omegaconf", {"pipeline/config.py"} | HYDRA),
        (
            "mlflow",
            {
                "pipeline/tracking/mlflow_begin.py",
                "pipeline/tracking/mlflow_delivery.py",
                "pipeline/tracking/mlflow_runs.py",
                "pipeline/tracking/mlflow_model.py",
                "pipeline/tracking/mlflow_store.py",
                "pipeline/tracking/served_model.py",
                "pipeline/tracking/mlflow_tracker.py",
                "pipeline/tracking/mlflow_views.py",
            },
        ),
        ("optuna", {"pipeline/sweep/search.py"}),
        # Which only writes one: see its tests.
        ("pickle", {"pipeline/core/formats/pickled.py"}),
    ],
)
def test_a_library_is_imported_where_it_belongs_only(library, allowed):
    importers = {
        label(path)
        for path in MODULES
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert importers <= allowed


def test_no_module_imports_a_floor_above_its_own():
    graph = {label(path): ours(path) for path in MODULES}
    files = {
        name: file
        for file in graph
        for name in [file.removesuffix(".py").replace("/", ".")]
    }

    def visit(file: str, trail: tuple[str, ...]) -> None:
        assert file not in trail, f"circle: {' -> '.join((*trail, file))}"
        for name in graph[file]:
            if name in files:
                visit(files[name], (*trail, file))

    for file in graph:
        visit(file, ())


def test_every_module_stays_readable_in_one_sitting():
    for path in MODULES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 600, f"{label(path)} has {lines} lines"
