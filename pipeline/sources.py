"""Describe the code a stage can reach, so that the cache knows when it changed.

The description follows imports from the stage's module through this package,
without running any of it, and looks at syntax trees: an edited helper counts, an
edited comment, docstring or layout does not. Libraries count by version, and so do
those that they require.

Files of other kinds that stand beside a module, such as the scripts of a page, count
by their bytes: the module may read them.

What cannot be followed is refused: an import by a name that is only known when it
runs, or of a module that is neither here nor in an installed distribution.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "pipeline"
ROOT = Path(__file__).resolve().parent.parent

# Writes and reads the results of every stage, so that their bytes depend on it.
_ALWAYS = (f"{PACKAGE}.artifacts",)

# What imports or runs code by a name or text that no one can see beforehand.
_BY_NAME = {"import_module", "__import__", "spec_from_file_location", "run_path"}
_BY_TEXT = {"exec", "eval"}


@dataclass(frozen=True)
class Source:
    """What a stage's result may depend on besides config and inputs.

    Attributes:
        definitions: `pipeline/core/sampling.py: noise_table` -> sha256 of its
            syntax tree; the statements outside functions and classes of a file
            stand together under `pipeline/core/sampling.py: module level`. A file
            beside a module, as a page's script, stands whole under its own name.
        versions: `python`, the distributions imported and those that they
            require -> version.
    """

    definitions: Mapping[str, str]
    versions: Mapping[str, str]


@cache
def describe(module: str, root: Path = ROOT) -> Source:
    """Describe `module` and all it can reach by import.

    The answer stays the same while the process lives, as the code in it does.

    Args:
        module: Dotted name of a module of the package.
        root: The folder that holds the package.

    Raises:
        ModuleNotFoundError: if there is no such module.
        ValueError: if some import cannot be followed.
    """
    if _module_path(module, root) is None:
        raise ModuleNotFoundError(f"{module} is no module below {root}")
    definitions: dict[str, str] = {}
    libraries: set[str] = set()
    waiting = [_Reached(name, whole=True) for name in (module, *_ALWAYS)]
    seen: set[tuple[Path, bool]] = set()
    folders: set[Path] = set()
    while waiting:
        reached = waiting.pop()
        path = _module_path(reached.name, root)
        if path is None:
            libraries.add(reached.name.partition(".")[0])
            continue
        if (path, reached.whole) in seen:
            continue
        seen.add((path, reached.whole))
        # Importing a module runs the packages that it lies in.
        waiting += (_Reached(name, False) for name in _packages(path.parent, root))
        label = path.relative_to(root).as_posix()
        names, digests = _read(path.read_bytes(), label, whole=reached.whole)
        waiting += (_Reached(name, whole=True) for name in names)
        definitions |= {f"{label}: {k}": v for k, v in digests.items()}
        folders.add(path.parent)
    for folder in folders:
        definitions |= _beside(folder, root)
    versions = {"python": platform.python_version()}
    libraries -= set(sys.stdlib_module_names)
    return Source(definitions, versions | _versions(libraries))


@cache
def _read(
    content: bytes, label: str, *, whole: bool
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return the names that a module imports, and its definitions' digests.

    Stages share most of their modules: each content is looked through once.
    """
    tree = ast.parse(content)
    return tuple(_imported_names(tree, label, whole=whole)), _definitions(tree)


@dataclass(frozen=True)
class _Reached:
    """A name that code leads to.

    Attributes:
        name: Dotted: of a module, or of something in it.
        whole: Whether what is in it may be used; False where importing something
            below it only runs it.
    """

    name: str
    whole: bool


def _imported_names(tree: ast.Module, label: str, *, whole: bool) -> Iterator[str]:
    """Yield each import as a dotted name, `from a import b` as a.b.

    With what is taken from it: `core.low.f` after `from pipeline import core` is
    pipeline.core.low.f.
    """
    bound: dict[str, set[str]] = {}  # name here -> what it may stand for
    nodes = list(_running(tree, whole=whole))
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                top = alias.name.partition(".")[0]
                meant = (alias.asname, alias.name) if alias.asname else (top, top)
                bound.setdefault(meant[0], set()).add(meant[1])
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                # The linter forbids relative imports (TID252): every name is whole.
                raise ValueError(f"{label}: relative imports cannot be followed")
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                name = alias.asname or alias.name
                bound.setdefault(name, set()).add(f"{node.module}.{alias.name}")
    for node in nodes:
        first, *rest = _dotted(node)
        if first in _BY_TEXT or {first, *rest} & _BY_NAME:
            named = ".".join((first, *rest))
            raise ValueError(
                f"{label}: {named} cannot be followed, so that the cache would not "
                "see when that code changes. Import it by its name"
            )
        if rest:
            yield from (".".join((origin, *rest)) for origin in bound.get(first, ()))


def _running(tree: ast.Module, *, whole: bool) -> Iterator[ast.AST]:
    """Yield the nodes that may run.

    Not those that only type checkers read; and where the module is not used but
    imported only, not those in `__getattr__`, which waits to be asked.
    """
    unasked = [] if whole else [node for node in tree.body if _waits(node)]
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if node in unasked:
            continue
        yield node
        if isinstance(node, ast.If) and _dotted(node.test)[-1] == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _waits(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"


def _dotted(node: ast.AST) -> list[str]:
    """Return the parts of `a.b.c`; [""] for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else [""]


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
        # In Python's own order: a folder hides a file of the same name.
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _packages(folder: Path, root: Path) -> Iterator[str]:
    """Yield the packages from a folder up to the root."""
    while folder != root:
        if (folder / "__init__.py").is_file():
            yield ".".join(folder.relative_to(root).parts)
        folder = folder.parent


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


# Files that modules read from beside them.
_READ = {".css", ".html", ".js"}


def _beside(folder: Path, root: Path) -> dict[str, str]:
    """Return the digest of each file of a folder that its modules may read."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.suffix in _READ
    }


# Where statements hold others.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _strip_docstrings(tree: ast.Module) -> None:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(
            node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
        # Definitions stand in statements alone: expressions need not be walked.
        for field in _BLOCKS:
            inner = getattr(node, field, None)
            waiting += inner if isinstance(inner, list) else ()


def _versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return distribution -> version, for modules' distributions and all they require.

    What is required matters too: matplotlib's images are written by Pillow.
    """
    found: dict[str, str] = {}
    waiting = [name for library in libraries for name in _distributions_of(library)]
    while waiting:
        name = waiting.pop()
        if name not in found and (distribution := _installed(name)):
            found[name] = distribution.version
            waiting += _required(name)
    return dict(sorted(found.items()))


def _distributions_of(library: str) -> list[str]:
    """Return the distributions that a top-level module comes with.

    Raises:
        ValueError: if it comes with none, so that nothing says when it changes.
    """
    names = [each.name for each in _distributions().get(library, [])]
    if not names and importlib.util.find_spec(library):
        raise ValueError(
            f"{library} is imported, but lies in no installed distribution, so that "
            "the cache would not see when it changes. Install it, or move it into "
            f"{PACKAGE}"
        )
    return [canonicalize_name(name) for name in names]


@cache
def _required(name: str) -> frozenset[str]:
    """Return what a distribution requires here, without its extras."""
    distribution = _installed(name)
    lines = (distribution.requires if distribution else None) or ()
    requirements = map(Requirement, lines)
    return frozenset(
        canonicalize_name(requirement.name)
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    )


@cache
def _installed(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None  # an optional one, or of another platform


@cache
def _distributions() -> Mapping[str, list[importlib.metadata.Distribution]]:
    """Return top-level module -> the distributions that it comes with.

    As `importlib.metadata.packages_distributions`, which takes a fifth of a second: it
    reads the whole description of each, and makes a path of each of its files.
    """
    found: dict[str, list[importlib.metadata.Distribution]] = {}
    for distribution in importlib.metadata.distributions():
        for top in _top_levels(distribution):
            found.setdefault(top, []).append(distribution)
    return found


def _top_levels(distribution: importlib.metadata.Distribution) -> set[str]:
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        return set(declared)
    record = distribution.read_text("RECORD")
    if record is None:  # not of a wheel
        paths = [file.as_posix() for file in distribution.files or ()]
    else:
        paths = [line.partition(",")[0] for line in record.splitlines()]
    modules = (path for path in paths if path.endswith(".py"))
    return {path.partition("/")[0].removesuffix(".py") for path in modules}
