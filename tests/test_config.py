"""A configuration is checked before anything runs."""

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pipeline.composition import config_folder
from pipeline.config import check_config, read_config, to_yaml
from pipeline.errors import ConfigError

CONF = config_folder()


def composed(*overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))


def read(*overrides: str):
    return read_config(composed(*overrides))


@pytest.mark.parametrize("overrides", [[], ["experiment=seed"]])
def test_the_defaults_are_the_seeds_hyperparameters(overrides):
    config, _ = read(*overrides)
    train = config.train

    assert config.ingest.reader == "conll2003"
    assert (train.dim, train.epochs, train.window, train.negatives) == (200, 15, 5, 10)
    assert (train.lr, train.noise_power, train.subsample) == (0.025, 0.75, 0.0)
    assert (train.score_clip, train.gradient_clip) == (10.0, 5.0)
    assert train.log_epsilon == 1e-10
    assert config.vocab.min_count == 0


def test_the_seed_starts_with_xavier_and_keeps_a_checkpoint_of_each_epoch():
    train = read("experiment=seed")[0].train
    assert train.init == "xavier"
    assert (train.checkpoint_share, train.keep_checkpoints) == (1, train.epochs)


def test_kaggle_reads_its_inputs_and_writes_its_output(monkeypatch):
    for name in ("W2V_HOME", "W2V_KAGGLE_INPUT"):
        monkeypatch.delenv(name, raising=False)

    config, values = read("experiment=kaggle")
    other, _ = read("experiment=kaggle", "ingest=newswire")

    assert config.home_folder == Path("/kaggle/working/runs")
    assert config.ingest.path == Path("/kaggle/input/conll003-englishversion")
    assert all(g.startswith("/kaggle/input/") for g in config.cache.earlier)
    assert config.train.time_budget == 10 * 3600
    assert values["tracking"]["backend"] == "local"
    assert other.ingest.reader == "newswire"
    assert other.home_folder == config.home_folder


@pytest.mark.parametrize(
    "group",
    ["ingest", "vocab", "train", "controls", "evaluate", "visualize", "tracking"],
)
def test_every_option_of_a_group_is_readable(group):
    needed = {"text_files": "ingest.path=x", "conll_files": "ingest.path=x"}
    needed |= {"server": "tracking.uri=http://127.0.0.1:1"}
    needed |= {"hub": "ingest.dataset=x"}
    for option in sorted(path.stem for path in (CONF / group).glob("*.yaml")):
        overrides = [f"{group}={option}", *filter(None, [needed.get(option)])]
        if option == "hub":
            overrides += ["ingest.tokens_column=tokens", "ingest.files=[a.parquet]"]
        read(*overrides)


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
)
def test_every_experiment_only_overrides(name):
    config, values = read(f"experiment={name}")
    # A preset that brought a new key would be refused as an unknown one.
    assert check_config(values) == config


def test_every_key_says_what_it_is():
    for path in sorted(CONF.glob("*/*.yaml")):
        if path.parent.name in ("experiment", "sweep"):
            continue
        commented = False
        for line in path.read_text(encoding="utf-8").splitlines():
            # A comment on the key's line, above it, or above its paragraph.
            commented = commented or "#" in line
            if not line.strip():
                commented = False
            elif re.match(r"\w+:", line):
                assert commented or "#" in line, f"{path.name}: {line}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.dim=-3", r"train\.dim: expected greater than or equal to 1, found -3"),
        ("train.dim=1.5", r"train\.dim: expected a valid integer, found 1\.5"),
        ("train.dim=true", r"train\.dim: expected a valid integer, found true"),
        ("train.dim='7'", r'train\.dim: expected a valid integer, found "7"'),
        ("train.lr=nan", r"train\.lr: expected a finite number, found NaN"),
        ("train.lr=inf", r"train\.lr: expected a finite number, found Infinity"),
        ("train.lr_min=1", r"train: lr_min=1 must be at most lr=0\.025"),
        (
            "+train.gamma=1",
            r"train\.gamma: no such key; there are batch_size",
        ),
        ("+gamma=1", r"gamma: no such key; there are cache, controls, evaluate"),
        ("cache.mode=of", r"cache\.mode: expected 'use', 'refresh' or 'verify'"),
        ("seed=-1", r"seed: expected greater than or equal to 0, found -1"),
        ("ingest.reader=x", r"ingest\.reader: expected 'conll2003', .*, found 'x'"),
        ("home=''", r"home: expected: .*at least 1 character"),
        (
            "evaluate.neighbors_of=[a,1]",
            r"evaluate\.neighbors_of\.1: expected .*found 1",
        ),
        ("evaluate.analogies=[[a,b]]", r"evaluate\.analogies\.0: expected more items"),
        ("train.dim=99999999999999999999999", r"train\.dim: expected less than or"),
        ("train.seed=${nope}", r"nope"),
        ("ingest=text_files", r"ingest\.path: a value must be given"),
    ],
)
def test_a_bad_value_is_named_in_full(override, message):
    with pytest.raises(ConfigError, match=message):
        read(override)


def test_a_value_that_fits_no_form_is_named_by_its_key_alone():
    with pytest.raises(ConfigError) as caught:
        read("ingest=text_files", "ingest.path=3")

    for line in str(caught.value).splitlines():
        assert line.startswith("ingest.path: ")


def test_one_bad_seed_is_reported_once():
    with pytest.raises(ConfigError) as caught:
        read("seed=1.5")

    assert str(caught.value).count("\n") == 0


def test_all_bad_values_are_reported_together():
    with pytest.raises(ConfigError) as caught:
        read("train.dim=0", "vocab.min_count=-1")

    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_value_is_asked_for():
    with pytest.raises(ConfigError, match=r"a value must be given, such as .*\.uri="):
        read("tracking=server")


def test_a_config_survives_yaml():
    config, values = read("experiment=smoke", "train.lr=1e-3")

    again = yaml.safe_load(to_yaml(values))

    assert check_config(again) == config


def test_a_config_read_back_cannot_name_code():
    _, values = read()
    values["train"] |= {"_target_": "os.system"}

    with pytest.raises(ConfigError, match=r"train\._target_: no such key"):
        check_config(values)


def test_one_seed_reaches_every_stage():
    config, _ = read("seed=7")

    seeds = {
        name: stage.seed
        for name, stage in config.stages.items()
        if "seed" in {field.name for field in dataclasses.fields(stage)}
    }
    assert seeds.pop("controls") == 1  # which all runs share
    assert set(seeds.values()) == {7}
    assert {"train", "evaluate", "visualize"} <= set(seeds)


def test_home_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("W2V_HOME", str(tmp_path))
    config, _ = read()
    assert config.home_folder == tmp_path

    monkeypatch.delenv("W2V_HOME")
    config, _ = read()
    assert config.home_folder == Path.cwd() / "runs"


def test_values_that_are_no_mapping_are_refused():
    with pytest.raises(ConfigError, match="expected keys and values, found list"):
        read_config(OmegaConf.create([1, 2]))
