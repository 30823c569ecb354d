"""A grammar draws what its weights say and writes what its productions say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.newswire.compile import Table, compile_grammar
from pipeline.core.newswire.engine import SCHEMA, Weights

TAGS = {"a": "DT", "in": "IN", "word": "NN", ".": ".", '"': '"', "(": "(", ")": ")"}
COUNTRY = Table(
    names=[(("Italy", "NNP"),), (("New", "NNP"), ("Zealand", "NNP"))],
    groups=[[(0, 1), (1, 1)]],
    parents=("topic",),
)
PEOPLE = Table(
    names=[(("Rossi", "NNP"),), (("Smith", "NNP"),)],
    groups=[[(0, 1)], [(1, 1)]],
    parents=("country",),
)
FRUIT = Table(names=[(("apple", "NN"),), (("pear", "NN"),)], groups=[[(0, 3), (1, 1)]])


def topics(count: int) -> Table:
    return Table(names=[()] * count, groups=[[(i, 1) for i in range(count)]])


def write(production: str, sentences: int = 200, **tables: Table) -> list[dict]:
    """Write sentences of a grammar with one production."""
    rules = {"sentence": "1: <start>", "start": f"1: {production}"}
    grammar = compile_grammar(rules, TAGS, {"topic": topics(1), **tables})
    batch = grammar.write(np.random.default_rng(7), sentences)
    assert batch.schema == SCHEMA
    return batch.to_pylist()


def texts(sentences: list[dict]) -> list[str]:
    return [" ".join(sentence["tokens"]) for sentence in sentences]


def draws(weights: list[int], count: int, excluded: int | None = None) -> np.ndarray:
    """Draw from a single group, standing behind another one."""
    table = Weights(
        starts=np.array([0, 1, 1 + len(weights)]),
        cumulative=np.cumsum([0, 17, *weights]),
    )
    others = None if excluded is None else np.full(count, 1 + excluded)
    drawn = table.draw(np.random.default_rng(5), np.ones(count, dtype=int), others)
    return drawn - 1


def test_marks_become_iob2_chunks_and_entities():
    (sentence,) = write("[NP {country:LOC} word] in/IN [NP word] .", 1, country=COUNTRY)

    if sentence["tokens"][0] == "New":
        assert sentence == {
            "tokens": ["New", "Zealand", "word", "in", "word", "."],
            "pos": ["NNP", "NNP", "NN", "IN", "NN", "."],
            "chunk": ["B-NP", "I-NP", "I-NP", "O", "B-NP", "O"],
            "ner": ["B-LOC", "I-LOC", "O", "O", "O", "O"],
        }
    else:
        assert sentence == {
            "tokens": ["Italy", "word", "in", "word", "."],
            "pos": ["NNP", "NN", "IN", "NN", "."],
            "chunk": ["B-NP", "I-NP", "O", "B-NP", "O"],
            "ner": ["B-LOC", "O", "O", "O", "O"],
        }


def test_neighboring_chunks_of_a_kind_each_begin():
    (sentence,) = write("[NP word word] [NP word] word [NP word]", 1)

    assert sentence["chunk"] == ["B-NP", "I-NP", "B-NP", "O", "B-NP"]


def test_a_sentence_does_not_go_on_the_last_ones_chunk():
    sentences = write("word [NP word]", 3)

    assert [s["chunk"] for s in sentences] == [["O", "B-NP"]] * 3


def test_a_slot_is_the_same_throughout_and_its_second_another():
    for text in texts(write("{fruit} {fruit} {fruit2}", fruit=FRUIT)):
        first, again, second = text.lower().split()
        assert first == again != second


def test_the_other_country_is_another_and_has_its_own():
    sentences = write(
        "{country} {last} {country~} {last~}", country=COUNTRY, last=PEOPLE
    )

    assert set(texts(sentences)) == {
        "Italy Rossi New Zealand Smith",
        "New Zealand Smith Italy Rossi",
    }


def test_articles_and_capitals_follow_from_their_place():
    found = set(texts(write('" a {fruit} in a {fruit2} .', fruit=FRUIT)))

    assert found == {'" An apple in a pear .', '" A pear in an apple .'}


def test_a_headline_is_in_capitals_and_leaves_others_alone():
    rules = {
        "sentence": "1: <plain>\n1: <loud>",
        "plain": "1: word .",
        "loud": "1: ^ word",
    }
    grammar = compile_grammar(rules, TAGS, {"topic": topics(2)})

    found = texts(grammar.write(np.random.default_rng(1), 100).to_pylist())

    assert set(found) == {"Word .", "WORD"}


def test_parentheses_can_be_written():
    (sentence,) = write("LRB word RRB", 1)

    assert sentence["tokens"] == ["(", "word", ")"]


def test_an_unknown_word_is_refused():
    with pytest.raises(KeyError, match="mystery"):
        write("a mystery")


def test_an_unknown_slot_is_refused():
    with pytest.raises(KeyError, match="mystery"):
        write("a {mystery}")


def test_only_a_country_has_another():
    with pytest.raises(ValueError, match="does not depend on the country"):
        write("{fruit~}", country=COUNTRY, fruit=FRUIT)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_draws_come_from_their_group(weights):
    drawn = draws(weights, 50)

    assert ((drawn >= 0) & (drawn < len(weights))).all()


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=20), st.data())
def test_the_excluded_entry_is_never_drawn(weights, data):
    excluded = data.draw(st.integers(0, len(weights) - 1))

    drawn = draws(weights, 50, excluded)

    assert ((drawn >= 0) & (drawn < len(weights)) & (drawn != excluded)).all()


def test_an_entry_without_alternative_is_drawn_again():
    assert (draws([5], 20, excluded=0) == 0).all()


@pytest.mark.parametrize("excluded", [None, 0, 1, 3])
def test_draws_are_as_frequent_as_their_weights(excluded):
    weights = np.array([5, 1, 3, 11])
    expected = weights.astype(float)
    if excluded is not None:
        expected[excluded] = 0

    frequency = np.bincount(draws(weights.tolist(), 20_000, excluded), minlength=4)

    # The standard deviation of a frequency is below 0.5 / √20,000 = 0.0036.
    np.testing.assert_allclose(
        frequency / 20_000, expected / expected.sum(), atol=5 * 0.0036
    )
