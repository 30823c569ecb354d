import numpy as np
import pytest
from gensim.models import KeyedVectors
from scipy.stats import spearmanr

from pipeline.core.analogy import Question, read_questions
from pipeline.core.analogy_scores import by_section, score_analogies
from pipeline.core.category_scores import score_categories
from pipeline.core.listings import list_answers, list_neighbors
from pipeline.core.similarity import unit_vectors
from pipeline.core.similarity_scores import score_similarity
from pipeline.core.types import Controls, Embeddings, Normalization
from pipeline.core.word_pairs import WordPair, read_pairs
from pipeline.errors import DataError

LOWER = Normalization(lowercase=True, digits="keep")
UNCONTROLLED = {"controls": Controls({}, 1), "seed": 1}


def embeddings_of(vectors, words=None):
    center = np.array(vectors, np.float32)
    words = tuple(words or (f"w{i}" for i in range(len(center))))
    return Embeddings(words, center, np.zeros_like(center), LOWER)


def gensim_of(embeddings):
    vectors = KeyedVectors(embeddings.center.shape[1])
    vectors.add_vectors(list(embeddings.words), embeddings.center)
    return vectors


def unit_of(embeddings):
    return unit_vectors(embeddings.center)


def row_of(found, metric):
    """Return a metric's row in the table of scores."""
    rows = {row["metric"]: row for row in found.tables["scores"].to_pylist()}
    return rows[metric]


class Progress:
    def __init__(self):
        self.calls = []

    def __call__(self, amount, shown):
        self.calls.append((amount, shown))


def related(rng, pairs):
    """Return vectors of `pairs` word pairs that share a noisy offset."""
    first = rng.normal(size=(pairs, 8))
    second = first + rng.normal(size=8) + rng.normal(size=(pairs, 8)) / 2
    return np.concatenate([first, second])


# Lists


def test_neighbors_are_listed_by_rank_with_their_counts():
    embeddings = embeddings_of([[1, 0], [0.8, 0.6], [0, 1]], ["a", "b", "c"])

    table = list_neighbors(
        embeddings, unit_of(embeddings), ["A"], counts=np.array([9, 5, 3]), top_k=2
    ).tables["neighbors"]

    cosine = pytest.approx(0.8, abs=1e-7)
    near = {"word": "a", "rank": 1, "neighbor": "b", "cosine": cosine, "count": 5}
    far = {"word": "a", "rank": 2, "neighbor": "c", "cosine": 0.0, "count": 3}
    assert table.to_pylist() == [near, far]


def test_neighbors_have_no_count_where_counts_are_not_known():
    embeddings = embeddings_of(np.eye(2), ["a", "b"])

    table = list_neighbors(
        embeddings, unit_of(embeddings), ["a"], counts=np.zeros(2, int), top_k=1
    ).tables["neighbors"]

    assert table.column("neighbor").to_pylist() == ["b"]
    assert table.column("count").to_pylist() == [None]


def test_words_that_the_vocabulary_lacks_are_listed_with_no_neighbor():
    embeddings = embeddings_of(np.eye(2), ["a", "b"])

    table = list_neighbors(
        embeddings,
        unit_of(embeddings),
        ["X", "b", "B", "y"],
        counts=np.array([1, 1]),
        top_k=5,
    ).tables["neighbors"]

    assert table.column("word").to_pylist() == ["x", "b", "y"]
    assert table.column("neighbor").to_pylist() == [None, "a", None]
    assert table.column("rank").to_pylist() == [None, 1, None]


def test_answers_are_listed_by_both_methods_and_missing_words_are_named(rng):
    embeddings = embeddings_of(rng.normal(size=(8, 3)))

    table = list_answers(
        embeddings,
        unit_of(embeddings),
        [("W0", "w1", "w2"), ("w0", "No", "nor")],
        top_k=2,
    ).tables["analogies"]

    *rows, last = table.to_pylist()
    assert [(row["method"], row["rank"]) for row in rows] == [
        ("add", 1),
        ("add", 2),
        ("mul", 1),
        ("mul", 2),
    ]
    best = gensim_of(embeddings).most_similar(["w1", "w2"], ["w0"], topn=1)
    assert rows[0]["answer"] == best[0][0]
    assert rows[0]["score"] == pytest.approx(best[0][1], abs=1e-6)
    assert (last["b"], last["answer"], last["missing"]) == ("No", None, "No nor")


# Similarity


def test_similarity_equals_spearman_of_gensims_cosines(rng):
    embeddings = embeddings_of(rng.normal(size=(30, 10)))
    pairs = [
        WordPair(line, f"W{a}", f"w{b}", float(score))
        for line, (a, b, score) in enumerate(rng.integers(0, 30, size=(40, 3)), 1)
    ]
    missing = [WordPair(41, "w0", "none", 99), WordPair(42, "none", "none", -99)]

    found = score_similarity(
        embeddings, unit_of(embeddings), "set", [*pairs, *missing], **UNCONTROLLED
    )

    theirs = gensim_of(embeddings)
    cosines = [theirs.similarity(p.first.lower(), p.second) for p in pairs]
    human = [pair.score for pair in pairs]
    # Pairs of a word with itself tie at 1 here, and in float32 only nearly.
    rounded = np.round(cosines, 5)
    assert found.scores["similarity/set"] == pytest.approx(
        spearmanr(rounded, human).statistic, abs=1e-12
    )
    assert found.scores["similarity/set_coverage"] == 40 / 42
    assert found.scores["similarity/set_zero"] == pytest.approx(
        spearmanr([*rounded, 0, 0], [*human, 99, -99]).statistic, abs=1e-12
    )
    rows = found.tables["similarity_pairs"].to_pylist()
    np.testing.assert_allclose([row["cosine"] for row in rows[:40]], cosines, atol=1e-6)
    assert [(row["found"], row["cosine"]) for row in rows[40:]] == [(False, None)] * 2


def test_both_policies_equal_gensims_word_pairs(rng, tmp_path):
    embeddings = embeddings_of(rng.normal(size=(30, 10)))
    path = tmp_path / "pairs.tsv"
    pairs = [rng.choice(30, 2, replace=False) for _ in range(50)]
    lines = [f"W{a}\tw{b}\t{i % 11}" for i, (a, b) in enumerate(pairs)]
    path.write_text("\n".join([*lines, "w0\tnone\t9", "none\tnowhere\t2"]))

    found = score_similarity(
        embeddings, unit_of(embeddings), "set", read_pairs(path), **UNCONTROLLED
    )

    for metric, zero in (("similarity/set", False), ("similarity/set_zero", True)):
        _, spearman, missing = gensim_of(embeddings).evaluate_word_pairs(
            str(path), dummy4unknown=zero
        )
        assert found.scores[metric] == pytest.approx(spearman.statistic, abs=1e-12)
        assert 1 - found.scores["similarity/set_coverage"] == pytest.approx(
            missing / 100
        )


def test_an_undefined_similarity_is_no_metric_and_its_table_says_why():
    embeddings = embeddings_of(np.eye(3))
    pairs = [WordPair(1, "w0", "w1", 5), WordPair(2, "w0", "x", 1)]

    found = score_similarity(
        embeddings, unit_of(embeddings), "one", pairs, **UNCONTROLLED
    )

    # Over all pairs, the missing one at cosine 0: both cosines are 0.
    assert found.scores == {"similarity/one_coverage": 0.5}
    (row,) = found.tables["similarity"].to_pylist()
    assert row == {
        "set": "one",
        "asked": 2,
        "found": 1,
        "coverage": 0.5,
        "spearman": None,
        "low": None,
        "high": None,
        "random": None,
        "spearman_zero": None,
        "note": "needs at least 2 covered pairs, found 1",
    }


def test_a_similarity_has_its_interval_and_its_control():
    # Cosines fall with the angle, and so do the human scores: ρ is 1.
    angles = np.linspace(0, 1.5, 12)
    embeddings = embeddings_of(np.column_stack([np.cos(angles), np.sin(angles)]))
    pairs = [WordPair(i, "w0", f"w{i}", 12 - i) for i in range(1, 12)]
    controls = Controls({"similarity/set": -0.25, "similarity/set_zero": 0.125}, 1)

    found = score_similarity(
        embeddings, unit_of(embeddings), "set", pairs, controls=controls, seed=1
    )

    assert found.scores["similarity/set"] == pytest.approx(1)
    assert found.scores["similarity/set_low"] == pytest.approx(1)
    assert found.scores["similarity/set_high"] == pytest.approx(1)
    assert found.scores["similarity/set_random"] == -0.25
    row = row_of(found, "similarity/set")
    assert (row["unit"], row["asked"], row["found"], row["coverage"]) == (
        *("pairs", 11, 11, 1.0),
    )
    assert row_of(found, "similarity/set_zero")["random"] == 0.125
    (total,) = found.tables["similarity"].to_pylist()
    assert total["random"] == -0.25


def test_an_interval_lies_around_a_similarity(rng):
    embeddings = embeddings_of(rng.normal(size=(12, 2)))
    pairs = [WordPair(i, "w0", f"w{i}", 12 - i) for i in range(1, 12)]

    found = score_similarity(
        embeddings, unit_of(embeddings), "set", pairs, **UNCONTROLLED
    )

    low, high = (found.scores[f"similarity/set_{end}"] for end in ("low", "high"))
    assert low < found.scores["similarity/set"] < high
    assert "similarity/set_random" not in found.scores


# Analogies


@pytest.mark.parametrize("restrict", [None, 26])
def test_analogies_equal_gensims_evaluation(rng, tmp_path, restrict, kernel_cache):
    embeddings = embeddings_of(related(rng, 20))
    lines = [
        f"W{a} w{a + 20} w{b} w{b + 20}" for a in range(20) for b in range(20) if a != b
    ]
    path = tmp_path / "questions.txt"
    path.write_text(
        "\n".join([": first", *lines[:150], "w0 w1 w2 nowhere", ": second", *lines])
    )
    progress = Progress()

    found = score_analogies(
        embeddings,
        unit_of(embeddings)[:restrict],
        "set",
        by_section("here", read_questions(path)),
        **UNCONTROLLED,
        cache=kernel_cache,
        advance=progress,
    )

    total, sections = gensim_of(embeddings).evaluate_word_analogies(
        str(path), restrict_vocab=restrict or 40
    )
    assert 0.1 < total < 0.9  # or equality would say little
    assert found.scores["analogy/set/total"] == pytest.approx(total)
    rows = found.tables["analogy_questions"].to_pylist()
    for section in sections[:2]:
        name = section["section"]
        right, wrong = len(section["correct"]), len(section["incorrect"])
        assert found.scores[f"analogy/set/{name}"] == right / (right + wrong)
        ours = [
            tuple(row[key].upper() for key in ("a", "b", "c", "expected"))
            for row in rows
            if row["section"] == name and row["correct_add"]
        ]
        assert ours == section["correct"]
    asked = len(sections[2]["correct"]) + len(sections[2]["incorrect"])
    assert found.scores["analogy/set/coverage"] == asked / 531
    assert progress.calls == [(151, "set: first"), (380, "set: second")]


# gensim calls its own deprecated method.
@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")
def test_3cosmul_analogies_equal_gensims_answers(rng, tmp_path, kernel_cache):
    embeddings = embeddings_of(related(rng, 12))
    path = tmp_path / "questions.txt"
    lines = [f"w{a} w{a + 12} w{b} w{b + 12}" for a in range(12) for b in range(a)]
    path.write_text("\n".join([": s", *lines]))

    found = score_analogies(
        embeddings,
        unit_of(embeddings),
        "set",
        by_section("here", read_questions(path)),
        **UNCONTROLLED,
        cache=kernel_cache,
        advance=Progress(),
    )

    # gensim's evaluate_word_analogies takes the method as an argument and then
    # always uses 3CosAdd, so its method is asked question by question.
    theirs = gensim_of(embeddings)
    right = [
        theirs.most_similar_cosmul([b, c], [a], topn=1)[0][0] == expected
        for a, b, c, expected in map(str.split, lines)
    ]
    assert 0.1 < np.mean(right) < 0.9
    assert found.scores["analogy_mul/set/total"] == np.mean(right)
    assert found.scores["analogy_mul/set/s"] == np.mean(right)
    rows = found.tables["analogy_questions"].to_pylist()
    assert [row["correct_mul"] for row in rows] == right


def test_an_analogy_total_has_its_interval_and_its_control(rng, kernel_cache):
    embeddings = embeddings_of(related(rng, 15))
    words = [(f"w{a}", f"w{a + 15}") for a in range(15)]
    questions = [Question("s", (*p, *q)) for p in words for q in words if p != q]
    total = "analogy/set/total"

    found = score_analogies(
        embeddings,
        unit_of(embeddings),
        "set",
        {"s": questions},
        controls=Controls({total: 0.25, "analogy_mul/set/s": 0.125}, 1),
        seed=1,
        cache=kernel_cache,
        advance=Progress(),
    )

    assert 0.1 < found.scores[total] < 0.9
    assert found.scores[f"{total}_low"] < found.scores[total]
    assert found.scores[f"{total}_high"] > found.scores[total]
    assert found.scores[f"{total}_random"] == 0.25
    assert row_of(found, "analogy_mul/set/s")["random"] == 0.125
    # Questions of one pair are drawn together: wider than if each were alone.
    alone = 1.96 * (found.scores[total] * (1 - found.scores[total]) / 210) ** 0.5
    assert found.scores[f"{total}_high"] - found.scores[f"{total}_low"] > 2 * alone
    assert row_of(found, "analogy/set/s")["low"] is not None
    assert row_of(found, "analogy_mul/set/total")["asked"] == 210


def test_analogies_that_the_vocabulary_lacks_have_coverage_zero_and_no_accuracy(
    kernel_cache,
):
    embeddings = embeddings_of(np.eye(3))
    sections = {"s": (Question("s", ("w0", "w1", "w2", "w3")),)}

    found = score_analogies(
        embeddings,
        unit_of(embeddings),
        "set",
        sections,
        **UNCONTROLLED,
        cache=kernel_cache,
        advance=Progress(),
    )

    assert found.scores == {"analogy/set/coverage": 0.0, "analogy/set/s_coverage": 0.0}
    (row,) = found.tables["analogy_questions"].to_pylist()
    assert not row["found"]
    assert row["answer_add"] is None
    assert row["correct_add"] is None


def test_a_question_with_no_word_left_to_answer_is_wrong(kernel_cache):
    embeddings = embeddings_of(np.eye(2))
    sections = {"s": (Question("s", ("w0", "w1", "w0", "w1")),)}

    found = score_analogies(
        embeddings,
        unit_of(embeddings),
        "set",
        sections,
        **UNCONTROLLED,
        cache=kernel_cache,
        advance=Progress(),
    )

    assert found.scores["analogy/set/total"] == 0
    (row,) = found.tables["analogy_questions"].to_pylist()
    assert (row["answer_mul"], row["correct_mul"]) == (None, False)


def test_a_section_may_be_interrupted():
    words = ("a", "b", "c", "d")
    questions = [Question("x", words), Question("y", words), Question("x", words)]

    assert {k: len(v) for k, v in by_section("here", questions).items()} == {
        "x": 2,
        "y": 1,
    }


@pytest.mark.parametrize(
    "names",
    [["Total"], ["coverage"], ["total low"], ["x coverage"], ["..."], ["a b", "a_b"]],
)
def test_sections_that_would_share_a_metric_are_refused(names):
    questions = [Question(name, ("a", "b", "c", "d")) for name in names]

    with pytest.raises(DataError, match=r"q\.txt: section .* Rename the section"):
        by_section("q.txt", questions)


# Categories


def test_categories_that_lie_apart_score_one():
    axes = np.repeat(np.eye(3), 4, axis=0) + np.arange(12)[:, np.newaxis] / 100
    embeddings = embeddings_of(axes)
    groups = {name: [f"W{4 * i + j}" for j in range(4)] for i, name in enumerate("abc")}
    of = ("adjusted_rand", "precision_at_10", "purity", "a/precision_at_10")
    controls = Controls({f"category/{measure}": 0.5 for measure in of}, 1)

    found = score_categories(
        embeddings, unit_of(embeddings), groups, controls=controls, seed=1
    )

    assert row_of(found, "category/a/precision_at_10")["random"] == 0.5
    sides = {
        name: found.scores.pop(name)
        for name in sorted(found.scores)
        if name.endswith(("_low", "_high", "_random"))
    }
    assert sorted(sides) == sorted(
        f"category/{measure}_{end}"
        for measure in of[:3]
        for end in ("low", "high", "random")
    )
    assert all(v == 1 for k, v in sides.items() if not k.endswith("random"))
    assert all(v == 0.5 for k, v in sides.items() if k.endswith("random"))
    assert found.scores == {
        "category/purity": 1.0,
        "category/adjusted_rand": 1.0,
        "category/a/precision_at_10": 1.0,
        "category/b/precision_at_10": 1.0,
        "category/c/precision_at_10": 1.0,
        "category/precision_at_10": 1.0,
        "category/a/coverage": 1.0,
        "category/b/coverage": 1.0,
        "category/c/coverage": 1.0,
        "category/coverage": 1.0,
    }


def test_category_rows_show_neighbors_and_clusters_of_the_words_found():
    vectors = [[1, 0], [1, 0.1], [1, 0.3], [0, 1], [0.1, 1]]
    embeddings = embeddings_of(vectors, ["a", "x", "b", "c", "d"])
    groups = {"first": ["None", "B", "a", "A"], "second": ["c", "d", "none"]}

    found = score_categories(embeddings, unit_of(embeddings), groups, **UNCONTROLLED)

    columns = ("category", "word", "found", "precision_at_10", "neighbors", "cluster")
    rows = found.tables["category_words"].to_pylist()
    assert [tuple(row[c] for c in columns) for row in rows] == [
        ("first", "none", False, None, None, None),
        ("first", "b", True, 0.0, "x", 0),
        ("first", "a", True, 0.0, "x", 0),
        ("second", "c", True, 1.0, "d", 1),
        ("second", "d", True, 1.0, "c", 1),
        ("second", "none", False, None, None, None),
    ]
    assert found.tables["categories"].to_pylist()[0] == {
        "set": "builtin",
        "category": "first",
        "asked": 3,
        "found": 2,
        "coverage": 2 / 3,
        "precision_at_10": 0.0,
    }
    assert found.scores["category/precision_at_10"] == 0.5
    assert found.scores["category/coverage"] == 4 / 6


def test_a_word_of_two_categories_is_left_out_of_clusters_only():
    vectors = [[1, 0], [1, 0.1], [1, 1], [0, 1], [0.1, 1]]
    embeddings = embeddings_of(vectors, "abcde")
    groups = {"first": "abc", "second": "cde"}

    found = score_categories(embeddings, unit_of(embeddings), groups, **UNCONTROLLED)

    rows = found.tables["category_words"].to_pylist()
    assert [row["cluster"] for row in rows] == [0, 0, None, None, 1, 1]
    assert all(row["precision_at_10"] is not None for row in rows)
    assert found.scores["category/purity"] == 1


@pytest.mark.parametrize("groups", [{"a": ["w0", "w1"]}, {"a": ["w0"], "b": ["x"]}])
def test_purity_of_fewer_than_two_categories_is_not_defined(groups):
    embeddings = embeddings_of(np.eye(3))

    found = score_categories(embeddings, unit_of(embeddings), groups, **UNCONTROLLED)

    assert "category/purity" not in found.scores


def test_categories_that_the_vocabulary_lacks_have_only_coverage():
    embeddings = embeddings_of([[1.0]])

    found = score_categories(
        embeddings, unit_of(embeddings), {"a": ["x"]}, **UNCONTROLLED
    )

    assert found.scores == {"category/coverage": 0.0, "category/a/coverage": 0.0}


def test_a_named_set_has_metrics_of_its_own_and_no_more(rng):
    embeddings = embeddings_of(rng.normal(size=(12, 3)))
    groups = {"a": ["w0", "w1", "w2"], "b": ["w3", "w4"], "c": ["w5", "nowhere"]}
    unit = unit_of(embeddings)

    named = score_categories(embeddings, unit, groups, **UNCONTROLLED, name="mine")

    builtin = score_categories(embeddings, unit, groups, **UNCONTROLLED)
    plain = {k: v for k, v in builtin.scores.items() if k.count("/") == 1}
    measures = {k.removeprefix("category/mine/") for k in named.scores}
    assert measures == {k.removeprefix("category/") for k in plain}
    for measure in ("purity", "adjusted_rand", "precision_at_10", "coverage"):
        assert named.scores[f"category/mine/{measure}"] == plain[f"category/{measure}"]
    assert set(named.tables["category_words"].column("set").to_pylist()) == {"mine"}
    assert row_of(named, "category/mine/purity")["found"] == 6


def test_measures_of_clusters_have_intervals_around_them(rng):
    embeddings = embeddings_of(rng.normal(size=(60, 4)) + np.eye(4).repeat(15, axis=0))
    groups = {f"g{i}": [f"w{15 * i + j}" for j in range(15)] for i in range(4)}

    found = score_categories(embeddings, unit_of(embeddings), groups, **UNCONTROLLED)

    for measure in ("purity", "adjusted_rand", "precision_at_10"):
        low, value, high = (
            found.scores[f"category/{measure}{end}"] for end in ("_low", "", "_high")
        )
        assert low <= value <= high
        assert low < high
