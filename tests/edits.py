"""Small random edits of source code, made on its syntax tree."""

import ast
import random
from dataclasses import dataclass

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Edit:
    """A file's new text.

    Attributes:
        text: The text.
        definition: Which top-level function or class changed, `module level` for
            the rest; None where nothing that can matter did.
        what: In words.
    """

    text: str
    definition: str | None
    what: str


def harmless_statement(text: str, rng: random.Random) -> Edit | None:
    """Add a statement without effect to a function's body, however nested."""
    tree = ast.parse(text)
    places = [
        (top, node)
        for top in tree.body
        for node in ast.walk(top)
        if isinstance(node, FUNCTIONS)
    ]
    if not places:
        return None
    top, node = rng.choice(places)
    after = 1 if ast.get_docstring(node, clean=False) is not None else 0
    node.body[after:after] = ast.parse(f"_edited = {rng.randrange(1000)}").body
    return Edit(ast.unparse(tree), name_of(top), f"a statement in {node.name}")


def other_number(text: str, rng: random.Random) -> Edit | None:
    """Change a number: a constant, a default, a step of a formula."""
    tree = ast.parse(text)
    places = [
        (top, node)
        for top in tree.body
        for node in ast.walk(top)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    ]
    if not places:
        return None
    top, node = rng.choice(places)
    before = node.value
    node.value = before + rng.choice([1, 2]) if before == int(before) else before * 1.5
    return Edit(ast.unparse(tree), name_of(top), f"{before} -> {node.value}")


def other_operator(text: str, rng: random.Random) -> Edit | None:
    """Turn a sum into a difference, < into <=, `and` into `or`, or the reverse."""
    pairs = [(ast.Add, ast.Sub), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE)]
    pairs += [(ast.And, ast.Or), (ast.Eq, ast.NotEq)]
    turned = {a: b for one, two in pairs for a, b in ((one, two), (two, one))}
    tree = ast.parse(text)
    places = [
        (top, node)
        for top in tree.body
        if isinstance(top, (*FUNCTIONS, ast.ClassDef))
        for node in ast.walk(top)
        if type(getattr(node, "op", None)) in turned
        or (isinstance(node, ast.Compare) and type(node.ops[0]) in turned)
    ]
    if not places:
        return None
    top, node = rng.choice(places)
    if isinstance(node, ast.Compare):
        before, node.ops[0] = node.ops[0], turned[type(node.ops[0])]()
    else:
        before, node.op = node.op, turned[type(node.op)]()
    what = f"{type(before).__name__} in line {node.lineno}"
    return Edit(ast.unparse(tree), name_of(top), what)


def other_layout(text: str, rng: random.Random) -> Edit | None:
    """Write the file anew from its tree: comments gone, layout another."""
    return Edit(f"\n\n{ast.unparse(ast.parse(text))}\n\n", None, "layout")


def more_comments(text: str, rng: random.Random) -> Edit | None:
    """Add comments before and behind top-level statements."""
    lines = text.splitlines()
    for node in sorted(ast.parse(text).body, key=lambda n: -n.lineno):
        first = min(
            [node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]
        )
        lines[first - 1 : first - 1] = [f"# noise {rng.randrange(1000)}"]
    return Edit("\n".join([*lines, "# the end", ""]), None, "comments")


def other_docstring(text: str, rng: random.Random) -> Edit | None:
    """Change, add or drop the docstring of the module, a class or a function."""
    tree = ast.parse(text)
    places = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Module))
    ]
    node = rng.choice(places)
    if ast.get_docstring(node, clean=False) is not None:
        node.body.pop(0)
    if rng.random() < 0.7 or not node.body:
        words = ast.Expr(ast.Constant(f"Say {rng.randrange(1000)}."))
        node.body.insert(0, words)
    what = f"docstring of {getattr(node, 'name', 'the module')}"
    return Edit(ast.unparse(ast.fix_missing_locations(tree)), None, what)


def name_of(top: ast.stmt) -> str:
    """Return the name by which a top-level statement goes."""
    return getattr(top, "name", "module level")


# Edits that may change a result, and edits that cannot.
TELLING = (harmless_statement, other_number, other_operator)
SILENT = (other_layout, more_comments, other_docstring)
