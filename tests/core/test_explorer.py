"""The explorer's page: what it holds, that nothing breaks out, and how exact it is."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from explorers import DEPTH, HOSTILE, NAMED, some_explorer, some_words
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.analogy import solve
from pipeline.core.figures.explorer.groupings import groupings
from pipeline.core.figures.explorer.page import SCRIPTS, Measure, packed
from pipeline.core.figures.explorer.quantize import quantize
from pipeline.core.figures.explorer.scores import NO_SCORES, with_scores
from pipeline.core.similarity import nearest, unit_vectors
from pipeline.core.types import Corpus, EncodedCorpus, EncodedSplit


@pytest.fixture(scope="module")
def page() -> bytes:
    return some_explorer()


class Scripts(HTMLParser):
    """The scripts of a page, its policy, and what its elements could load."""

    def __init__(self, content: bytes):
        super().__init__()
        self.found: list[tuple[dict, str]] = []
        self.policy, self.loads, self.text = "", [], ""
        self._in = ""
        self.feed(content.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self._in = tag
        attributes = dict(attrs)
        if tag == "script":
            self.found.append((attributes, ""))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        self.loads += [v for k, v in attrs if k in {"src", "href", "srcset"}]
        assert not any(name.startswith("on") for name in attributes)

    def handle_data(self, data):
        if self._in == "script":
            attributes, text = self.found[-1]
            self.found[-1] = attributes, text + data
        if self._in == "h1":
            self.text += data

    def handle_endtag(self, tag):
        self._in = ""


def spec(content: bytes) -> dict:
    (text,) = re.findall(
        rb'<script type="application/json" id="spec">(.*?)</script>', content
    )
    return json.loads(text)


def unpacked(array: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["base64"]), array["dtype"])


class TestPage:
    def test_it_runs_its_own_scripts_and_no_other(self, page):
        found = Scripts(page)

        kinds = [attributes.get("type") for attributes, _ in found.found]
        assert kinds == ["application/json", None, "application/json", None]
        for attributes, text in found.found:
            if attributes.get("type") is None:
                digest = base64.b64encode(hashlib.sha256(text.encode()).digest())
                assert f"'sha256-{digest.decode()}'" in found.policy
        (sources,) = re.findall(r"script-src ([^;]*)", found.policy)
        assert "'unsafe-inline'" not in sources

    def test_it_may_ask_for_nothing(self, page):
        found = Scripts(page)

        assert "default-src 'none'" in found.policy
        assert "connect-src 'none'" in found.policy
        assert found.loads == ["#find"]

    def test_title_and_words_are_text(self, page):
        assert Scripts(page).text == "Some <words>"
        assert b"document.title='broken'</script>" not in page
        assert b"<img" not in page

    def test_words_are_written_as_visible_lines_of_forty_characters(self, page):
        words = spec(page)["words"]

        assert words[: len(NAMED)] == list(NAMED)
        assert all(word.isprintable() or "\u200d" in word for word in words)
        assert words[len(NAMED) + HOSTILE.index("\u202eturned")] == "\\u202eturned"
        assert words[len(NAMED) + HOSTILE.index("\ud800lone")] == "\\ud800lone"
        assert words[len(NAMED) + HOSTILE.index("x" * 1_000_000)] == "x" * 39 + "…"

    def test_the_data_is_ascii_and_closes_no_element(self, page):
        (text,) = re.findall(rb'id="spec">(.*?)</script>', page)

        assert text.isascii()
        assert b"<" not in text

    def test_no_script_reads_text_as_markup_or_code(self, page):
        program = Scripts(page).found[-1][1]

        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                    "eval(", "Function(", "fetch(", "XMLHttpRequest", "WebSocket",
                    "sendBeacon", "import("):  # fmt: skip
            assert way not in program

    def test_neighbors_and_cosines_are_exact(self, page):
        _, unit = some_words()
        ids, cosines = nearest(unit, np.arange(len(unit), dtype=np.int32), DEPTH)

        found = spec(page)

        assert found["depth"] == DEPTH
        np.testing.assert_array_equal(unpacked(found["neighbors"]), ids.ravel())
        # float32's rounding.
        np.testing.assert_allclose(
            unpacked(found["cosines"]), cosines.ravel(), rtol=1e-7
        )

    def test_equal_arguments_give_equal_bytes(self, page):
        assert some_explorer() == page

    def test_a_number_that_a_word_lacks_is_no_error(self):
        values = np.where(np.arange(240) % 2, np.nan, 1.5)

        found = spec(some_explorer(measures=(Measure("m", "M", "m", values),)))

        np.testing.assert_array_equal(unpacked(found["measures"][1]["values"]), values)

    def test_five_thousand_words_of_two_hundred_dimensions_fit_in_12_mb(self):
        assert len(some_explorer(5000, 200)) < 12_000_000

    def test_every_file_of_the_program_runs(self):
        from pipeline.core.figures.explorer import page as module

        folder = module.Path(module.__file__).parent
        assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_packed_numbers_are_little_endian_and_come_back(values):
    array = packed(np.array(values, np.int64), np.int32)

    assert array["dtype"] == "int32"
    content = base64.b64decode(array["base64"])
    assert np.frombuffer(content, "<i4").tolist() == values


class TestQuantize:
    @pytest.mark.parametrize("dim", [1, 2, 50, 200])
    def test_no_cosine_moves_by_more_than_the_bound(self, rng, dim):
        unit = unit_vectors(rng.standard_t(3, size=(300, dim)).astype(np.float32))

        found = quantize(unit)

        moved = np.abs(found.restored() @ found.restored().T - unit @ unit.T).max()
        assert moved <= found.bound
        # Of use: components with tails as heavy as these waste many of the 127 steps.
        assert found.bound <= 0.1

    def test_neighbors_stay_those_of_float32(self, rng):
        centers = rng.normal(size=(40, 100))
        vectors = centers[np.arange(1000) % 40] + 0.8 * rng.normal(size=(1000, 100))
        unit = unit_vectors(vectors.astype(np.float32))
        rows = np.arange(1000, dtype=np.int32)

        restored = unit_vectors(quantize(unit).restored().astype(np.float32))
        exact, _ = nearest(unit, rows, 10)
        rounded, _ = nearest(restored, rows, 10)

        shared = [
            len(set(a) & set(b)) / 10
            for a, b in zip(exact.tolist(), rounded.tolist(), strict=True)
        ]
        assert np.mean(shared) >= 0.97

    def test_analogies_stay_those_of_float32(self):
        words, unit = some_words()
        query = np.array([[words.index(w) for w in ("france", "paris", "germany")]])

        restored = unit_vectors(quantize(unit).restored().astype(np.float32))
        for vectors in (unit, restored):
            ids, _ = solve(vectors, query.astype(np.int32), method="add", top_k=1)
            assert words[ids[0, 0]] == "berlin"

    def test_zero_rows_and_no_rows_stay(self):
        found = quantize(np.zeros((2, 3)))

        assert not found.restored().any()
        assert found.bound == 0
        assert quantize(np.zeros((0, 3))).bound == 0


class TestGroupings:
    def find(self, tags, words=40, clusters=4):
        unit = unit_vectors(np.random.default_rng(2).normal(size=(words, 6)))
        ids = np.arange(words, dtype=np.int32)
        split = EncodedSplit(ids, np.array([0, words]))
        table = pa.table({"tokens": [["x"] * words], **tags})
        return groupings(
            Corpus({"train": table}),
            EncodedCorpus({"train": split}, ("train",)),
            [f"w{i}" for i in range(words)],
            ids,
            unit=unit,
            categories=("a", "b"),
            category=np.full(words, -1, np.int32),
            clusters=clusters,
            seed=1,
        )

    def test_of_many_tags_the_commonest_are_told_apart(self):
        tags = [f"T{i % 20:02}" if i < 30 else "T00" for i in range(40)]

        pos, cluster = self.find({"pos": [tags]})

        assert len(pos.labels) == 10
        assert pos.labels[0] == "T00"
        assert pos.of[0] == 0
        assert (pos.of == -1).any()
        assert cluster.key == "cluster"

    def test_clusters_are_named_by_their_own_words(self):
        (cluster,) = self.find({}, clusters=5)

        assert len(cluster.labels) == 5
        for k, label in enumerate(cluster.labels):
            members = {f"w{i}" for i in np.flatnonzero(cluster.of == k)}
            assert set(label.split(", ")) <= members

    def test_a_corpus_where_nothing_is_an_entity_offers_none(self):
        assert [g.key for g in self.find({"ner": [["O"] * 40]})] == ["cluster"]


class TestScores:
    def find(self, words, **rows):
        page = with_scores(
            NO_SCORES.encode(), {"analogy_questions": pa.table(rows)}, words
        )
        (found,) = re.findall(rb'id="scores">(.*?)</script>', page)
        return [dict(each["scores"]) for each in json.loads(found)["measures"]]

    def test_a_score_is_that_of_the_word_as_the_vocabulary_has_it(self):
        rows = {
            "expected": ["IN", "in", "Berlin", "Polish", "Berlin", None],
            "correct_add": [True, False, True, True, False, True],
        }

        assert self.find(["in", "IN", "berlin", "none"], **rows) == [
            {"IN": 1, "in": 0, "berlin": 0.5}
        ]

    def test_words_that_are_not_known_have_none(self):
        assert self.find(["a"], expected=["b"], correct_add=[True]) == []
