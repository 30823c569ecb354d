"""The stage that draws: which words, which files, and the same ones every time."""

import base64
import dataclasses
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.core.types import (
    Corpus,
    Embeddings,
    EncodedCorpus,
    EncodedSplit,
    Normalization,
    Snapshots,
    TrainingHistory,
    Vocab,
)
from pipeline.core.wordlists import CATEGORIES
from pipeline.errors import DataError, ShapeError
from pipeline.report import Report
from pipeline.stages.visualize import VisualizeConfig, visualize

ROOT = Path(__file__).resolve().parents[2]
LOWER = Normalization(lowercase=True, digits="keep")
QUICK = {"tsne_iterations": 250, "umap_epochs": 20}
HISTORY = TrainingHistory(
    loss=np.array([3.5, 3.0]),
    heldout_loss=np.array([3.6, 3.25]),
    learning_rate=np.array([0.02, 0.01]),
)


def configure(**values) -> VisualizeConfig:
    text = (ROOT / "conf" / "visualize" / "default.yaml").read_text("utf-8")
    plain = yaml.safe_load(text.replace("${seed}", "42")) | values
    return TypeAdapter(VisualizeConfig).validate_json(json.dumps(plain), strict=True)


def vocabulary(words, counts=None, normalization=LOWER) -> Vocab:
    if counts is None:
        counts = np.arange(len(words), 0, -1) + 10
    return Vocab(tuple(words), np.asarray(counts, np.int64), normalization)


def embed(vocab, dims=8, vectors=None) -> Embeddings:
    if vectors is None:
        vectors = np.random.default_rng(1).normal(size=(len(vocab.words), dims))
    center = np.asarray(vectors, np.float32)
    return Embeddings(vocab.words, center, -center, vocab.normalization)


def news() -> Vocab:
    """Thirty plain words, then some of two categories."""
    countries = [word.lower() for word in CATEGORIES["countries"][:7]]
    days = [word.lower() for word in CATEGORIES["weekdays"]]
    return vocabulary([f"w{i}" for i in range(30)] + countries + days)


class Told(Report):
    def __init__(self):
        self.total, self.done, self.values = None, [], {}

    def start(self, total, unit):
        self.total = total

    def advance(self, amount, shown=""):
        assert amount == 1
        self.done.append(shown)

    def metrics(self, values, step=None):
        self.values |= values


def snap(vocab, words=12, frames=3) -> Snapshots:
    """Vectors of the most frequent words after each of two epochs."""
    words = min(words, len(vocab.words))
    vectors = np.random.default_rng(2).normal(size=(frames, words, 5))
    return Snapshots(np.arange(frames, dtype=np.int32), vectors.astype(np.float16))


NO_SNAPSHOTS = Snapshots(np.zeros(1, np.int32), np.empty((1, 0, 5), np.float16))


def written(vocab, **columns):
    """A corpus of one sentence, each word once, and the same as ids."""
    table = pa.table({"tokens": [["x"] * len(vocab.words)]} | columns)
    ids = np.arange(len(vocab.words), dtype=np.int32)
    split = EncodedSplit(ids, np.array([0, len(ids)]))
    return Corpus({"train": table}), EncodedCorpus({"train": split}, ("train",))


def draw(
    config,
    vocab,
    embeddings=None,
    *,
    history=HISTORY,
    report=None,
    snapshots=NO_SNAPSHOTS,
    **columns,
):
    figures = visualize(
        config,
        *written(vocab, **columns),
        vocab,
        embed(vocab) if embeddings is None else embeddings,
        history,
        snapshots,
        workspace=Path("unused"),
        report=report or Report(),
    )
    return figures.files


def spec(content: bytes):
    (text,) = re.findall(
        rb'<script type="application/json" id="spec">(.*?)</script>', content
    )
    return json.loads(text)


def notes(content: bytes) -> list[str]:
    (head,) = re.findall(rb"<header>(.*?)</header>", content)
    return re.findall(r"<p>(.*?)</p>", head.decode())


def unpacked(array: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["base64"]), array["dtype"])


def explored(files) -> dict:
    return spec(files["explorer.html"])


def grouped(files, key: str) -> dict[str, list[str]]:
    """Return the words of the explorer by their label of a grouping."""
    found = explored(files)
    (grouping,) = [each for each in found["groupings"] if each["key"] == key]
    names = [*grouping["labels"], grouping["rest"]]
    of = unpacked(grouping["of"])
    words = {name: [] for name in names}
    for word, label in zip(found["words"], of, strict=True):
        words[names[label]].append(word)
    return {name: members for name, members in words.items() if members}


@pytest.fixture(scope="module")
def drawing():
    report = Told()
    return draw(configure(**QUICK, words=20), news(), report=report), report


class TestConfig:
    def test_the_default_names_every_key_and_no_other(self):
        text = (ROOT / "conf" / "visualize" / "default.yaml").read_text("utf-8")

        fields = {field.name for field in dataclasses.fields(VisualizeConfig)}
        assert set(yaml.safe_load(text)) == fields

    def test_the_default_is_valid(self):
        assert configure().projections == ("tsne", "umap", "pca")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"words": 0},
            {"projections": ["lda"]},
            {"projections": ["tsne", "tsne"]},
            {"clusters": 0},
            {"tsne_perplexity": 0.5},
            {"tsne_iterations": 249},
            {"umap_neighbors": 1},
            {"umap_min_dist": 1.5},
            {"umap_epochs": 0},
            {"heatmap_words": [""]},
            {"label_categories": ["planets"]},
            {"heatmap_words": ["x"] * 201},
            {"neighbors": -1},
            {"seed": -1},
        ],
        ids=str,
    )
    def test_a_wrong_value_is_refused(self, wrong):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            configure(**wrong)


class TestFiles:
    def test_each_picture_has_its_files(self, drawing):
        files, _ = drawing

        assert sorted(files) == [
            "explorer.html",
            "frequency.png",
            "frequency.svg",
            "heatmap.html",
            "heatmap.png",
            "heatmap.svg",
            "loss.html",
            "loss.png",
            "loss.svg",
            "pca_2d.png",
            "pca_2d.svg",
            "tsne_2d.png",
            "tsne_2d.svg",
            "umap_2d.png",
            "umap_2d.svg",
        ]

    def test_progress_counts_the_pictures_that_are_drawn(self, drawing):
        _, report = drawing

        maps = [f"{m}_{d}d" for m in ("tsne", "umap", "pca") for d in (2, 3)]
        assert report.total == 10
        assert report.done[:3] == ["loss", "heatmap", "frequency"]
        # Maps are laid out side by side, and end in any order.
        assert sorted(report.done[3:-1]) == sorted(maps)
        assert report.done[-1] == "explorer"

    def test_the_share_of_neighbors_kept_is_told_and_reported(self, drawing):
        files, report = drawing

        found = {
            f"map/{each['key']}_{each['dims']}d_neighbors_kept":
                unpacked(each["kept"]).mean() / 10
            for each in explored(files)["maps"]
        }  # fmt: skip
        assert len(found) == 6
        assert report.values == pytest.approx(found)
        assert all(0 < kept < 1 for kept in found.values())

    def test_the_same_input_gives_the_same_bytes(self, drawing):
        files, _ = drawing

        assert draw(configure(**QUICK, words=20), news()) == files

    def test_the_seed_changes_maps_and_nothing_else(self, drawing):
        files, _ = drawing

        other = draw(configure(**QUICK, words=20, seed=43), news())

        changed = {name for name in files if files[name] != other[name]}
        moved = {name for name in files if name[:4] in {"tsne", "umap"}}
        assert changed == moved | {"explorer.html"}

    def test_only_the_projections_asked_for_are_drawn(self):
        files = draw(configure(projections=["pca"]), news())

        assert {name for name in files if "2d" in name} == {"pca_2d.png", "pca_2d.svg"}
        maps = explored(files)["maps"]
        assert [(each["key"], each["dims"]) for each in maps] == [
            ("pca", 2), ("pca", 3)
        ]  # fmt: skip
        assert "variance" in maps[0]["note"]

    def test_nothing_held_out_is_drawn_as_one_curve(self):
        history = dataclasses.replace(HISTORY, heldout_loss=np.empty(0))

        files = draw(configure(projections=[]), news(), history=history)

        assert len(spec(files["loss.html"])["figure"]["data"]) == 1
        assert {name.split(".")[0] for name in files} == {
            "loss", "heatmap", "frequency"
        }  # fmt: skip


class TestWords:
    def test_the_explorer_holds_the_most_frequent_and_those_of_categories(
        self, drawing
    ):
        files, _ = drawing
        vocab = news()

        assert grouped(files, "category") == {
            "no category": list(vocab.words[:20]),
            "countries": list(vocab.words[30:37]),
            "weekdays": list(vocab.words[37:]),
        }

    def test_its_notes_say_which_words_and_how(self, drawing):
        files, _ = drawing
        tokens = int(news().counts.sum())

        found = explored(files)

        assert b"<h1>34 words and their neighbors</h1>" in files["explorer.html"]
        assert found["notes"][0] == (
            f"The 20 most frequent of 44 words and 14 more of the categories, from "
            f"{tokens:,} tokens."
        )
        assert "perplexity 30, 250 steps, seed 42" in found["maps"][0]["note"]

    def test_null_draws_all_words(self):
        files = draw(configure(words=None, projections=["pca"]), news())

        assert explored(files)["words"] == list(news().words)
        assert explored(files)["notes"][0].startswith("The vocabulary of 44 words,")

    def test_words_of_a_category_are_found_as_the_vocabulary_writes_them(self):
        as_written = Normalization(lowercase=False, digits="keep")
        vocab = vocabulary(["Germany", "germany", "x"], normalization=as_written)

        files = draw(configure(projections=["pca"]), vocab)

        assert grouped(files, "category") == {
            "no category": ["germany", "x"],
            "countries": ["Germany"],
        }

    def test_rare_words_of_a_category_do_not_count_as_such(self):
        vocab = vocabulary(["a", "monday", "friday"], counts=[9, 5, 4])

        files = draw(configure(projections=["pca"]), vocab)

        assert grouped(files, "category") == {
            "no category": ["a", "friday"],
            "weekdays": ["monday"],
        }

    def test_neighbors_are_those_of_the_original_space(self, drawing):
        files, _ = drawing
        vocab = news()
        vectors = embed(vocab).center.astype(float)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        drawn_ids = [*range(20), *range(30, 44)]
        cosine = unit[drawn_ids] @ unit[3]
        cosine[3] = -np.inf

        found = explored(files)

        row = slice(3 * found["depth"], 4 * found["depth"])
        expected = np.argsort(-cosine)[: found["depth"]]
        np.testing.assert_array_equal(unpacked(found["neighbors"])[row], expected)
        np.testing.assert_allclose(
            unpacked(found["cosines"])[row], cosine[expected], atol=1e-6
        )

    def test_words_are_grouped_by_the_tags_of_the_corpus_where_it_has_any(self):
        vocab = vocabulary(["a", "b", "c"])
        tags = {"ner": [["B-LOC", "O", "I-PER"]], "pos": [["NNP", "VBD", "X"]]}
        config = configure(projections=["pca"], clusters=1)

        tagged, plain = draw(config, vocab, **tags), draw(config, vocab)

        assert grouped(tagged, "ner") == {
            "LOC": ["a"], "PER": ["c"], "no entity": ["b"]
        }  # fmt: skip
        assert grouped(tagged, "pos") == {
            "proper noun": ["a"], "verb": ["b"], "X": ["c"]
        }  # fmt: skip
        assert [each["key"] for each in explored(plain)["groupings"]] == ["cluster"]


class TestHeatmap:
    def cells(self, files):
        found = spec(files["heatmap.html"])["figure"]
        ticks = found["layout"]["yaxis"]["ticktext"]
        return [text.split()[0] for text in ticks], np.array(found["data"][0]["z"])

    def test_it_holds_the_cosines_of_the_words_asked_for(self):
        vocab = news()
        config = configure(projections=[], heatmap_words=["W1", "Monday", "w3", "w1"])

        names, found = self.cells(draw(config, vocab))

        assert sorted(names) == ["monday", "w1", "w3"]  # each once
        rows = embed(vocab).center[[vocab.ids[name] for name in names]].astype(float)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(found, rows @ rows.T, atol=1e-4)

    def test_by_default_it_holds_the_frequent_words_of_each_category(self):
        config = configure(projections=[], heatmap_per_category=3)

        names, _ = self.cells(draw(config, news()))

        words = news().words
        assert sorted(names) == sorted(words[30:33] + words[37:40])

    def test_without_any_word_of_a_category_it_holds_the_most_frequent(self):
        config = configure(projections=[], heatmap_per_category=1)
        vocab = vocabulary([f"w{i}" for i in range(30)])

        names, _ = self.cells(draw(config, vocab))

        assert sorted(names) == sorted(vocab.words[: len(CATEGORIES)])

    def test_words_that_the_vocabulary_lacks_are_named(self):
        missing = [f"none{i}" for i in range(7)]
        config = configure(projections=[], heatmap_words=["w1", *missing])

        files = draw(config, news())

        assert self.cells(files)[0] == ["w1"]
        assert notes(files["heatmap.html"])[1] == (
            "Not in the vocabulary: none0, none1, none2, none3, none4, 2 more."
        )


class TestFilm:
    def film(self, **values):
        vocab = news()
        config = configure(projections=[], heatmap_per_category=1)
        files = draw(config, vocab, **({"snapshots": snap(vocab)} | values))
        return files, vocab

    def test_it_holds_the_neighbors_of_each_epoch_by_brute_force(self):
        files, vocab = self.film()

        found = spec(files["film.html"])

        assert found["words"] == list(vocab.words[:12])
        assert found["epochs"] == [0, 1, 2]
        assert found["loss"] == [None, 3.5, 3.0]
        for frame, vectors in enumerate(snap(vocab).vectors.astype(float)):
            unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            cosine = unit @ unit.T
            np.fill_diagonal(cosine, -np.inf)
            order = np.argsort(-cosine, axis=1)[:, :10]
            assert found["near"][frame] == order.tolist()
            expected = 100 * np.take_along_axis(cosine, order, axis=1)
            np.testing.assert_allclose(found["cosines"][frame], expected, atol=0.51)

    def test_it_tells_how_many_neighbors_stay(self):
        files, _ = self.film()

        found = spec(files["film.html"])

        near = [[set(row) for row in frame] for frame in found["near"]]
        shares = [
            np.mean([len(a & b) / 10 for a, b in zip(*pair, strict=True)])
            for pair in itertools.pairwise(near)
        ]
        assert found["kept"] == [None, *(pytest.approx(s, abs=5e-4) for s in shares)]

    def test_words_that_keep_their_neighbors_stay_where_they_are(self):
        vocab = news()
        still = snap(vocab)
        still = Snapshots(still.epochs, np.repeat(still.vectors[:1], 3, axis=0))

        files, _ = self.film(snapshots=still)

        places = np.array(spec(files["film.html"])["places"])
        size = places.std()
        # All that is left is how far each map was from its end.
        assert np.abs(np.diff(places, axis=0)).max() < 0.2 * size

    @pytest.mark.parametrize("few", [{"frames": 1}, {"words": 4}], ids=str)
    def test_too_little_makes_no_film(self, few):
        files, _ = self.film(snapshots=snap(news(), **few))

        assert "film.html" not in files

    def test_it_is_left_out_where_it_is_not_asked_for(self):
        vocab = news()
        config = configure(projections=[], heatmap_per_category=1, film=False)

        assert "film.html" not in draw(config, vocab, snapshots=snap(vocab))


class TestDegenerate:
    @pytest.mark.parametrize("words", [1, 2, 3, 4])
    def test_few_words_have_no_maps_by_neighbors(self, words):
        config = configure(projections=["pca", "tsne", "umap"], **QUICK)
        report = Told()

        files = draw(config, vocabulary("abcd"[:words]), report=report)

        assert {name.split(".")[0] for name in files} == {
            "loss", "heatmap", "frequency", "pca_2d", "explorer"
        }  # fmt: skip
        assert report.total == len(report.done) == 6
        assert report.values == {}

    def test_an_empty_vocabulary_leaves_the_loss(self):
        files = draw(configure(), vocabulary([]))

        assert set(files) == {"loss.html", "loss.png", "loss.svg"}

    @pytest.mark.parametrize(
        "vectors",
        [np.zeros((13, 3)), np.ones((13, 3)), np.arange(13)[:, np.newaxis] - 6],
        ids=["zero", "equal", "one dimension"],
    )
    def test_degenerate_vectors_are_drawn(self, vectors):
        vocab = vocabulary(list("abcdefghijklm"))
        config = configure(projections=["pca", "tsne", "umap"], **QUICK)

        files = draw(config, vocab, embed(vocab, vectors=vectors))

        assert len(files) == 15
        for name, content in files.items():
            if name.endswith("html"):
                assert "NaN" not in json.dumps(spec(content))

    def test_hostile_words_are_drawn_as_text(self):
        words = [
            "</script><script>x",
            "<b>",
            "$x$",
            "a\nb",
            "\0",
            "\ud800",
            "y" * 10**6,
        ]

        files = draw(configure(projections=["pca"]), vocabulary(words))

        assert explored(files)["words"] == [
            "</script><script>x",
            "<b>",
            "$x$",
            "a\\u000ab",
            "\\u0000",
            "\\ud800",
            "y" * 39 + "…",
        ]
        for name, content in files.items():
            if name.endswith("html"):
                # The explorer has one more, for an evaluation's scores.
                expected = 4 if name == "explorer.html" else 3
                assert content.count(b"<script") == expected

    def test_vectors_of_other_words_are_refused(self):
        other = embed(vocabulary(["x", "y"]))

        with pytest.raises(ShapeError, match="expected vectors of the vocabulary's 1"):
            draw(configure(), vocabulary(["a"]), other)

    def test_vectors_that_are_not_finite_are_refused(self):
        vocab = vocabulary(["a", "b"])

        with pytest.raises(DataError, match="finite"):
            draw(configure(), vocab, embed(vocab, vectors=[[1, 2], [np.nan, 0]]))


def test_importing_the_stage_loads_no_heavy_library():
    heavy = {"matplotlib", "numba", "plotly", "scipy", "sklearn", "umap"}
    code = (
        "import sys, pipeline.stages.visualize;"
        f"print([name for name in {sorted(heavy)} if name in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )

    assert found.stdout.strip() == "[]"
