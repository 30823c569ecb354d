"""Describe the code a stage can reach, so that the cache knows when it changed.

The description follows static imports from the stage's module through this
package and looks at syntax trees: an edited helper counts, an edited comment,
docstring or layout does not. Third-party libraries count by version.
"""

import ast
import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = "pipeline"
ROOT = Path(__file__).resolve().parent.parent

# Numbers come from these whatever a stage imports itself.
_ALWAYS = ("numpy", "numba")


@dataclass(frozen=True)
class Source:
    """What a stage's result may depend on besides config and inputs.

    Attributes:
        definitions: `pipeline/core/sampling.py: noise_table` -> sha256 of its
            syntax tree; the statements outside functions and classes of a file
            stand together under `pipeline/core/sampling.py: module level`.
        versions: `python` and the distributions imported -> version.
    """

    definitions: Mapping[str, str]
    versions: Mapping[str, str]


@cache
def describe(module: str, root: Path = ROOT) -> Source:
    """Describe `module` and all it can reach by static import.

    Args:
        module: Dotted name of a module of the package.
        root: The folder that holds the package.
    """
    definitions: dict[str, str] = {}
    libraries: set[str] = set(_ALWAYS)
    waiting = [_module_path(module, root)]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if path is None:
            raise ModuleNotFoundError(f"{module} is no module below {root}")
        tree = ast.parse(path.read_bytes())
        label = path.relative_to(root).as_posix()
        definitions |= {f"{label}: {k}": v for k, v in _definitions(tree).items()}
        for name in _imported_names(tree):
            reached = _module_path(name, root)
            if reached is None:
                libraries.add(name.partition(".")[0])
            elif reached not in seen:
                seen.add(reached)
                waiting.append(reached)
    versions = {"python": platform.python_version()}
    for library in sorted(libraries - set(sys.stdlib_module_names)):
        versions |= _versions(library)
    return Source(definitions, versions)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield each import as a dotted name, `from a import b` as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                # The linter forbids relative imports (TID252): every name is whole.
                raise ValueError("relative imports cannot be followed")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_path(name: str, root: Path) -> Path | None:
    """Return the file of the package's module that a dotted name lies in.

    A name inside a module (`pipeline.core.types.Vocab`) leads to the module. A
    parent's `__init__` counts only where nothing deeper is meant.
    """
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    for length in range(len(parts), 0, -1):
        base = root.joinpath(*parts[:length])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _definitions(tree: ast.Module) -> dict[str, str]:
    """Return the digest of each function and class, and of all the rest.

    Definitions that share a name (overloads, `def _` registrations) are
    digested together.
    """
    _strip_docstrings(tree)
    nodes: dict[str, list[ast.stmt]] = {"module level": []}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            nodes.setdefault(node.name, []).append(node)
        else:
            nodes["module level"].append(node)
    return {
        name: hashlib.sha256("\n".join(map(ast.dump, group)).encode()).hexdigest()
        for name, group in nodes.items()
    }


def _strip_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]


def _versions(library: str) -> dict[str, str]:
    """Return distribution -> version for a top-level module's distributions."""
    return {
        name: importlib.metadata.version(name)
        for name in sorted(set(_distributions().get(library, ())))
    }


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
