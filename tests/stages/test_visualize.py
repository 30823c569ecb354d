"""The stage that draws: which words, which files, and the same ones every time."""

import dataclasses
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.core.figures.style import mark
from pipeline.core.types import (
    Embeddings,
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


def draw(
    config,
    vocab,
    embeddings=None,
    *,
    history=HISTORY,
    report=None,
    snapshots=NO_SNAPSHOTS,
):
    figures = visualize(
        config,
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


def drawn(content: bytes) -> dict[str, list[str]]:
    """Return the words of a map by the name of their trace."""
    return {
        trace["name"]: [re.search("<b>(.*?)</b>", h)[1] for h in trace["hovertext"]]
        for trace in spec(content)["figure"]["data"]
    }


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
        assert configure().projections == ("tsne", "umap")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"words": 0},
            {"projections": ["lda"]},
            {"projections": ["tsne", "tsne"]},
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
            "frequency.png",
            "frequency.svg",
            "heatmap.html",
            "heatmap.png",
            "heatmap.svg",
            "loss.html",
            "loss.png",
            "loss.svg",
            "tsne_2d.html",
            "tsne_2d.png",
            "tsne_2d.svg",
            "tsne_3d.html",
            "umap_2d.html",
            "umap_2d.png",
            "umap_2d.svg",
            "umap_3d.html",
        ]

    def test_progress_counts_the_pictures_that_are_drawn(self, drawing):
        _, report = drawing

        assert report.total == 7
        assert report.done == [
            "loss", "heatmap", "frequency", "tsne_2d", "tsne_3d", "umap_2d", "umap_3d"
        ]  # fmt: skip

    def test_the_share_of_neighbors_kept_is_told_and_reported(self, drawing):
        files, report = drawing

        assert len(report.values) == 4
        for name, kept in report.values.items():
            file = name.removeprefix("map/").removesuffix("_neighbors_kept")
            assert 0 < kept < 1
            assert (
                f"nearest words, {kept:.0%} are among"
                in notes(files[f"{file}.html"])[-1]
            )

    def test_the_same_input_gives_the_same_bytes(self, drawing):
        files, _ = drawing

        assert draw(configure(**QUICK, words=20), news()) == files

    def test_the_seed_changes_maps_and_nothing_else(self, drawing):
        files, _ = drawing

        other = draw(configure(**QUICK, words=20, seed=43), news())

        changed = {name for name in files if files[name] != other[name]}
        assert changed == {name for name in files if name[:4] in {"tsne", "umap"}}

    def test_only_the_projections_asked_for_are_drawn(self):
        files = draw(configure(projections=["pca"]), news())

        assert {name for name in files if "2d" in name or "3d" in name} == {
            "pca_2d.html", "pca_2d.png", "pca_2d.svg", "pca_3d.html"
        }  # fmt: skip
        assert "variance" in notes(files["pca_2d.html"])[1]

    def test_nothing_held_out_is_drawn_as_one_curve(self):
        history = dataclasses.replace(HISTORY, heldout_loss=np.empty(0))

        files = draw(configure(projections=[]), news(), history=history)

        assert len(spec(files["loss.html"])["figure"]["data"]) == 1
        assert {name.split(".")[0] for name in files} == {
            "loss", "heatmap", "frequency"
        }  # fmt: skip


class TestWords:
    def test_a_map_holds_the_most_frequent_and_those_of_categories(self, drawing):
        files, _ = drawing
        vocab = news()

        for name in ("tsne_2d", "tsne_3d", "umap_2d", "umap_3d"):
            assert drawn(files[f"{name}.html"]) == {
                "other words (20)": list(vocab.words[:20]),
                "countries (7)": list(vocab.words[30:37]),
                "weekdays (7)": list(vocab.words[37:]),
            }

    def test_the_heading_says_which_words_and_how(self, drawing):
        files, _ = drawing
        tokens = int(news().counts.sum())

        chosen, method, _ = notes(files["tsne_3d.html"])

        assert b"<h1>34 words by t-SNE in 3D</h1>" in files["tsne_3d.html"]
        assert chosen == (
            f"The 20 most frequent of 44 words and 14 more of the categories, from "
            f"{tokens:,} tokens."
        )
        assert "perplexity 30, 250 steps, seed 42" in method

    def test_null_draws_all_words(self):
        files = draw(configure(words=None, projections=["pca"]), news())

        assert sum(map(len, drawn(files["pca_2d.html"]).values())) == 44
        assert notes(files["pca_2d.html"])[0].startswith("The vocabulary of 44 words,")

    def test_words_of_a_category_are_found_as_the_vocabulary_writes_them(self):
        as_written = Normalization(lowercase=False, digits="keep")
        vocab = vocabulary(["Germany", "germany", "x"], normalization=as_written)

        found = drawn(draw(configure(projections=["pca"]), vocab)["pca_2d.html"])

        assert found == {
            "other words (2)": ["germany", "x"],
            "countries (1)": ["Germany"],
        }

    def test_images_name_the_words_of_the_categories_asked_for(self):
        config = configure(projections=["pca"], label_categories=["weekdays"])

        svg = draw(config, news())["pca_2d.svg"].decode()

        days = [word for word in news().words[37:] if f"<!-- {word} -->" in svg]
        assert days
        assert "<!-- germany -->" not in svg

    def test_rare_words_of_a_category_do_not_count_as_such(self):
        vocab = vocabulary(["a", "monday", "friday"], counts=[9, 5, 4])

        found = drawn(draw(configure(projections=["pca"]), vocab)["pca_2d.html"])

        assert found == {"other words (2)": ["a", "friday"], "weekdays (1)": ["monday"]}

    def test_a_category_has_its_color_on_every_map(self, drawing):
        files, _ = drawing
        expected = [
            mark(list(CATEGORIES).index(c)).color for c in ("countries", "weekdays")
        ]

        for name in ("tsne_2d", "tsne_3d", "umap_2d", "umap_3d"):
            traces = spec(files[f"{name}.html"])["figure"]["data"]
            assert [trace["marker"]["color"] for trace in traces[1:]] == expected

    def test_hover_names_the_nearest_words_of_the_original_space(self, drawing):
        files, _ = drawing
        vocab = news()
        vectors = embed(vocab).center.astype(float)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        drawn_ids = [*range(20), *range(30, 44)]
        cosine = unit[drawn_ids] @ unit[3]
        cosine[3] = -np.inf
        near = [vocab.words[drawn_ids[i]] for i in np.argsort(-cosine)[:5]]

        hover = spec(files["umap_2d.html"])["figure"]["data"][0]["hovertext"][3]

        lines = hover.split("<br>")
        assert lines[0] == "<b>w3</b>"
        assert [line.split()[1] for line in lines[4:]] == near
        assert [float(line.split()[0]) for line in lines[4:]] == pytest.approx(
            np.sort(cosine)[::-1][:5], abs=0.005
        )


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
            "loss", "heatmap", "frequency", "pca_2d", "pca_3d"
        }  # fmt: skip
        assert report.total == len(report.done) == 5
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

        assert len(files) == 20
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

        assert drawn(files["pca_2d.html"]) == {
            "other words (7)": [
                "&lt;/script&gt;&lt;script&gt;x",
                "&lt;b&gt;",
                "$x$",
                "a\\u000ab",
                "\\u0000",
                "\\ud800",
                "y" * 39 + "…",
            ]
        }
        for name, content in files.items():
            if name.endswith("html"):
                assert content.count(b"<script") == 3

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
