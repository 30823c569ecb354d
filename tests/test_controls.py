"""What random vectors score is computed once for all runs that share it."""

import re

import pytest
from omegaconf import OmegaConf

SMALL = (
    *("ingest=newswire", "ingest.sentences=60", "ingest.valid_sentences=10"),
    *("ingest.test_sentences=10", "ingest.seed=1", "tracking=off"),
    *("train.kernel=numpy", "train.epochs=1", "train.dim=4"),
    *("evaluate.builtin_analogies=false", "targets=[evaluate]"),
)


@pytest.fixture(scope="module")
def home(make_run, tmp_path_factory):
    """Where one run has been."""
    folder = tmp_path_factory.mktemp("controls")
    assert not make_run(folder, *SMALL).stages["controls"].cached
    return folder


@pytest.mark.parametrize(
    "change",
    ["train.window=2", "train.negatives=3", "seed=2", "evaluate.top_k=3"],
)
def test_runs_that_share_corpus_width_and_lists_share_their_controls(
    make_run, home, change
):
    stages = make_run(home, *SMALL, change).stages

    assert stages["controls"].cached
    assert not stages["evaluate"].cached


@pytest.mark.parametrize(
    "change",
    [
        "train.dim=5",
        "controls.seed=2",
        "evaluate.geometry_words=20",
        "evaluate.probe.window=1",
        "vocab.min_count=2",
    ],
)
def test_other_widths_seeds_lists_and_words_have_controls_of_their_own(
    make_run, home, change
):
    assert not make_run(home, *SMALL, change).stages["controls"].cached


def test_explain_names_the_key_of_another_group(home, capsys):
    from pipeline import engine
    from pipeline.cache import Cache
    from pipeline.composition import compose_config
    from pipeline.config import read_config
    from pipeline.dag import STAGES

    def explained(*changes):
        config, _ = read_config(compose_config([f"home={home}", *SMALL, *changes]))
        chosen = engine.select(STAGES, config.targets)
        answers = engine.explain(chosen, config.stages, Cache(home / "cache"))
        return {answer.name: (answer.state, answer.reasons) for answer in answers}

    assert explained("train.window=3")["controls"] == ("hit", ())
    for change in (
        *("train.dim=7", "controls.seed=9", "evaluate.restrict_vocab=9"),
        "evaluate.probe.window=3",
    ):
        key, value = change.split("=")
        (state, (reason,)), other = (
            explained(change)[stage] for stage in ("controls", "evaluate")
        )
        assert state == "miss"
        # From that of the nearest result, of which the tests above left several.
        assert re.fullmatch(rf"{re.escape(key)}: \w+ -> {value}", reason)
        assert other[0] == "waits"
        assert "controls" in other[1][0]


def test_no_runs_seed_is_the_controls_own(pytestconfig):
    keys = OmegaConf.load(pytestconfig.rootpath / "conf/controls/default.yaml")

    assert OmegaConf.to_container(keys, resolve=False) == {"seed": 1}
