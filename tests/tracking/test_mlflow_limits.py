"""Names and values fitted into MLflow, checked by MLflow's own validation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.mlflow_limits import (
    name_for_mlflow,
    params_for_mlflow,
    tags_for_mlflow,
    text_for_mlflow,
)
from pipeline.tracking.mlflow_store import import_mlflow

NAMES = st.text(max_size=300) | st.sampled_from(
    [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "x/",
        "a//b",
        "x" * 251,
        "a:b",
        "a\nb",
        "x/..",
        "\udc80",
    ]
)


@pytest.fixture(scope="module")
def validation():
    import_mlflow()
    from mlflow.utils import validation

    return validation


@given(NAMES)
def test_mlflow_takes_every_name(validation, name):
    clean = name_for_mlflow(name)

    validation._validate_metric_name(clean)
    validation._validate_param_name(clean)
    validation._validate_tag_name(clean)
    assert len(clean) <= validation.MAX_ENTITY_KEY_LENGTH
    assert name_for_mlflow(clean) == clean


@pytest.mark.parametrize(
    "name", ["train/loss", "train.dim", "stage/train_seconds", "é"]
)
def test_a_usual_name_stays_as_it_is(name):
    assert name_for_mlflow(name) == name


def test_names_that_clean_to_the_same_stay_apart():
    names = ["a:b", "a;b", "a_b", "x" * 400, "x" * 401, "/a", "_/a"]

    assert len({name_for_mlflow(n) for n in names}) == len(names)


@given(st.text(max_size=20) | st.integers(5_990, 9_000).map(lambda n: "é" * n))
def test_mlflow_takes_every_value_whole(validation, value):
    (param,) = params_for_mlflow({"a": value}).values()
    (tag,) = tags_for_mlflow({"a": value}).values()

    assert validation._validate_param("a", param).value == param
    assert validation._validate_tag("a", tag).value == tag
    param.encode()
    assert "\0" not in param


def test_long_values_that_differ_at_the_end_still_differ():
    one, other = "x" * 7_000 + "1", "x" * 7_000 + "2"

    cut = params_for_mlflow({"one": one, "other": other})

    assert cut["one"] != cut["other"]
    assert cut["one"].startswith("x" * 5_900)
    assert "(7001 characters, sha256 " in cut["one"]


def test_text_keeps_all_that_databases_take():
    assert text_for_mlflow("a\0b\udc80 \n</script>") == "a\\0b\\udc80 \n</script>"
