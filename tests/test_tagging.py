"""The tagger as a user runs it: the preset, its output, word classes of a run."""

import copy
import json

import pytest

from pipeline.commands.show import print_record
from pipeline.loading import read_values
from pipeline.run import run_pipeline

TINY = (
    *("ingest=newswire", "ingest.sentences=300", "ingest.valid_sentences=60"),
    *("ingest.test_sentences=60", "tracking=off"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tagged(make_run, home):
    return make_run(home, *TINY, "experiment=hmm")


def test_the_preset_trains_no_vectors_and_prints_its_scores(tagged, capsys):
    print_record(tagged)

    assert list(tagged.stages) == ["ingest", "vocab", "tag"]
    assert tagged.name == "newswire tag ner s1"
    printed = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in printed if line.startswith("tag/")]
    kinds = sorted(
        name.removeprefix("tag/valid/f1/")
        for name in tagged.metrics
        if name.startswith("tag/valid/f1/")
    )
    assert len(kinds) > 1
    assert names == [
        f"tag/{split}/{name}"
        for split in ("valid", "test")
        for name in ("f1", *(f"f1/{kind}" for kind in kinds), "accuracy")
    ]
    (line,) = (line for line in printed if line.startswith("tag/test/f1 "))
    assert f"{tagged.metrics['tag/test/f1']:.4f}   95%: " in line


def test_its_tables_are_artifacts(tagged):
    tables = {"scores", "confusion", "sentences", "tokens"}

    found = {name for name in tagged.artifacts if name.startswith("tables/tag_")}
    assert found == {f"tables/tag_{name}.json" for name in tables}


def test_word_classes_are_those_of_a_run(make_run, home, tagged):
    settings = ("targets=[train]", "train.kernel=numpy", "train.dim=8")
    trained = make_run(home, *TINY, *settings, "train.epochs=1")
    values = copy.deepcopy(dict(tagged.config))
    values["tag"] |= {"word_classes": trained.run_id, "classes": 5}

    config, values = read_values(values)
    found = run_pipeline(config, values, (), on_end=lambda _: None)

    assert values["tag"]["word_classes"].endswith("vectors/vectors.npz")
    assert found.stages["ingest"].cached
    assert not found.stages["tag"].cached
    assert list(found.stages["tag"].files) == ["word_classes"]


@pytest.mark.slow
@pytest.mark.parametrize("option", ["default", "chunk", "pos"])
def test_conll_2003_gives_the_expected_numbers(
    option, make_run, shared, tmp_path, pytestconfig
):
    path = pytestconfig.rootpath / "experiments" / "hmm" / "expected.json"
    expected = json.loads(path.read_text(encoding="utf-8"))[option]

    found = make_run(
        tmp_path,
        *("experiment=hmm", "ingest=conll_files", "tracking=off"),
        *(f"ingest.path={shared / 'data' / 'conll2003'}", f"tag={option}"),
    ).metrics

    # Another processor may round a score so that one token of ten thousand has
    # another tag.
    ours = {name: found.get(name) for name in expected}
    assert ours == pytest.approx(expected, abs=1e-3)
