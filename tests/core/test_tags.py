import pyarrow as pa

from pipeline.core.tags import read_column


def table(*chunks):
    kind = pa.list_(pa.string())
    return pa.table(
        {"pos": pa.chunked_array([pa.array(c, kind) for c in chunks], kind)}
    )


def test_tags_are_sorted_and_shared_by_splits():
    tables = {"a": table([["NN", "DT"], []], [["VB"]]), "b": table([["CC", "NN"]])}

    tags, codes = read_column(tables, "pos")

    assert tags == ("CC", "DT", "NN", "VB")
    assert {name: c.tolist() for name, c in codes.items()} == {
        "a": [2, 1, 3],
        "b": [0, 2],
    }


def test_a_split_without_sentences_has_no_tags():
    tags, codes = read_column({"a": table()}, "pos")

    assert tags == ()
    assert codes["a"].tolist() == []
