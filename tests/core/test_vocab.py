import tracemalloc
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import vocab as module
from pipeline.core.types import UNKNOWN, Normalization, Vocab
from pipeline.core.vocab import (
    TokenIds,
    build_vocab,
    count_tokens,
    encode_split,
    token_count,
)
from pipeline.errors import DataError

LOWER = Normalization(lowercase=True, digits="keep")
AS_WRITTEN = Normalization(lowercase=False, digits="keep")

tokens = st.text(st.sampled_from("aAbBéÉ1٣"), min_size=1, max_size=3)
batches = st.lists(st.lists(st.lists(tokens, max_size=6), max_size=5), max_size=4)


def quiet(amount):
    pass


def table_of(batches):
    schema = pa.schema([("tokens", pa.list_(pa.string()))])
    return pa.Table.from_batches(
        [pa.record_batch([batch], schema=schema) for batch in batches], schema
    )


def flat(batches):
    return [token for batch in batches for sentence in batch for token in sentence]


def vocab_of(words, normalization=AS_WRITTEN):
    return Vocab(tuple(words), np.ones(len(words), np.int64), normalization)


@given(first=batches, second=batches)
def test_counts_are_those_of_a_loop_over_all_tokens(first, second):
    told = []

    counts = count_tokens([table_of(first), table_of(second)], told.append)

    assert counts == Counter(flat(first) + flat(second))
    assert sum(told) == len(flat(first) + flat(second))


def test_words_are_ordered_by_count_then_by_code_point():
    vocab = build_vocab(
        {"b": 2, "é": 2, "a": 2, "z": 7, "B": 2, "\U0001f600": 2, "\uff5e": 2},
        AS_WRITTEN,
        min_count=0,
        max_size=None,
    )

    # UTF-16 units would put U+1F600 before U+FF5E.
    assert vocab.words == ("z", "B", "a", "b", "é", "\uff5e", "\U0001f600")
    assert vocab.counts.tolist() == [7, 2, 2, 2, 2, 2, 2]
    assert vocab.counts.dtype == np.int64


def test_tokens_that_normalize_alike_are_one_word():
    vocab = build_vocab(
        {"Paris": 3, "PARIS": 2, "1996": 1, "1997": 1},
        Normalization(lowercase=True, digits="zero"),
        min_count=0,
        max_size=None,
    )

    assert dict(zip(vocab.words, vocab.counts.tolist(), strict=True)) == {
        "paris": 5,
        "0000": 2,
    }


def test_min_count_counts_words_and_not_tokens():
    vocab = build_vocab(
        {"Paris": 2, "PARIS": 2, "rome": 3}, LOWER, min_count=4, max_size=None
    )

    assert vocab.words == ("paris",)


def test_max_size_keeps_the_most_frequent():
    counts = {"a": 1, "b": 1, "c": 5}

    assert build_vocab(counts, LOWER, min_count=0, max_size=2).words == ("c", "a")
    assert build_vocab(counts, LOWER, min_count=0, max_size=9).words == ("c", "a", "b")


@given(batches=batches, known=st.sets(tokens))
def test_ids_are_those_of_a_loop_over_all_tokens(tmp_path_factory, batches, known):
    folder = tmp_path_factory.mktemp("split")
    vocab = vocab_of(sorted({LOWER(token) for token in known}), LOWER)
    told = []

    split, kept = encode_split(
        table_of(batches), TokenIds(vocab), folder=folder, name="x", advance=told.append
    )

    expected = [vocab.ids.get(LOWER(token), UNKNOWN) for token in flat(batches)]
    lengths = [len(sentence) for batch in batches for sentence in batch]
    assert split.ids.tolist() == expected
    assert split.offsets.tolist() == np.cumsum([0, *lengths]).tolist()
    assert (split.ids.dtype, split.offsets.dtype) == (np.int32, np.int64)
    assert kept == sum(i != UNKNOWN for i in expected)
    assert sum(told) == token_count(table_of(batches)) == len(expected)


def test_a_split_is_the_same_whatever_the_pieces(tmp_path, monkeypatch, rng):
    sentences = [rng.choice(["a", "b", "c"], size=n).tolist() for n in (5, 0, 40, 1)]
    ids = TokenIds(vocab_of("abc"))
    whole, _ = encode_split(
        table_of([sentences]), ids, folder=tmp_path, name="x", advance=quiet
    )
    monkeypatch.setattr(module, "PIECE_TOKENS", 7)

    pieces, _ = encode_split(
        table_of([sentences[:3], [], sentences[3:]]),
        ids,
        folder=tmp_path,
        name="y",
        advance=quiet,
    )

    np.testing.assert_array_equal(pieces.ids, whole.ids)
    np.testing.assert_array_equal(pieces.offsets, whole.offsets)


def test_a_slice_of_a_table_is_encoded_alone(tmp_path):
    table = table_of([[["a"], ["b", "c"], ["a", "c"]]]).slice(1, 1)

    split, _ = encode_split(
        table, TokenIds(vocab_of("abc")), folder=tmp_path, name="x", advance=quiet
    )

    assert (split.ids.tolist(), split.offsets.tolist()) == ([1, 2], [0, 2])


def test_each_distinct_token_is_normalized_once(tmp_path):
    calls = Counter()

    class Counting(Normalization):
        def __call__(self, token):
            calls[token] += 1
            return super().__call__(token)

    vocab = vocab_of(["a"], Counting(lowercase=True, digits="keep"))
    ids, table = TokenIds(vocab), table_of([[["A", "a", "A", "no"]], [["A", "no"]]])
    for name in ("x", "y"):
        encode_split(table, ids, folder=tmp_path, name=name, advance=quiet)

    assert calls == {"A": 1, "a": 1, "no": 1}


def test_ids_are_files_that_a_second_run_replaces_but_does_not_change(tmp_path):
    ids = TokenIds(vocab_of("ab"))

    def encode(sentence):
        table = table_of([[sentence]])
        return encode_split(table, ids, folder=tmp_path, name="x", advance=quiet)[0]

    first = encode(["a"] * 5)
    second = encode(["b"])

    assert first.ids.tolist() == [0] * 5
    assert second.ids.tolist() == [1]
    assert not second.ids.flags.writeable
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "x.ids.npy",
        "x.offsets.npy",
    ]


@pytest.mark.parametrize("batch", [[["a", None]], [["a"], None]])
def test_a_null_token_or_sentence_is_refused(tmp_path, batch):
    ids = TokenIds(vocab_of("a"))

    with pytest.raises(DataError, match="a string for each token"):
        count_tokens([table_of([batch])], quiet)
    with pytest.raises(DataError, match="a string for each token"):
        encode_split(table_of([batch]), ids, folder=tmp_path, name="x", advance=quiet)
    assert list(tmp_path.iterdir()) == []


def write_corpus(path, sentences, rng):
    """Write sentences of 25 tokens, in batches of 2,000, and map them."""
    words = pa.array([f"word{i}" for i in range(500)])
    schema = pa.schema([("tokens", pa.list_(pa.string()))])
    offsets = pa.array(np.arange(0, 2000 * 25 + 1, 25, np.int32))
    with pa.ipc.new_file(path, schema) as file:
        for _ in range(sentences // 2000):
            flat = words.take(pa.array(rng.integers(500, size=2000 * 25)))
            column = pa.ListArray.from_arrays(offsets, flat)
            file.write_batch(pa.record_batch([column], schema=schema))
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def test_memory_does_not_grow_with_the_corpus(tmp_path, rng):
    def peak(table):
        held = []
        arrow = pa.total_allocated_bytes()

        def look(amount):
            held.append(
                tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - arrow
            )

        tracemalloc.start()
        vocab = build_vocab(
            count_tokens([table], look), LOWER, min_count=0, max_size=None
        )
        encode_split(table, TokenIds(vocab), folder=tmp_path, name="x", advance=look)
        tracemalloc.stop()
        return max(held)

    small = peak(write_corpus(tmp_path / "small", 4_000, rng))
    large = peak(write_corpus(tmp_path / "large", 40_000, rng))

    # One million tokens more, of which ids alone would be 4 MB.
    assert large < small + 500_000
