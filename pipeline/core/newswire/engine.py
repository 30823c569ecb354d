"""A weighted grammar as arrays, expanded for many sentences at once.

A symbol is a word, a slot, a rule or a mark; symbols are numbered, and what a symbol
is, is looked up by its number. A sentence's scene holds the value of every slot.
Rules are replaced by productions until none is left; then words and slots are written
out, and marks become chunk and entity tags.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SCHEMA = pa.schema(
    [(column, pa.list_(pa.string())) for column in ("tokens", "pos", "chunk", "ner")]
)
CHUNKS = ("NP", "VP", "PP", "ADVP", "SBAR", "ADJP", "PRT")
ENTITIES = ("PER", "LOC", "ORG", "MISC")


@dataclass(frozen=True)
class Weights:
    """Groups of weighted entries, one after the other.

    Attributes:
        starts: Shape (G + 1,). Group g is entries starts[g]:starts[g + 1].
        cumulative: Shape (E + 1,). Weight of all entries before this one.
    """

    starts: Indices
    cumulative: Indices

    def draw(
        self,
        rng: np.random.Generator,
        groups: Indices,
        excluded: Indices | None = None,
    ) -> Indices:
        """Return an entry of each group, never the excluded one.

        In integers, so that no platform's rounding can change a draw.

        Args:
            rng: Advanced by one draw per group.
            groups: Shape (n,). The group each draw is from.
            excluded: Shape (n,). An entry of the same group. In a group of one it
                is returned all the same: there is no other.
        """
        low = self.cumulative[self.starts[groups]]
        total = self.cumulative[self.starts[groups + 1]] - low
        chance = rng.integers(0, 1 << 32, len(groups), dtype=np.uint32).astype(np.int64)
        if excluded is None:
            target = low + (chance * total >> 32)
        else:
            # Draw as if the excluded entry were cut out, then step over the gap.
            gap = np.diff(self.cumulative)[excluded]
            gap[gap == total] = 0
            target = low + (chance * (total - gap) >> 32)
            target += gap * (target >= self.cumulative[excluded])
        return np.searchsorted(self.cumulative, target, side="right") - 1


@dataclass(frozen=True)
class Slot:
    """How the value of a slot is drawn.

    Attributes:
        parents: (row of the scene, number of values) of the slots that choose the
            group, the last running fastest.
        other: Row of the slot whose entry must not come out again; None if any may.
        weights: Weights of the entries.
        values: Shape (E,). Entry -> index of its name.
    """

    parents: tuple[tuple[int, int], ...]
    other: int | None
    weights: Weights
    values: Indices


@dataclass(frozen=True)
class Spelling:
    """Words by number, and how they are spelled where they stand.

    Attributes:
        words: The strings.
        capitalized: Shape (V,). Word -> the word with a capital.
        uppercase: Shape (V,). Word -> the word in capitals.
        takes_an: Shape (V,). Whether the article before a word is `an`.
        marked: The words `a`, `an` and `"`.
    """

    words: pa.Array
    capitalized: Indices
    uppercase: Indices
    takes_an: Flags
    marked: tuple[int, int, int]

    def spell(self, words: Indices, starts: Indices, shouted: Flags) -> pa.Array:
        """Return words as spelled in sentences.

        Args:
            words: Shape (N,). The words of all sentences.
            starts: Shape (S,). Where each sentence starts; none is empty.
            shouted: Shape (N,). What is in capitals throughout.
        """
        a, an, quote = self.marked
        spelled = words.copy()
        spelled[:-1][(words[:-1] == a) & self.takes_an[words[1:]]] = an
        first = starts + (words[starts] == quote)
        spelled[first] = self.capitalized[spelled[first]]
        spelled = np.where(shouted, self.uppercase[spelled], spelled)
        return self.words.take(pa.array(spelled))


@dataclass(frozen=True)
class Grammar:
    """A grammar and its tables as arrays; R names, one per row.

    Attributes:
        slots: How the scene is drawn, row by row; the first is `topic`.
        spelling: The words.
        tags: The strings of the parts of speech.
        name_words: Shape (R, W). Words of a name, -1 after its last.
        name_tags: Shape (R, W). Their parts of speech.
        first_name: By symbol: row of its (first) name; -1 for rules and marks.
        slot_of: By symbol: row of the scene; for words the row of zeros.
        rule_of: By symbol: rule; -1 if none.
        chunk_of: By symbol: 0 closes, k opens CHUNKS[k - 1], -1 does neither.
        entity_of: The same for ENTITIES.
        headline: The symbol `^`; -1 if there is none.
        topics: By value of `topic`: the symbol a sentence starts from.
        rules: Weights of the productions, grouped by rule.
        symbols: All productions, one after the other.
        starts: By production: its first symbol's place in `symbols`.
        lengths: By production: how many symbols it has.
    """

    slots: tuple[Slot, ...]
    spelling: Spelling
    tags: pa.Array
    name_words: Indices
    name_tags: Indices
    first_name: Indices
    slot_of: Indices
    rule_of: Indices
    chunk_of: Indices
    entity_of: Indices
    headline: int
    topics: Indices
    rules: Weights
    symbols: Indices
    starts: Indices
    lengths: Indices

    def write(self, rng: np.random.Generator, sentences: int) -> pa.RecordBatch:
        """Return random sentences under `SCHEMA`; chunks and entities are in IOB2."""
        scene = self._scene(rng, sentences)
        symbols, sentence = self._expand(rng, self.topics[scene[0]])

        at = np.flatnonzero(self.first_name[symbols] >= 0)
        slot = self.slot_of[symbols[at]]
        name = self.first_name[symbols[at]] + scene[slot, sentence[at]]
        kept = self.name_words[name] >= 0  # (words and slots, W)
        source = np.repeat(at, kept.sum(axis=1))  # (N,)
        owner = sentence[source]

        offsets = np.zeros(sentences + 1, dtype=np.int64)
        np.cumsum(np.bincount(owner, minlength=sentences), out=offsets[1:])
        shouted = np.zeros(sentences, dtype=np.bool_)
        shouted[sentence[symbols == self.headline]] = True
        words = self.name_words[name][kept]
        columns = (
            self.spelling.spell(words, offsets[:-1], shouted[owner]),
            self.tags.take(pa.array(self.name_tags[name][kept])),
            _iob2(self.chunk_of[symbols], source, CHUNKS),
            _iob2(self.entity_of[symbols], source, ENTITIES),
        )
        bounds = pa.array(offsets.astype(np.int32))
        return pa.RecordBatch.from_arrays(
            [pa.ListArray.from_arrays(bounds, column) for column in columns],
            schema=SCHEMA,
        )

    def _scene(self, rng: np.random.Generator, sentences: int) -> Indices:
        """Return what each slot holds, shape (slots + 1, sentences); the last is 0."""
        scene = np.zeros((len(self.slots) + 1, sentences), dtype=np.int64)
        entries: list[Indices] = []
        for row, slot in enumerate(self.slots):
            groups = np.zeros(sentences, dtype=np.int64)
            for parent, size in slot.parents:
                groups = groups * size + scene[parent]
            other = None if slot.other is None else entries[slot.other]
            entries.append(slot.weights.draw(rng, groups, other))
            scene[row] = slot.values[entries[-1]]
        return scene

    def _expand(
        self, rng: np.random.Generator, symbols: Indices
    ) -> tuple[Indices, Indices]:
        """Replace rules until none is left.

        Args:
            rng: Chooses the productions.
            symbols: Shape (S,). Where each sentence starts from.

        Returns:
            The words, slots and marks of all sentences, and whose each is.
        """
        sentence = np.arange(len(symbols))
        while True:
            rule = self.rule_of[symbols]
            at = np.flatnonzero(rule >= 0)
            if not at.size:
                return symbols, sentence
            chosen = self.rules.draw(rng, rule[at])
            starts = np.zeros(len(symbols), dtype=np.int64)
            starts[at] = self.starts[chosen]
            lengths = np.ones(len(symbols), dtype=np.int64)
            lengths[at] = self.lengths[chosen]
            source = np.repeat(np.arange(len(symbols)), lengths)
            place = np.arange(len(source)) - (np.cumsum(lengths) - lengths)[source]
            symbols = np.where(
                rule[source] >= 0, self.symbols[starts[source] + place], symbols[source]
            )
            sentence = sentence[source]


def _iob2(marks: Indices, source: Indices, kinds: tuple[str, ...]) -> pa.Array:
    """Return the IOB2 tags of tokens between opening and closing marks.

    Args:
        marks: By symbol of the text: 0 closes, k opens kinds[k - 1], -1 is no mark.
        source: Shape (N,). The symbol each token stands for, ascending.
        kinds: Names of the kinds.
    """
    latest = np.maximum.accumulate(np.where(marks >= 0, np.arange(len(marks)), 0))
    mark = latest[source]
    kind = np.maximum(marks[mark], 0)
    begins = np.ones(len(source), dtype=np.bool_)
    begins[1:] = mark[1:] != mark[:-1]
    names = pa.array(["O", *(f"{side}-{kind}" for kind in kinds for side in "BI")])
    return names.take(pa.array(np.where(kind > 0, 2 * kind - begins, 0)))
