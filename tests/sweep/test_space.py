"""What keys may take, in Hydra's grammar."""

import pytest

from pipeline.errors import ConfigError
from pipeline.sweep.space import split_overrides


def axis(text: str):
    (found,), _ = split_overrides([text], {})
    return found


def plains(text: str) -> list[object]:
    return [value.plain for value in axis(text).values]


def test_what_is_not_swept_stays_as_typed():
    axes, fixed = split_overrides(["train.dim=1,2", "train.lr=0.1", "~cache.mode"], {})

    assert [axis.key for axis in axes] == ["train.dim"]
    assert fixed == ("train.lr=0.1", "~cache.mode")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.dim=50,100", [50, 100]),
        ("train.dim=range(50,301,50)", [50, 100, 150, 200, 250, 300]),
        ("train.lr=range(0.5,2,0.5)", [0.5, 1.0, 1.5]),
        ("train.init=word2vec,xavier", ["word2vec", "xavier"]),
        ("vocab.max_size=null,5", [None, 5]),
        ("vocab.lowercase=true,false", [True, False]),
        ("vocab.splits=[train],[train,valid]", ["[train]", "[train,valid]"]),
        ("train.dim=shuffle(1,2,3)", [1, 2, 3]),
    ],
)
def test_values_are_those_that_hydra_reads(text, expected):
    assert plains(text) == expected


def test_an_interval_knows_its_bounds_its_scale_and_whether_it_is_whole():
    lr = axis("train.lr=tag(log,interval(0.005,0.1))")
    dim = axis("train.dim=int(interval(10,300))")

    assert (lr.low, lr.high, lr.log, lr.whole) == (0.005, 0.1, True, False)
    assert (dim.low, dim.high, dim.log, dim.whole) == (10, 300, False, True)
    assert lr.values == dim.values == ()


def test_the_command_line_goes_before_the_file():
    space = {"train.dim": "50,100", "train.window": "2,5"}

    axes, fixed = split_overrides(["train.dim=8", "train.lr=0.1,0.2"], space)

    assert {axis.name: axis.text for axis in axes} == {
        "train.window": "2,5",
        "train.lr": "0.1,0.2",
    }
    assert fixed == ("train.dim=8",)


@pytest.mark.parametrize(
    "text", ["train.lr=interval(0.1,0.1)", "train.lr=tag(log,interval(0,1))"]
)
def test_an_interval_of_nothing_is_refused(text):
    with pytest.raises(ConfigError, match=r"train\.lr"):
        split_overrides([text], {})
