"""The built-in corpus is well-formed, reproducible and means what was planted."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import permutations
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.newswire.lexicon import LISTS
from pipeline.core.newswire.stream import (
    BLOCK,
    block,
    generate,
    planted_analogies,
    planted_categories,
)
from pipeline.core.newswire.tables import read_sections, tables
from pipeline.core.wordlists import ANALOGIES, CATEGORIES

SENTENCES = 14_041  # as many as CoNLL-2003 has for training
BEAT = {
    word for slot, _, words in read_sections(LISTS) if slot == "beat" for word in words
}


def digest(batches) -> str:
    """Return a digest of what sentences say, not of how Arrow holds them."""
    hashed = hashlib.sha256()
    for batch in batches:
        hashed.update(repr(batch.to_pylist()).encode())
    return hashed.hexdigest()


@pytest.fixture(scope="module")
def corpus() -> list[dict[str, list[str]]]:
    """Sentences of the default size."""
    return [
        row for batch in generate(1, "train", SENTENCES) for row in batch.to_pylist()
    ]


@pytest.fixture(scope="module")
def sentences(corpus) -> list[list[str]]:
    return [[token.lower() for token in row["tokens"]] for row in corpus]


@pytest.fixture(scope="module")
def counts(sentences) -> Counter[str]:
    return Counter(word for sentence in sentences for word in sentence)


def entities(row: dict[str, list[str]]) -> list[tuple[int, int, str]]:
    """Return the (start, end, type) of a sentence's entities."""
    starts = [i for i, tag in enumerate(row["ner"]) if tag.startswith("B-")]
    found = []
    for start in starts:
        end = start + 1
        while end < len(row["ner"]) and row["ner"][end].startswith("I-"):
            end += 1
        found.append((start, end, row["ner"][start][2:]))
    return found


# --- Form --------------------------------------------------------------------------


def test_batches_have_the_columns_of_a_corpus():
    (batch,) = generate(1, "valid", 3)

    assert batch.num_rows == 3
    assert batch.schema.names == ["tokens", "pos", "chunk", "ner"]
    assert set(batch.schema.types) == {pa.list_(pa.string())}
    batch.validate(full=True)


@pytest.mark.parametrize("count", [0, 1, BLOCK, BLOCK + 1])
def test_as_many_sentences_come_as_are_asked_for(count):
    batches = list(generate(1, "train", count))

    assert sum(batch.num_rows for batch in batches) == count
    assert all(batch.num_rows <= BLOCK for batch in batches)


def test_a_stream_without_end_starts_at_once():
    # Were it not lazy, this would ask for 10¹⁵ sentences.
    assert next(generate(1, "train", 10**15)).num_rows == BLOCK


def test_columns_are_equally_long_and_no_sentence_is_empty(corpus):
    for row in corpus:
        lengths = {len(column) for column in row.values()}
        assert len(lengths) == 1
        assert lengths != {0}


def test_tokens_are_neither_empty_nor_hold_white_space(corpus):
    tokens = {token for row in corpus for token in row["tokens"]}

    assert [token for token in tokens if not token or re.search(r"\s", token)] == []


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        ("ner", {"PER", "LOC", "ORG", "MISC"}),
        ("chunk", {"NP", "VP", "PP", "ADVP", "SBAR", "ADJP", "PRT"}),
    ],
)
def test_tags_are_valid_iob2(corpus, column, kinds):
    seen = set()
    for row in corpus:
        before = "O"
        for tag in row[column]:
            side, _, kind = tag.partition("-")
            if side == "I":
                assert before in {f"B-{kind}", f"I-{kind}"}, row
            else:
                assert tag == "O" or side == "B", row
            before = tag
            seen.add(kind)

    assert seen == kinds | {""}


def test_parts_of_speech_are_penns(corpus):
    words = """
        CC CD DT IN JJ JJR JJS MD NN NNP NNS POS PRP PRP$ RB RP TO
        VB VBD VBG VBN VBP VBZ
    """
    penn = {*words.split(), *'.,:"()'}

    assert {tag for row in corpus for tag in row["pos"]} == penn


# --- Reproducibility ---------------------------------------------------------------


def test_the_same_seed_gives_the_same_sentences():
    assert digest(generate(3, "train", 500)) == digest(generate(3, "train", 500))


def test_another_seed_or_stream_gives_other_sentences():
    names = [(3, "train"), (4, "train"), (3, "valid")]

    assert len({digest(generate(*name, 500)) for name in names}) == 3


def test_a_block_alone_is_that_block_of_the_whole():
    alone = block(3, "train", 2)
    whole = list(generate(3, "train", 3 * BLOCK))

    assert alone.equals(whole[2])


def test_a_longer_stream_begins_with_the_shorter_one():
    short = pa.Table.from_batches(generate(3, "train", BLOCK + 10))
    long = pa.Table.from_batches(generate(3, "train", 2 * BLOCK))

    assert long.slice(0, BLOCK + 10).equals(short)


def test_blocks_differ():
    assert not block(3, "train", 0).equals(block(3, "train", 1))


def test_another_process_with_another_hash_order_writes_the_same():
    program = """
        import hashlib, pipeline.core.newswire.stream as newswire
        (batch,) = newswire.generate(3, "train", 500)
        print(hashlib.sha256(repr(batch.to_pylist()).encode()).hexdigest())
    """
    environment = {**os.environ, "PYTHONHASHSEED": "77"}

    done = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == digest(generate(3, "train", 500))


# --- Statistics --------------------------------------------------------------------


def test_sentences_are_as_long_as_newswires(corpus):
    lengths = [len(row["tokens"]) for row in corpus]

    # CoNLL-2003: 14.5 on average.
    assert 13 < np.mean(lengths) < 16
    assert min(lengths) < 5
    assert max(lengths) > 22


def test_the_vocabulary_has_several_thousand_words_and_a_long_tail(counts):
    assert 4_000 < len(counts) < 10_000
    assert sum(count == 1 for count in counts.values()) > len(counts) / 5


def test_frequency_falls_with_rank_as_zipf_says(counts):
    frequency = np.sort(list(counts.values()))[::-1]
    rank = np.unique(np.geomspace(1, len(frequency), 200).astype(int))

    slope, _ = np.polyfit(np.log(rank), np.log(frequency[rank - 1]), 1)

    # Zipf's exponent is 1; English newswire has 0.9 to 1.2.
    assert -1.2 < slope < -0.9


# --- Sense -------------------------------------------------------------------------


def test_sentences_begin_with_a_capital(corpus):
    for row in corpus:
        first = row["tokens"][1 if row["tokens"][0] == '"' else 0]
        assert not first[0].islower(), row


def test_the_article_suits_the_next_word(sentences):
    found = {s[i] + " " + s[i + 1] for s in sentences for i in range(len(s) - 1)}

    assert {"an italian", "a ukrainian", "an eight", "an 8", "a university"} & found
    assert not {w for w in found if re.fullmatch(r"a [aio].*", w)}
    assert not {w for w in found if re.fullmatch(r"an [^aeiou8].*", w)} - {
        "an 11",
        "an 18",
    }


def test_nobody_plays_against_themselves(corpus):
    games = 0
    for row in corpus:
        by_start = {start: (start, end) for start, end, _ in entities(row)}
        by_end = {end: (start, end) for start, end, _ in entities(row)}
        for i, token in enumerate(row["tokens"]):
            after = by_start.get(i + 1) or by_start.get(i + 2)
            if token in BEAT and i in by_end and after:
                winner, loser = (
                    row["tokens"][slice(*span)] for span in (by_end[i], after)
                )
                assert winner != loser, row
                games += 1

    assert games > 300


def test_the_winner_scores_more_and_no_less_than_at_halftime(corpus):
    games = 0
    for row in corpus:
        text = " ".join(row["tokens"])
        score = re.search(r"(\d)-(\d) \( halftime (\d)-(\d) \)", text)
        if score:
            won, lost, half_won, half_lost = map(int, score.groups())
            assert won > lost, text
            assert half_won <= won, text
            assert half_lost <= lost, text
            games += 1

    assert games > 20


def test_both_countries_of_a_story_differ(corpus):
    pairs = re.compile(r"between (\w+) and (\w+) will")
    found = [pairs.search(" ".join(row["tokens"])) for row in corpus]
    countries = [match.groups() for match in found if match]

    assert len(countries) > 50
    assert all(first != second for first, second in countries)


# --- Planted meaning ---------------------------------------------------------------


def test_planted_categories_are_disjoint():
    words = [word.lower() for words in planted_categories().values() for word in words]

    assert len(set(words)) == len(words)


def test_planted_categories_and_relations_are_part_of_the_word_lists():
    for category, words in planted_categories().items():
        if category != "commodities":
            assert set(words) <= set(CATEGORIES[category]), category
    for relation, pairs in planted_analogies().items():
        assert set(pairs) <= set(ANALOGIES[relation]), relation


def test_planted_words_are_frequent_enough_to_learn(counts):
    for words in planted_categories().values():
        assert min(counts[word.lower()] for word in words) >= 10


def test_words_of_the_word_lists_occur_only_where_planted(counts):
    planted = {w.lower() for words in planted_categories().values() for w in words}
    listed = {w.lower() for words in CATEGORIES.values() for w in words}

    assert listed & set(counts) <= planted


def test_planted_words_are_nobodys_name_and_nothing_else():
    roles = defaultdict(set)
    for slot, table in tables({"any": 1}).items():
        for name in table.names:
            for token, _ in name:
                roles[token.lower()].add(slot)

    # A club is named after its city, and some money has no plural of its own.
    also = {"club", "money", "country", "nationality"}
    for words in planted_categories().values():
        for word in words:
            assert len(roles[word.lower()] - also) <= 1, (word, roles[word.lower()])


@pytest.mark.parametrize("relation", ["capital_of", "nationality_of", "currency_of"])
def test_a_country_occurs_most_with_its_own(sentences, relation):
    pairs = [(a.lower(), b.lower()) for a, b in planted_analogies()[relation]]
    rights = {b for _, b in pairs}
    together: Counter[tuple[str, str]] = Counter()
    for sentence in sentences:
        words = set(sentence)
        together.update((a, b) for a, _ in pairs if a in words for b in rights & words)

    for country, own in pairs:
        others = [together[country, other] for other in rights - {own}]
        # Far apart, so that the order does not hang on the seed.
        assert together[country, own] >= 3 * max(others), (country, own)


@pytest.mark.slow
def test_skip_gram_finds_what_is_planted(sentences):
    word2vec = pytest.importorskip("gensim.models").Word2Vec

    # An independent implementation, at the size and speed of a first try.
    vectors = word2vec(
        sentences, sg=1, vector_size=64, window=5, negative=10, alpha=0.025,
        epochs=8, min_count=1, sample=0, workers=1, seed=1,
    ).wv  # fmt: skip
    unit = vectors.get_normed_vectors()
    ids = vectors.key_to_index

    precisions = []
    for words in planted_categories().values():
        members = np.array([ids[word.lower()] for word in words])
        top = min(10, len(members) - 1)
        for member in members:
            similarity = unit @ unit[member]
            similarity[member] = -np.inf
            nearest = np.argsort(-similarity)[:top]
            precisions.append(np.isin(nearest, members).mean())
    accuracies = []
    for pairs in planted_analogies().values():
        rows = [(ids[a.lower()], ids[b.lower()]) for a, b in pairs]
        questions = [(*one, *two) for one, two in permutations(rows, 2)]
        a, b, c, d = np.array(questions).T
        similarity = (unit[b] - unit[a] + unit[c]) @ unit.T
        for asked in (a, b, c):
            similarity[np.arange(len(d)), asked] = -np.inf
        accuracies.append((similarity.argmax(axis=1) == d).mean())

    # Measured: 0.99, and 0.5 to 0.6. One word in 6,000 is right by chance.
    assert np.mean(precisions) > 0.93
    assert min(accuracies) > 0.3
