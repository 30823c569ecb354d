import json
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter, ValidationError
from threadpoolctl import threadpool_limits

from pipeline.core.types import (
    Controls,
    Corpus,
    Embeddings,
    EncodedCorpus,
    EncodedSplit,
    Normalization,
    Vocab,
)
from pipeline.core.vectors import save_vectors
from pipeline.core.wordlists import ANALOGIES, CATEGORIES
from pipeline.errors import ConfigError, DataError
from pipeline.report import Report
from pipeline.stages.evaluate import EvaluateConfig, evaluate

LOWER = Normalization(lowercase=True, digits="keep")


def config_of(root, **changes):
    """Return the default config with some keys changed, checked as in a run."""
    default = OmegaConf.load(root / "conf" / "evaluate" / "default.yaml")
    whole = OmegaConf.create({"seed": 7, "home": "runs", "evaluate": default})
    values = OmegaConf.to_container(whole, resolve=True)["evaluate"] | changes
    return TypeAdapter(EvaluateConfig).validate_json(json.dumps(values), strict=True)


@pytest.fixture
def config(pytestconfig):
    return lambda **changes: config_of(pytestconfig.rootpath, **changes)


def space_of(words, vectors):
    words = tuple(words)
    center = np.array(vectors, np.float32)
    counts = np.arange(len(words), 0, -1, dtype=np.int64)
    embeddings = Embeddings(words, center, np.zeros_like(center), LOWER)
    return Vocab(words, counts, LOWER), embeddings


def random_space(rng, words, dim=20):
    return space_of(words, rng.normal(size=(len(words), dim)))


def planted_space(rng):
    """Words of the built-in lists, each category around a center of its own.

    The second word of a relation lies at the relation's offset from the first.
    """
    at = {}
    for listed in CATEGORIES.values():
        center = 20 * rng.normal(size=40)
        at |= {word.lower(): center + rng.normal(size=40) for word in listed}
    for pairs in ANALOGIES.values():
        offset = 30 * rng.normal(size=40)
        for a, b in pairs:
            at.setdefault(a.lower(), 5 * rng.normal(size=40))
            at[b.lower()] = at[a.lower()] + offset
    return space_of(at, list(at.values()))


def run(config, space, tmp_path, report=None, controls=None):
    vocab, embeddings, *tagged = space
    corpus, encoded = tagged or (Corpus({}), EncodedCorpus({}, ("train",)))
    return evaluate(
        config,
        corpus,
        encoded,
        vocab,
        embeddings,
        Controls(controls or {}, 1),
        workspace=tmp_path,
        report=report or Report(),
    )


class Progress(Report):
    def __init__(self):
        self.total, self.done = None, 0

    def start(self, total, unit):
        assert self.total is None
        self.total = total

    def advance(self, amount, shown=""):
        self.done += amount


def write_files(folder):
    folder.mkdir()
    (folder / "EN-WS-353-ALL.txt").write_text("a\tb\t1\nb\tc\t2\na\tc\t0\n")
    (folder / "My pairs.csv").write_text("first,second,score\na,b,1\na,x,2\n")
    (folder / "questions-words.txt").write_text(": s 1\na b c d\na b c e\n")
    return {
        "similarity_files": [str(folder / "*.csv"), str(folder / "EN-*")],
        "analogy_files": [str(folder / "questions-words.txt")],
    }


def test_a_space_with_planted_categories_scores_high(config, rng, tmp_path):
    metrics, _ = run(config(), planted_space(rng), tmp_path)

    # Relations move some words of a category off its center together.
    assert metrics.values["category/precision_at_10"] > 0.9
    assert metrics.values["category/purity"] > 0.8
    assert metrics.values["category/coverage"] == 1
    assert metrics.values["analogy/builtin/coverage"] == 1
    assert metrics.values["analogy/builtin/total"] > 0.8
    assert metrics.values["analogy_mul/builtin/total"] > 0.8


def test_a_random_space_scores_low(config, rng, tmp_path):
    words, _ = planted_space(rng)

    metrics, _ = run(config(), random_space(rng, words.words), tmp_path)

    assert metrics.values["category/precision_at_10"] < 0.2
    assert metrics.values["analogy/builtin/total"] < 0.02


def test_metric_names_are_short_and_those_of_known_files_fixed(config, rng, tmp_path):
    files = write_files(tmp_path / "sets")
    settings = config(**files, builtin_analogies=False, builtin_categories=False)

    metrics, tables = run(settings, random_space(rng, "abcde"), tmp_path)

    names = {
        name
        for name in metrics.values
        if not name.startswith("geometry/")
        and not name.endswith(("_low", "_high", "_random"))
    }
    assert names == {
        "similarity/ws353",
        "similarity/ws353_zero",
        "similarity/ws353_coverage",
        "similarity/my_pairs_zero",
        "similarity/my_pairs_coverage",  # one pair found: no correlation
        "analogy/google/s_1",
        "analogy/google/s_1_coverage",
        "analogy/google/total",
        "analogy/google/coverage",
        "analogy_mul/google/s_1",
        "analogy_mul/google/total",
    }
    assert {n for n in metrics.values if n.startswith("geometry/")} == {
        "geometry/isotropy",
        "geometry/mean_cosine",
        "geometry/norm_frequency",
    }  # five words are each others' neighbors evenly: no hubness
    assert metrics.values["similarity/my_pairs_coverage"] == 0.5
    assert tables.tables["similarity"].column("set").to_pylist() == [
        "my_pairs",
        "ws353",
    ]


def test_built_in_metrics_are_named_by_relation_and_category(config, rng, tmp_path):
    metrics, _ = run(config(), planted_space(rng), tmp_path)

    names = set(metrics.values)
    assert {f"analogy/builtin/{relation}" for relation in ANALOGIES} <= names
    assert {f"category/{name}/precision_at_10" for name in CATEGORIES} <= names


def test_every_metric_is_finite_and_every_table_has_rows(config, rng, tmp_path):
    settings = config(**write_files(tmp_path / "sets"))

    metrics, tables = run(settings, random_space(rng, "abcde"), tmp_path)

    assert np.isfinite(list(metrics.values.values())).all()
    assert all(table.num_rows for table in tables.tables.values())


@pytest.mark.parametrize("words", ["a", "abcde"])
def test_zero_vectors_and_tiny_vocabularies_are_scored(config, tmp_path, words):
    settings = config(**write_files(tmp_path / "sets"), neighbors_of=list(words))
    space = space_of(words, np.zeros((len(words), 3)))

    metrics, _ = run(settings, space, tmp_path)

    assert np.isfinite(list(metrics.values.values())).all()
    assert "similarity/ws353" not in metrics.values  # all cosines are equal


def test_the_same_input_gives_the_same_result_for_any_number_of_threads(
    config, rng, tmp_path
):
    space = planted_space(rng)
    with threadpool_limits(1):
        first = run(config(), space, tmp_path)

    second = run(config(), space, tmp_path)

    assert first[0].values == second[0].values
    assert first[1].tables == second[1].tables


def test_progress_adds_up_to_what_was_announced(config, rng, tmp_path):
    progress = Progress()
    settings = config(**write_files(tmp_path / "sets"))

    run(settings, random_space(rng, "abcde"), tmp_path, progress)

    assert progress.done == progress.total > 1000


def test_restricting_the_vocabulary_drops_questions_with_rare_words(
    config, rng, tmp_path
):
    settings = config(**write_files(tmp_path / "sets"), restrict_vocab=4)

    metrics, tables = run(settings, random_space(rng, "abcde"), tmp_path)

    assert metrics.values["analogy/google/coverage"] == 0.5
    answers = tables.tables["analogy_questions"].slice(0, 2).column("answer_add")
    assert answers.to_pylist() == ["d", None]  # the only one of four left


def test_embeddings_of_another_vocabulary_are_refused(config, rng, tmp_path):
    vocab, _ = random_space(rng, "abc")
    _, embeddings = random_space(rng, "abd")

    with pytest.raises(DataError, match="vocabulary's 3 words"):
        run(config(), (vocab, embeddings), tmp_path)


def test_a_malformed_file_stops_before_anything_is_computed(config, rng, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("a\tb\t1\na\tb\n")
    progress = Progress()

    with pytest.raises(DataError, match=r"pairs\.txt:2: expected 3 columns"):
        run(
            config(similarity_files=[str(path)]),
            random_space(rng, "ab"),
            tmp_path,
            progress,
        )
    assert progress.total is None


# Files that the config names


def test_files_are_keyed_by_name_whatever_their_folder_and_order(config, tmp_path):
    first = write_files(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    second = {
        "similarity_files": [str(tmp_path / "there" / "[EM]*")],
        "analogy_files": [str(tmp_path / "there" / "q*")],
    }

    files = config(**first).input_files()

    assert list(files) == [
        "similarity_files/My pairs.csv",
        "similarity_files/EN-WS-353-ALL.txt",
        "analogy_files/questions-words.txt",
    ]
    assert list(files) == list(config(**second).input_files())


def test_a_file_named_twice_is_read_once(config, tmp_path):
    files = write_files(tmp_path / "sets")["similarity_files"]

    assert len(config(similarity_files=files * 2).input_files()) == 2


def test_a_file_whose_name_holds_brackets_is_found(config, tmp_path):
    path = tmp_path / "pairs[1].txt"
    path.write_text("a b 1")

    files = config(similarity_files=[str(path)]).input_files()

    assert list(files.values()) == [path]


@pytest.mark.parametrize("key", ["similarity_files", "analogy_files", "category_files"])
@pytest.mark.parametrize("pattern", ["none.txt", "*.none", "."])
def test_a_pattern_that_names_no_file_is_refused(config, tmp_path, key, pattern):
    settings = config(**{key: [str(tmp_path / pattern)]})

    with pytest.raises(DataError, match=rf"evaluate\.{key}: expected a file"):
        settings.input_files()


@pytest.mark.parametrize(
    ("key", "names", "message"),
    [
        ("similarity_files", ["a b.txt", "a_b.txt"], "share the metric name 'a_b'"),
        ("similarity_files", ["EN-RG-65.txt", "rg65.csv"], "metric name 'rg65'"),
        ("similarity_files", ["x.txt", "x_coverage.txt"], "coverage has"),
        ("similarity_files", ["x.txt", "x_zero.txt"], "zero has"),
        ("similarity_files", ["x.txt", "x_random.txt"], "random has"),
        ("category_files", ["Months.csv"], "'months'"),
        ("similarity_files", ["....txt"], "makes no metric name"),
        ("analogy_files", ["google.txt", "questions-words.txt"], "name 'google'"),
        ("analogy_files", ["Builtin.txt"], "'builtin'"),
    ],
)
def test_files_that_would_share_a_metric_are_refused(
    config, tmp_path, key, names, message
):
    for name in names:
        (tmp_path / name).write_text("a b 1")
    settings = config(**{key: [str(tmp_path / name) for name in names]})

    with pytest.raises(ConfigError, match=message):
        settings.input_files()


@pytest.mark.parametrize(
    "change",
    [
        {"top_k": 0},
        {"restrict_vocab": 0},
        {"geometry_words": 0},
        {"against": ""},
        {"probe": {"enabled": True, "window": 11, "shrinkage": 1e-4, "final": False}},
        {"probe": {"enabled": True, "window": 2, "shrinkage": 0.0, "final": False}},
        {"neighbors_of": [""]},
        {"analogies": [["a", "b"]]},
        {"analogies": [["a", "b", "c", "d"]]},
    ],
)
def test_values_out_of_range_are_refused(config, change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        config(**change)


# The public sets


def test_coverage_of_the_public_sets_by_conll_is_as_known(
    config, rng, tmp_path, shared
):
    data = shared / "data"
    lines = (data / "conll2003" / "train.txt").read_text().splitlines()
    tokens = [line.split()[0] for line in lines if line and line[0] != " "]
    counts = Counter(t.lower() for t in tokens if t != "-DOCSTART-")
    settings = config(
        similarity_files=[str(data / "wordsim" / "*.txt")],
        analogy_files=[str(data / "questions-words.txt")],
        restrict_vocab=None,
        builtin_analogies=False,
        builtin_categories=False,
    )

    metrics, _ = run(settings, random_space(rng, list(counts), dim=4), tmp_path)

    known = {
        "similarity/ws353_coverage": 217 / 353,
        "similarity/simlex999_coverage": 565 / 999,
        "similarity/men_coverage": 1086 / 3000,
        "similarity/rg65_coverage": 20 / 65,
        "similarity/rareword_coverage": 150 / 2034,
        "analogy/google/coverage": 7365 / 19544,
    }
    assert known.items() <= metrics.values.items()


# The probe


def tagged_space(rng, splits=("train", "valid", "test"), column="ner"):
    """Return a space of five words, and a corpus in which b and d are entities."""
    vocab, embeddings = random_space(rng, "abcde")
    tables, encoded = {}, {}
    for name in splits:
        ids = rng.integers(0, 5, (40, 3)).astype(np.int32)
        tags = np.array(["O", "B-PER", "O", "B-LOC", "O"])[ids]
        tokens = np.array(list("abcde"))[ids]
        columns = {"tokens": tokens.tolist(), column: tags.tolist()}
        tables[name] = pa.table(columns)
        encoded[name] = EncodedSplit(ids.ravel(), np.arange(0, 121, 3))
    return vocab, embeddings, Corpus(tables), EncodedCorpus(encoded, ("train",))


def test_the_probe_is_scored_on_valid_and_never_on_test_unasked(config, rng, tmp_path):
    space = tagged_space(rng)
    _, _, corpus, encoded = space
    asked = config(
        probe={"enabled": True, "window": 1, "shrinkage": 1e-4, "final": True}
    )

    metrics, _ = run(config(), space, tmp_path)
    final, _ = run(asked, space, tmp_path)

    assert metrics.values["probe/f1"] == 1
    assert not any(name.startswith("probe/test") for name in metrics.values)
    assert final.values["probe/test/f1"] == 1
    # Without its test split the corpus gives the same scores.
    rest = {name: corpus.splits[name] for name in ("train", "valid")}
    without, _ = run(config(), (*space[:2], Corpus(rest), encoded), tmp_path)
    assert without.values == metrics.values


@pytest.mark.parametrize(
    "tagged", [{"splits": ("train", "valid"), "column": "pos"}, {"splits": ("train",)}]
)
def test_without_tags_the_probe_is_skipped_and_the_log_says_why(
    config, rng, tmp_path, caplog, tagged
):
    caplog.set_level("INFO", "pipeline")

    metrics, _ = run(config(), tagged_space(rng, **tagged), tmp_path)

    assert not any(name.startswith("probe") for name in metrics.values)
    assert "no probe: the corpus has no entity tags in split" in caplog.text
    assert "valid" in caplog.text


def test_a_final_score_on_a_corpus_without_test_is_refused(config, rng, tmp_path):
    asked = config(
        probe={"enabled": True, "window": 1, "shrinkage": 1e-4, "final": True}
    )

    with pytest.raises(ConfigError, match=r"evaluate\.probe\.final=true.* split test"):
        run(asked, tagged_space(rng, ("train", "valid")), tmp_path)


def test_the_probe_can_be_left_out(config, rng, tmp_path):
    off = {"enabled": False, "window": 1, "shrinkage": 1e-4, "final": True}

    metrics, _ = run(config(probe=off), tagged_space(rng), tmp_path)

    assert not any(name.startswith("probe") for name in metrics.values)


# Category files and other runs


def test_categories_from_files_are_scored_beside_the_built_in_ones(
    config, rng, tmp_path
):
    path = tmp_path / "My groups.txt"
    path.write_text(": x\na b c\n: y\nd e f\n")
    settings = config(category_files=[str(path)], builtin_categories=False)
    vectors = np.eye(2).repeat(3, axis=0) + rng.normal(size=(6, 2)) / 9

    metrics, tables = run(settings, space_of("abcdef", vectors), tmp_path)

    assert metrics.values["category/my_groups/precision_at_10"] == 1
    assert metrics.values["category/my_groups/adjusted_rand"] == 1
    assert "category/purity" not in metrics.values
    assert tables.tables["category_words"].num_rows == 6


def test_neighbors_are_compared_with_those_of_another_file(config, rng, tmp_path):
    vocab, embeddings = random_space(rng, [f"w{i}" for i in range(60)])
    save_vectors(tmp_path / "same.npz", embeddings)
    _, other = random_space(rng, vocab.words)
    save_vectors(tmp_path / "other.npz", other)
    space = (vocab, embeddings)

    same, _ = run(config(against=str(tmp_path / "same.npz")), space, tmp_path)
    chance, tables = run(config(against=str(tmp_path / "other.npz")), space, tmp_path)

    assert same.values["stability/overlap_at_10"] == 1
    # Ten of 59 by chance, with a deviation of 0.013 over 60 words.
    assert chance.values["stability/overlap_at_10"] == pytest.approx(10 / 59, abs=0.07)
    assert tables.tables["stability_words"].num_rows == 60


def test_the_file_compared_with_is_keyed_by_its_content(config, tmp_path):
    settings = config(against=str(tmp_path / "a.npz"))

    assert settings.input_files() == {"against": tmp_path / "a.npz"}
    assert config().input_files() == {}


def test_every_score_is_in_the_table_that_audits_it(config, rng, tmp_path):
    files = write_files(tmp_path / "sets")

    metrics, tables = run(config(**files), tagged_space(rng), tmp_path)

    rows = {row["metric"]: row for row in tables.tables["scores"].to_pylist()}
    beside = ("_low", "_high", "_random", "_onehot", "coverage", "unknown")
    for name, value in metrics.values.items():
        if not name.endswith(beside):
            row = rows[name]
            assert row["value"] == value
            assert 0 <= row["coverage"] <= 1
            if name not in ("geometry/isotropy", "similarity/my_pairs_zero"):
                assert row["low"] <= value <= row["high"], name
