"""What a tagger sees of tokens, as columns of integers.

Only distinct tokens are looked at as strings. Where a column has nothing to say of a
token it holds `NOTHING`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core.types import Counts, Ids

NOTHING = -1

# Sentences are told apart by the shapes of their first tokens: a table of results, a
# dateline. More tokens than these make nearly all of them differ.
_PATTERN_TOKENS = 8

_ENDS = ("suffix", "prefix")


class Interner:
    """Values -> integers from 0, in the order in which they are first met."""

    def __init__(self) -> None:
        self._ids: dict[object, int] = {}

    def __call__(self, value: object) -> int:
        """Return the integer of a value; a new one, if it has none."""
        return self._ids.setdefault(value, len(self._ids))

    def __len__(self) -> int:
        return len(self._ids)


def shape_of(token: str) -> str:
    """Return what kind of token it is by its looks.

    Numbers by their length or the sign within; capitals as Aa, AA, A., AaA; hyphens
    and apostrophes are kept.

    Source: after Bikel, Schwartz and Weischedel 1999, "An Algorithm that Learns What's
    in a Name", table 1.
    """
    if any(c.isdigit() for c in token):
        return _shape_of_number(token)
    if not any(c.isalpha() for c in token):
        return "sign"
    return _shape_of_word(token)


def _shape_of_word(token: str) -> str:
    mark = next((mark for mark in "-'" if mark in token), "")
    if token.upper() == token:
        if "." in token:
            return "A." if len(token) == 2 else "A.A."
        return f"A{mark}" if len(token) == 1 else f"AA{mark}"
    if token.lower() == token:
        return f"a{mark}"
    if token[1:].lower() == token[1:]:
        return f"Aa{mark}{'.' if token[-1] == '.' else ''}"
    return f"{'AaA' if token[0].isupper() else 'aA'}{mark}"


def _shape_of_number(token: str) -> str:
    if token.isdigit():
        return f"{len(token)} digits" if len(token) in (2, 4) else "digits"
    if any(c.isalpha() for c in token):
        return "0a-" if "-" in token else "0a"
    return next((f"0{sign}" for sign in "-/,.:" if sign in token), "0?")


def fold(token: str) -> str:
    """Return a token in lower case, every digit as 0."""
    return "".join("0" if c.isdigit() else c for c in token.lower())


class TokenFeatures:
    """Read splits as columns that share their codes."""

    def __init__(self, suffix: int, word_class: Callable[[str], int] | None) -> None:
        """Start with no tokens.

        Args:
            suffix: The longest suffix and prefix, in characters.
            word_class: Token -> its class, or `NOTHING`.
        """
        self._suffix = suffix
        self._word_class = word_class
        self._forms = Interner()
        self._interners: dict[str, Interner] = {}
        names = ["shape", "cased", *(["class"] if word_class else [])]
        names += [f"{end}{n}" for n in range(1, suffix + 1) for end in _ENDS]
        self._values: dict[str, list[int]] = {name: [] for name in names}

    def _intern(self, name: str, value: object) -> int:
        return self._interners.setdefault(name, Interner())(value)

    def _columns_of(self, token: str) -> Iterable[tuple[str, int]]:
        """Yield the columns that depend on a token alone."""
        folded = fold(token)
        yield "shape", self._intern("shape", shape_of(token))
        for n in range(1, self._suffix + 1):
            yield f"suffix{n}", self._intern(f"suffix{n}", folded[-n:])
            yield f"prefix{n}", self._intern(f"prefix{n}", folded[:n])
        if self._word_class:
            yield "class", self._word_class(token)
        upper = token.upper() == token and token.lower() != token
        yield "cased", 2 if token.lower() == token.upper() else int(upper)

    def read(self, table: pa.Table, ids: Ids, offsets: Counts) -> "SplitFeatures":
        """Return a split's features.

        Args:
            table: Column `tokens` is list<string>.
            ids: Shape (N,). Word of each token, negative if it has none.
            offsets: Shape (S + 1,). Of the sentences.
        """
        forms = [np.empty(0, np.int64)]
        for chunk in table.column("tokens").chunks:
            by_value = chunk.flatten().dictionary_encode()
            known = []
            for token in by_value.dictionary.to_pylist():
                fresh = len(self._forms)
                number = self._forms(token)
                if number == fresh:
                    for name, value in self._columns_of(token):
                        self._values[name].append(value)
                known.append(number)
            forms.append(np.array(known, np.int64)[by_value.indices.to_numpy()])
        form = np.concatenate(forms)
        offsets = np.array(offsets, np.int64)
        columns = {
            name: np.array(values, np.int64)[form]
            for name, values in self._values.items()
        }
        cased = columns.pop("cased")
        columns["form"] = form
        words = np.array(ids, np.int64)
        columns["word"] = np.where(words < 0, NOTHING, words)
        capitals = _capital_sentences(cased, offsets)
        first = np.zeros(len(form), np.bool_)
        lengths = np.diff(offsets)
        first[offsets[:-1][lengths > 0]] = True
        columns["place"] = np.where(capitals, 2, first.astype(np.int64))
        columns["pattern"] = self._patterns(columns["shape"], offsets)
        return SplitFeatures(columns, offsets)

    def _patterns(self, shapes: Counts, offsets: Counts) -> Counts:
        """Return, for each token, its sentence's first shapes and where it stands."""
        found = np.empty(len(shapes), np.int64)
        listed = shapes.tolist()
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            pattern = tuple(listed[start : min(end, start + _PATTERN_TOKENS)])
            # Beyond a hundred tokens nothing is learned of where one stands.
            for i in range(end - start):
                key = (pattern, min(i, 100))
                found[start + i] = self._intern("pattern", key)
        return found


def _capital_sentences(cased: Counts, offsets: Counts) -> npt.NDArray[np.bool_]:
    """Return for each token whether its sentence is all in capitals.

    Args:
        cased: Shape (N,). 1 for a token in capitals, 0 for another, 2 for one without
            letters.
        offsets: Shape (S + 1,).
    """

    def sums(what: npt.NDArray[np.bool_]) -> Counts:
        running = np.concatenate([[0], np.cumsum(what)])
        found: Counts = running[offsets[1:]] - running[offsets[:-1]]
        return found

    # Two of them, as one is as likely an acronym.
    capitals = (sums(cased == 1) >= 2) & (sums(cased == 0) == 0)
    return np.repeat(capitals, np.diff(offsets))


@dataclass(frozen=True)
class SplitFeatures:
    """The columns of a split.

    Attributes:
        columns: Name -> shape (N,), int64.
        offsets: Shape (S + 1,), int64. Of the sentences.
    """

    columns: Mapping[str, Counts]
    offsets: Counts

    @property
    def tokens(self) -> int:
        """N."""
        return int(self.offsets[-1])

    def beside(self, name: str, shift: int) -> Counts:
        """Return a column of the tokens `shift` places on: shape (N,), int64.

        Codes move up by one: 0 is outside of the sentence, and `NOTHING` stays.
        """
        column = self.columns[name]
        if not shift:
            return np.where(column < 0, NOTHING, column + 1)
        sentence = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        there = np.arange(len(column)) + shift
        within = (there >= 0) & (there < len(column))
        there = np.clip(there, 0, max(len(column) - 1, 0))
        within &= sentence[there] == sentence
        codes = np.where(column[there] < 0, NOTHING, column[there] + 1)
        return np.where(within, codes, 0)

    def crossed(self, features: Sequence[str]) -> tuple[Counts, ...]:
        """Return the columns that features name: `shape`, or `word+1`, `word-2`."""
        found = []
        for feature in features:
            name, shift = feature, 0
            if feature[-2:-1] in ("+", "-"):
                name, shift = feature[:-2], int(feature[-2:])
            found.append(self.beside(name, shift))
        return tuple(found)
