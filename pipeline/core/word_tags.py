"""The tag that most occurrences of a word carry: its entity, its part of speech."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.types import UNKNOWN, Corpus, Counts, EncodedCorpus, Ids

# Tags of parts of speech, those of the Penn Treebank as the universal classes of
# Petrov, Das and McDonald 2012 ("A Universal Part-of-Speech Tagset"), with proper
# nouns apart from others. Tags of other sets stay as they are.
_CLASSES = {
    "noun": "NN NNS",
    "proper noun": "NNP NNPS",
    "verb": "VB VBD VBG VBN VBP VBZ MD",
    "adjective": "JJ JJR JJS",
    "adverb": "RB RBR RBS WRB",
    "pronoun": "PRP PRP$ WP WP$",
    "determiner": "DT PDT WDT EX",
    "preposition": "IN",
    "number": "CD",
    "conjunction": "CC",
    "particle": "RP TO POS",
    "punctuation": ". , : ( ) '' `` \" $ # -LRB- -RRB- HYPH NFP SYM LS",
    "other": "FW UH NN|SYM",
}
_CLASS_OF = {tag: name for name, tags in _CLASSES.items() for tag in tags.split()}


def part_of_speech(tag: str) -> str:
    """Return the class of a part-of-speech tag, such as `noun` for `NNS`."""
    return _CLASS_OF.get(tag, tag)


def entity(tag: str) -> str:
    """Return the type of an IOB2 tag, `LOC` for `B-LOC`; empty for `O`."""
    head, dash, kind = tag.partition("-")
    if head == "O" and not dash:
        return ""
    return kind if dash and head in {"B", "I", "E", "S", "L", "U"} else tag


KINDS = {"ner": entity, "pos": part_of_speech}


def majority(
    corpus: Corpus, encoded: EncodedCorpus, words: Ids, column: str
) -> tuple[tuple[str, ...], Ids] | None:
    """Return the commonest tag of each word in the splits trained on.

    Args:
        corpus: Sentences with their tags.
        encoded: The same as ids.
        words: Shape (n,). Ids of the words asked for, rising.
        column: `ner` or `pos`; a tag counts as its entity type or its class.

    Returns:
        The tags, sorted, and for each word the place of its tag among them, shape
        (n,), int32; `UNKNOWN` for a word that never occurs. Of equally common tags
        the first. None where the corpus has no such column.
    """
    place = np.full(int(words.max(initial=-1)) + 2, UNKNOWN, np.int32)
    place[words] = np.arange(len(words), dtype=np.int32)
    names: dict[str, int] = {}
    found: list[Counts] = []  # rows (word, tag), one per occurrence
    for split in encoded.train_splits:
        table = corpus.splits[split]
        if column not in table.column_names:
            return None
        # Unknown tokens and words not asked for are none of ours: the last place.
        ids = np.asarray(encoded.splits[split].ids)
        ours = place[np.where((ids < 0) | (ids >= len(place)), len(place) - 1, ids)]
        start = 0
        for chunk in table.column(column).chunks:
            tags = pc.dictionary_encode(chunk.flatten())
            codes = _named(tags, column, names)
            here = ours[start : start + len(codes)]
            start += len(codes)
            known = here != UNKNOWN
            found.append(np.stack([here[known], codes[known]], axis=1))
    labels = sorted(names)
    new = np.empty(len(names), np.int64)
    new[[names[label] for label in labels]] = np.arange(len(labels))
    tag = np.full(len(words), UNKNOWN, np.int32)
    rows = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    if len(rows):
        keys = rows[:, 0] * len(labels) + new[rows[:, 1]]
        keys, times = np.unique(keys, return_counts=True)
        # From the rarest to the commonest, of equals the first last: it stays.
        for key in keys[np.lexsort((-keys, times))].tolist():
            word, label = divmod(key, len(labels))
            tag[word] = label
    return tuple(labels), tag


def _named(tags: pa.DictionaryArray, column: str, names: dict[str, int]) -> Counts:
    """Return the number of each tag's name; new names are added to `names`."""
    kinds = [KINDS[column](tag) for tag in tags.dictionary.to_pylist()]
    numbers = np.array([names.setdefault(kind, len(names)) for kind in kinds], np.int64)
    codes: Counts = tags.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers[codes] if len(codes) else codes
