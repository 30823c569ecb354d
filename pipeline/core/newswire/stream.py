"""A seeded generator of newswire-like English with planted meaning.

No corpus ships with this project; this one is written on the spot, in the four
columns of CoNLL-2003 (token, part of speech, chunk, named entity), as long as asked
for. A country's stories prefer its own capital, nationality, currency, cities and
names, and the members of a category fill the same slots, so that the categories and
analogies that vectors should find are known: `planted_categories` and
`planted_analogies`.

Sentences are made a block at a time, in two steps. First every sentence's scene is
drawn: a topic, a country, another country, and one entry for each slot of the
grammar. Then the grammar is expanded, all sentences at once, and the slots are
filled from the scene.
"""

from collections.abc import Iterator, Mapping
from functools import cache

import pyarrow as pa

from pipeline.core.newswire.compile import compile_grammar, read_productions
from pipeline.core.newswire.engine import Grammar
from pipeline.core.newswire.grammar import RULES
from pipeline.core.newswire.lexicon import TAGS
from pipeline.core.newswire.tables import read_countries, read_sections, tables
from pipeline.core.randomness import generator

BLOCK = 4096  # sentences drawn together: about 60,000 tokens, a few megabytes


def generate(seed: int, stream: str, sentences: int) -> Iterator[pa.RecordBatch]:
    """Yield a stream's first sentences, at most `BLOCK` in a batch.

    A stream has no end, and a sentence depends on the seed, the stream's name and its
    place alone: a longer stream begins with the shorter one.

    Args:
        seed: The run's seed.
        stream: What the sentences are for, such as the name of a split. Streams of
            different names are drawn independently.
        sentences: How many.
    """
    for first in range(0, sentences, BLOCK):
        batch = block(seed, stream, first // BLOCK)
        yield batch.slice(0, min(BLOCK, sentences - first))


def block(seed: int, stream: str, index: int) -> pa.RecordBatch:
    """Return sentences index·BLOCK to (index + 1)·BLOCK of a stream.

    Columns `tokens`, `pos`, `chunk` and `ner` are list<string>; chunks and entities
    are in IOB2.
    """
    return _grammar().write(generator(seed, "newswire", stream, index), BLOCK)


@cache
def _grammar() -> Grammar:
    """Return the grammar; reading it takes half a second."""
    sentence = read_productions(RULES["sentence"])
    topics = {symbols[0].strip("<>"): weight for weight, symbols in sentence}
    tags = {word: tag for _, tag, words in read_sections(TAGS) for word in words}
    return compile_grammar(RULES, tags, tables(topics))


def planted_categories() -> Mapping[str, tuple[str, ...]]:
    """Return the categories whose words share contexts, as written.

    Every word of `wordlists.CATEGORIES` that the newswire uses is here, in its own
    category, and `commodities` besides.
    """
    slots = {
        "countries": "country",
        "capitals": "capital",
        "cities": "city",
        "nationalities": "nationality",
        "weekdays": "weekday",
        "months": "month",
        "titles": "title",
        "sports": "sport",
        "currencies": "currency",
        "companies": "firm",
        "commodities": "commodity",
    }
    filled = tables({"any": 1})
    found: dict[str, tuple[str, ...]] = {}
    for category, slot in slots.items():
        singles = (name[0][0] for name in filled[slot].names if len(name) == 1)
        found[category] = tuple(dict.fromkeys(singles))
    return found


def planted_analogies() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return the relations that hold between words of one sentence, as pairs."""
    countries = [c for c in read_countries() if "_" not in c.name]
    currencies = [c.currency for c in read_countries()]
    return {
        "capital_of": tuple((c.name, c.capital) for c in countries),
        "nationality_of": tuple((c.name, c.nationality) for c in countries),
        "currency_of": tuple(
            (c.name, c.currency)
            for c in countries
            if c.currency and currencies.count(c.currency) == 1
        ),
    }
