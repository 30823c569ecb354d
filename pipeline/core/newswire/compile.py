"""Reading a grammar in the notation of `grammar` into arrays."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.core.newswire.engine import (
    CHUNKS,
    ENTITIES,
    Grammar,
    Indices,
    Slot,
    Spelling,
    Weights,
)

Name = tuple[tuple[str, str], ...]  # (token, part of speech) pairs; may be empty
Group = Sequence[tuple[int, int]]  # (index of a name, weight) pairs

_SYMBOL = re.compile(r"\[[A-Z]+|\([A-Z]+|[])]|[^\s\])]+")
_WRAPPED = re.compile(r"(\{[^:}]+):([A-Z]+)\}")  # {city:LOC} means (LOC {city} )
_PARENTHESES = {"LRB": "(", "RRB": ")"}
_SUFFIXES = "2~"


class Table(NamedTuple):
    """What may stand in a slot, and how often.

    Attributes:
        names: What may stand there.
        groups: One per combination of the parents' values, the last parent running
            fastest; a single one if there are no parents. None is empty.
        parents: Slots whose values choose the group.
    """

    names: Sequence[Name]
    groups: Sequence[Group]
    parents: tuple[str, ...] = ()


def read_productions(text: str) -> list[tuple[int, list[str]]]:
    """Return the (weight, symbols) of a rule's productions."""
    found: list[tuple[int, list[str]]] = []
    for line in text.strip().splitlines():
        weight, _, rest = line.strip().partition(":")
        if weight.isdigit():
            found.append((int(weight), []))
        symbols = _WRAPPED.sub(r"(\2 \1} )", rest if weight.isdigit() else line)
        found[-1][1].extend(_SYMBOL.findall(symbols))
    return found


def compile_grammar(
    rules: Mapping[str, str], tags: Mapping[str, str], tables: Mapping[str, Table]
) -> Grammar:
    """Return a grammar as arrays.

    Args:
        rules: Rule -> productions. Those of `sentence` are one rule each; which of
            them a sentence starts from is the value of slot `topic`.
        tags: Word of the rules -> part of speech.
        tables: Slot -> what may stand there.

    Raises:
        KeyError: if a production uses a slot, a rule or a word that is not given.
        ValueError: if a slot is asked for the other country's and has no country.
    """
    read = {f"<{rule}>": read_productions(text) for rule, text in rules.items()}
    topics = [symbols[0] for _, symbols in read.pop("<sentence>")]
    productions = [symbols for found in read.values() for _, symbols in found]
    symbols = list(dict.fromkeys([*topics, *(s for p in productions for s in p)]))
    slots = _slots((s[1:-1] for s in symbols if s[0] == "{"), tables)

    names: list[Name] = []
    first_name: dict[str, int] = {}
    table_rows: dict[str, int] = {}  # table -> row of its first name
    rule_of: dict[str, int] = {}
    for symbol in symbols:
        if symbol[0] == "{":
            table = symbol[1:-1].rstrip(_SUFFIXES)
            if table not in table_rows:
                table_rows[table] = len(names)
                names += tables[table].names
            first_name[symbol] = table_rows[table]
        elif symbol[0] == "<":
            rule_of[symbol] = list(read).index(symbol)
        elif symbol[0] not in "[]()^":
            first_name[symbol] = len(names)
            word, slash, tag = symbol.partition("/")
            word = _PARENTHESES.get(word, word)
            names.append(((word, tag if slash else tags[word]),))

    def of_symbols(found: Mapping[str, int], absent: int = -1) -> Indices:
        return np.array([found.get(symbol, absent) for symbol in symbols])

    number = {symbol: i for i, symbol in enumerate(symbols)}
    lengths = np.array([len(production) for production in productions])
    spelling = _spelling(token for name in names for token, _ in name)
    word_ids = {word: i for i, word in enumerate(spelling.words.to_pylist())}
    tag_ids = {tag: i for i, tag in enumerate(sorted({t for n in names for _, t in n}))}
    return Grammar(
        slots=tuple(slots.values()),
        spelling=spelling,
        tags=pa.array(list(tag_ids)),
        name_words=_padded([[word_ids[token] for token, _ in name] for name in names]),
        name_tags=_padded([[tag_ids[tag] for _, tag in name] for name in names]),
        first_name=of_symbols(first_name),
        slot_of=of_symbols({f"{{{s}}}": i for i, s in enumerate(slots)}, len(slots)),
        rule_of=of_symbols(rule_of),
        chunk_of=of_symbols({"]": 0} | {f"[{k}": i for i, k in enumerate(CHUNKS, 1)}),
        entity_of=of_symbols(
            {")": 0} | {f"({k}": i for i, k in enumerate(ENTITIES, 1)}
        ),
        headline=number.get("^", -1),
        topics=np.array([number[topic] for topic in topics]),
        rules=_weights([[weight for weight, _ in found] for found in read.values()]),
        symbols=np.array([number[symbol] for p in productions for symbol in p]),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
    )


def _slots(used: Iterable[str], tables: Mapping[str, Table]) -> dict[str, Slot]:
    """Return the slots that are used and their parents, each after its parents."""
    slots: dict[str, Slot] = {}

    def has_country(slot: str) -> bool:
        return slot == "country" or any(map(has_country, tables[slot].parents))

    def add(slot: str) -> int:
        """Add a slot after what it depends on, and return its row."""
        if slot in slots:
            return list(slots).index(slot)
        base = slot.rstrip(_SUFFIXES)
        table, suffix = tables[base], slot[len(base) :]
        parents, other = table.parents, None
        if suffix == "~" and base != "country":
            if not has_country(base):
                raise ValueError(f"{{{slot}}}: `{base}` does not depend on the country")
            parents = tuple(p + "~" if has_country(p) else p for p in parents)
        elif suffix == "2" and all(len(group) == 1 for group in table.groups):
            # One name for each parent: a second name is the second parent's.
            parents = tuple(p + "2" for p in parents)
        elif suffix:
            other = add(base)
        sizes = [len(tables[p.rstrip(_SUFFIXES)].names) for p in parents]
        rows = [add(parent) for parent in parents]
        slots[slot] = Slot(
            parents=tuple(zip(rows, sizes, strict=True)),
            other=other,
            weights=_weights([[w for _, w in group] for group in table.groups]),
            values=np.array([value for group in table.groups for value, _ in group]),
        )
        return len(slots) - 1

    for slot in ("topic", *used):
        add(slot)
    return slots


def _weights(groups: Sequence[Sequence[int]]) -> Weights:
    weights = [weight for group in groups for weight in group]
    return Weights(
        starts=np.cumsum([0, *map(len, groups)], dtype=np.int64),
        cumulative=np.cumsum([0, *weights], dtype=np.int64),
    )


def _padded(rows: Sequence[Sequence[int]]) -> Indices:
    """Return rows of different lengths as one array, -1 after a row's last."""
    array = np.full((len(rows), max(map(len, rows))), -1)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array


def _spelling(tokens: Iterable[str]) -> Spelling:
    plain = ["a", "an", '"', *tokens]
    forms = (_capitalized, str.upper)
    words = list(dict.fromkeys(plain + [form(t) for form in forms for t in plain]))
    number = {word: i for i, word in enumerate(words)}
    return Spelling(
        words=pa.array(words),
        capitalized=np.array([number[_capitalized(word)] for word in words]),
        uppercase=np.array([number[word.upper()] for word in words]),
        takes_an=np.array([_takes_an(word) for word in words]),
        marked=(number["a"], number["an"], number['"']),
    )


def _capitalized(word: str) -> str:
    return word[:1].upper() + word[1:]


def _takes_an(word: str) -> bool:
    """Tell whether the indefinite article before a word or number is `an`."""
    if word[0].isdigit():
        return word[0] == "8" or word in {"11", "18"}
    folded = word.lower()
    return folded[0] in "aeiou" and not folded.startswith(("eu", "uk", "uni", "one"))
