import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.findings import findings, put_together, slug


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("capital-common-countries", "capital-common-countries"),
        ("EN-MTurk-771", "en-mturk-771"),
        (" My pairs (v1.2) ", "my_pairs_v1_2"),
        ("Wörter", "wörter"),
        ("...", ""),
    ],
)
def test_a_slug_is_lower_case_words_joined_by_underscores(text, part):
    assert slug(text) == part


def test_scores_that_are_not_defined_and_tables_without_rows_are_left_out():
    found = findings({"a": 0.0, "b": None}, {"neighbors": [], "analogies": [{}]})

    assert found.scores == {"a": 0.0}
    assert list(found.tables) == ["analogies"]


def test_columns_that_a_row_lacks_are_null_and_keep_their_type():
    table = findings({}, {"neighbors": [{"word": "a"}]}).tables["neighbors"]

    assert table.to_pylist() == [
        {"word": "a", "rank": None, "neighbor": None, "cosine": None, "count": None}
    ]
    assert table.schema.field("cosine").type == pa.float64()


def test_columns_make_the_same_table_as_rows():
    rows = [{"word": "a", "rank": 1}, {"word": "b", "rank": 2}]
    columns = {"word": ("a", "b"), "rank": np.array([1, 2])}

    (table,) = findings({}, {"neighbors": columns}).tables.values()

    assert table == findings({}, {"neighbors": rows}).tables["neighbors"]
    assert findings({}, {"neighbors": {"word": []}}).tables == {}


def test_parts_put_together_keep_all_scores_and_stack_rows_of_a_table():
    first = findings({"x": 1.0}, {"neighbors": [{"word": "a"}]})
    second = findings({"y": 2.0}, {"neighbors": [{"word": "b", "rank": 1}]})

    both = put_together([first, second])

    assert both.scores == {"x": 1.0, "y": 2.0}
    assert both.tables["neighbors"].column("word").to_pylist() == ["a", "b"]


def test_nothing_put_together_is_nothing():
    nothing = put_together([])

    assert nothing.scores == {}
    assert nothing.tables == {}
