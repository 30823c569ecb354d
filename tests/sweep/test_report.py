"""A sweep's report: what it says, that nothing breaks out, and how it looks."""

import itertools
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from browsers import asked_schemes, severe
from sweeps import sweep_of

from pipeline.core.types import Embeddings, Normalization
from pipeline.core.vectors import save_vectors
from pipeline.core.word_pairs import WordPair
from pipeline.errors import StorageError
from pipeline.sweep import report
from pipeline.sweep.findings import find
from pipeline.sweep.ledger import Ledger
from pipeline.sweep.report import write_report
from pipeline.sweep.results import SweepResults, TrialResult
from pipeline.sweep.sweeper import write_report_files
from pipeline.sweep.tables import run_link

HOSTILE = "</script><script>alert(1)</script><b>x</b> | `y` &amp; \ud800 \u202e\n$z$"


def trial(number, cell, seed, score=None, **more):
    finished = TrialResult(
        number=number,
        cell=cell,
        seed=seed,
        status="finished",
        error="",
        metrics={} if score is None else {"probe_f1": score, "train/loss": 3 - score},
        history={"train/loss": (3.0, 2.5, 2.25), "train/heldout_loss": (3.5, 3.0, 2.9)},
        seconds=10.0 + number % 7,
        run_id=f"run{number}",
        run_address=f"http://127.0.0.1:5000/#/experiments/1/runs/{number}",
        vectors=None,
        vocab_digest="d",
    )
    return replace(finished, **more)


def sweep(trials, **more):
    address = "http://127.0.0.1:5000/#/compare-runs?runs=1"
    results = SweepResults("dims", "probe_f1", True, tuple(trials), address)
    return replace(results, **more)


def grid(noise=0.004, seeds=3):
    """27 cells; dim matters much, window some, negatives not."""
    rng = np.random.default_rng(5)
    cells = itertools.product((50, 100, 200), (2, 5, 10), (5, 10, 15))
    trials = [
        trial(
            number,
            {"train.dim": dim, "train.window": window, "train.negatives": negatives},
            seed,
            0.5 + dim / 2000 + window / 400 + noise * float(rng.normal()),
        )
        for number, ((dim, window, negatives), seed) in enumerate(
            itertools.product(cells, range(seeds))
        )
    ]
    broken = {"metrics": {}, "history": {}}
    trials[4] = replace(trials[4], status="failed", error="DataError: a\nb", **broken)
    trials[7] = replace(trials[7], status="pruned", error="loss 3.4 > 3.1", **broken)
    return sweep(trials)


def hostile():
    names = ["a", HOSTILE, "", "x" * 5000]
    trials = [
        trial(3 * i + s, {HOSTILE: name, "train.on": s < 9}, s, 0.5 + i / 9 + s / 90)
        for i, name in enumerate(names)
        for s in range(3)
    ]
    more = {"metrics": {**trials[0].metrics, HOSTILE: 1.0}, "error": HOSTILE}
    trials += [
        replace(trials[0], number=90, status="failed", **more, run_address=HOSTILE),
        replace(trials[1], number=91, cell={}, run_address="javascript:alert(1)"),
        replace(trials[2], number=92, cell={"on": True}, **more),
    ]
    return sweep(trials, name=HOSTILE, ui_address="javascript:alert(1)")


def of_cells(*cells, seeds=3, **more):
    rng = np.random.default_rng(8)
    pairs = enumerate(itertools.product(cells, range(seeds)))
    return sweep(
        trial(number, cell, seed, 0.5 + 0.01 * float(rng.normal()), **more)
        for number, (cell, seed) in pairs
    )


SWEEPS = {
    "grid": grid,
    "hostile": hostile,
    "one cell": lambda: of_cells({}),
    "one trial": lambda: of_cells({"train.dim": 50}, seeds=1),
    "no trial": lambda: sweep([]),
    "all failed": lambda: sweep(
        [trial(i, {"d": i}, 1, status="failed", error="boom") for i in range(3)]
    ),
    "no history": lambda: of_cells({"d": 1}, {"d": 2}, history={}),
    "one hyperparameter": lambda: of_cells(*({"d": i} for i in range(4))),
    "words": lambda: of_cells({"m": "cbow", "k": None}, {"m": "skip", "k": 5}),
    "ties": lambda: sweep(
        trial(3 * i + s, {"name": n}, s, (0.61, 0.63, 0.6)[s])
        for i, n in enumerate("ab")
        for s in range(3)
    ),
    "many": lambda: of_cells(
        *({"d": i, "lr": i * 0.37 % 1, "w": i % 9} for i in range(200)), seeds=1
    ),
    "no objective": lambda: of_cells({"d": 1}, {"d": 2}, metrics={"other": 1.0}),
    "infinite": lambda: of_cells(
        {"d": 1}, {"d": 2}, metrics={"probe_f1": float("inf")}, seconds=float("nan")
    ),
}
every_sweep = pytest.mark.parametrize("make", SWEEPS.values(), ids=SWEEPS)


class Elements(HTMLParser):
    """Start tags with their attributes, and the text in each element's start."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data

    def all(self, tag):
        return [
            (attributes, text)
            for (name, attributes), text in zip(self.tags, self.texts, strict=True)
            if name == tag
        ]


def page(results):
    return report.page(find(results))


def spec(content):
    (text,) = [t for a, t in Elements(content).all("script") if a.get("id") == "spec"]
    return json.loads(text)


class TestFiles:
    @every_sweep
    def test_equal_results_give_equal_bytes(self, make, tmp_path):
        first = write_report(make(), tmp_path / "a")
        second = write_report(make(), tmp_path / "b")

        assert [path.name for path in first] == ["report.html", "report.md"]
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes()
        assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
            "report.html", "report.md"
        ]  # fmt: skip

    def test_the_order_of_trials_does_not_matter(self):
        results = grid()
        turned = replace(results, trials=results.trials[::-1])

        assert page(turned) == page(results)

    def test_a_report_that_cannot_be_written_leaves_the_old_one(self, tmp_path):
        (tmp_path / "file").write_text("x")

        with pytest.raises(StorageError, match="file"):
            write_report(grid(), tmp_path / "file")

        assert (tmp_path / "file").read_text() == "x"


class TestPage:
    @every_sweep
    def test_it_needs_no_network(self, make):
        elements = Elements(page(make()))

        for tag, attributes in elements.tags:
            assert tag not in {"link", "iframe", "img", "base", "object"}
            assert not {"src", "action"} & set(attributes)
            assert not [name for name in attributes if name[:2] == "on"]
        (policy,) = [a["content"] for a, _ in elements.all("meta") if "http-equiv" in a]
        assert "default-src 'none'" in policy
        assert "http" not in policy

    def test_nothing_hostile_breaks_out(self):
        elements = Elements(page(hostile()))

        assert len(elements.all("script")) == 3  # the library, the spec, the drawing
        assert len(elements.all("html")) == len(elements.all("body")) == 1
        assert not elements.all("b")
        for attributes, _ in elements.all("a"):
            assert attributes["href"].startswith("http://127.0.0.1:5000/")

    def test_each_metric_has_its_own_verdict_and_one_is_shown(self):
        elements = Elements(page(grid()))

        options = [a["value"] for a, _ in elements.all("option") if "value" in a]
        parts = [a for a, _ in elements.all("div") if "data-metric" in a]
        assert options == ["probe_f1", "train/loss"]
        assert {a["data-metric"] for a in parts if "hidden" not in a} == {"probe_f1"}
        assert {a["data-metric"] for a in parts} == set(options)

    def test_charts_hold_the_numbers_of_the_sweep(self):
        results = grid()
        drawn = spec(page(results))["metrics"]["probe_f1"]

        scores = [t.metrics.get("probe_f1", np.nan) for t in results.trials]
        scores = np.reshape(scores, (27, 3))
        # Six digits are kept.
        np.testing.assert_allclose(np.array(drawn["scores"], float), scores, rtol=1e-5)
        means = np.nanmean(scores, axis=1)
        np.testing.assert_allclose(drawn["means"], means, rtol=1e-5)
        top = drawn["heat"][0][2][2]  # dim 200, window 10
        assert top == pytest.approx(np.mean(drawn["means"][24:27]), rel=1e-5)
        dim = drawn["effects"]["train.dim"]
        assert dim["labels"] == ["50", "100", "200"]
        # 0.5 + 0.1 + the mean of window / 400, give or take the noise.
        assert dim["mean"][2] == pytest.approx(0.5 + 0.1 + 17 / 1200, abs=0.004)
        curves = spec(page(results))["losses"]
        assert [kind["name"] for kind in curves] == ["held-out loss", "training loss"]
        assert len(curves[0]["curves"]) == 79

    def test_the_pareto_front_is_of_seconds_and_scores(self):
        trials = [
            trial(i, {"d": i}, 0, score, seconds=seconds)
            for i, (score, seconds) in enumerate(
                [(0.5, 10.0), (0.6, 20.0), (0.55, 30.0), (0.7, 40.0), (0.4, 10.0)]
            )
        ]

        drawn = spec(page(sweep(trials)))["metrics"]

        assert drawn["probe_f1"]["front"] == [0, 1, 3]
        # 3 - score, and less is better.
        assert drawn["train/loss"]["front"] == [0, 1, 3]


class TestVerdict:
    def markdown(self, results, tmp_path, **more):
        _, path = write_report(results, tmp_path, **more)
        return path.read_text()

    def test_a_clear_best_is_the_winner(self, tmp_path):
        results = grid(noise=1e-5)
        trials = [t for t in results.trials if t.cell["train.negatives"] == 5]
        text = self.markdown(replace(results, trials=tuple(trials)), tmp_path)

        assert "**The winner is dim=200 window=10.**" in text
        assert re.search(r"\| 1 \| 200 \| 10 \|.*\| winner \|", text)

    def test_what_is_inside_the_noise_has_no_winner(self, tmp_path):
        text = self.markdown(grid(), tmp_path)

        # negatives do nothing, so the three best cells are one.
        assert re.search(r"\*\*No winner: \d of 27 cells cannot be told", text)
        assert text.count("| maybe |") >= 3
        assert "More seeds would tell" in text

    def test_equal_configurations_tie(self, tmp_path):
        text = self.markdown(SWEEPS["ties"](), tmp_path)

        assert "**No winner: 2 of 2 cells cannot be told from the best.**" in text
        assert text.count("| 1.000 | maybe |") == 1

    def test_one_seed_names_no_winner_and_says_what_to_do(self, tmp_path):
        text = self.markdown(grid(seeds=1), tmp_path)

        assert "No winner is named: each cell ran with one seed" in text
        assert "sweep.seeds=3" in text
        assert "| not tested |" in text

    @pytest.mark.parametrize("key", ["train.negatives", "train.window", "vocab.min"])
    def test_losses_of_different_quantities_have_no_winner(self, tmp_path, key):
        trials = [
            trial(3 * i + s, {key: i, "train.dim": i}, s, 0.1 + i / 2 + s / 1e3 * i)
            for i in range(3)
            for s in range(3)
        ]
        scores = sweep(trials)
        losses = replace(scores, objective="train/loss", maximize=False)
        dims = tuple(replace(t, cell={"d": t.cell[key]}) for t in trials)

        assert "The winner is" in self.markdown(scores, tmp_path)
        assert "The winner is" in self.markdown(replace(losses, trials=dims), tmp_path)
        text = self.markdown(losses, tmp_path)
        assert "No winner is named: a loss is another quantity at each value" in text
        assert "Compare curves only at equal" in page(losses)

    def test_nothing_finished_says_so(self, tmp_path):
        text = self.markdown(SWEEPS["all failed"](), tmp_path)

        assert "no trial finished with probe\\_f1" in text
        assert "3 trials failed and do not count" in text
        assert text.count("boom") == 3

    def test_unfinished_trials_are_named_with_their_errors(self, tmp_path):
        text = self.markdown(grid(), tmp_path)

        assert "1 trial failed and does not count" in text
        assert "1 trial was pruned and does not count" in text
        assert re.search(r"\| failed \| dim=50 .*\| DataError: a \|", text)
        assert "<pre>DataError: a\nb</pre>" in page(grid())

    def test_a_table_row_stays_one_row_whatever_it_holds(self, tmp_path):
        text = self.markdown(hostile(), tmp_path)

        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {
                len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()
            }  # fmt: skip
            assert len(widths) == 1
        assert "<script" not in text.replace("\\<script", "")
        assert "javascript:" not in re.sub(r"\[.*?\]", "", text)

    def test_one_seed_twice_counts_once(self):
        results = of_cells({"d": 1}, {"d": 2})
        again = replace(results.trials[0], number=99, metrics={"probe_f1": 9.0})

        found = find(replace(results, trials=(*results.trials, again)))

        assert found.judged["probe_f1"].scores.max() < 1


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("http://127.0.0.1:5000/#/x", True),
        ("https://host/a b", False),
        ("javascript:alert(1)", False),
        ("ftp://host/a", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
def test_only_pages_of_the_web_are_linked(address, kept):
    assert (run_link("x", address).address is not None) == kept


def saved(path, words, seed):
    rng = np.random.default_rng(seed)
    center = rng.normal(size=(len(words), 8)).astype(np.float32)
    save_vectors(
        path, Embeddings(tuple(words), center, center, Normalization(True, "keep"))
    )
    return path


class TestVectors:
    def with_vectors(self, tmp_path, words_of):
        results = of_cells({"d": 1}, {"d": 2})
        trials = []
        for each in results.trials:
            words = words_of(each)
            path = saved(tmp_path / f"{each.number}.npz", words, each.number % 3 // 2)
            digest = str(len(words))
            trials.append(replace(each, vectors=path, vocab_digest=digest))
        return replace(results, trials=tuple(trials))

    def test_neighbors_are_compared_across_a_cells_seeds(self, tmp_path):
        results = self.with_vectors(tmp_path, lambda _: [f"w{i}" for i in range(99)])

        found = find(results)

        # Seeds 0 and 1 have the same vectors here, seed 2 others: one pair of three
        # agrees wholly, two by chance (10 of 98).
        for overlap in found.overlaps:
            assert overlap == pytest.approx((1 + 2 * 10 / 98) / 3, abs=0.03)

    def test_vectors_that_cannot_be_read_are_named(self, tmp_path):
        results = self.with_vectors(tmp_path, lambda _: [f"w{i}" for i in range(99)])
        results.trials[2].vectors.write_bytes(b"broken")

        found = find(results)

        assert found.overlaps[0] == 1  # of the two seeds that are left
        assert "vectors of trial 2 were left out" in " ".join(found.notes)

    def test_other_vocabularies_are_named_and_scored_on_shared_pairs(self, tmp_path):
        def words(each):
            return [f"w{i}" for i in range(30 if each.cell["d"] == 1 else 20)]

        results = self.with_vectors(tmp_path, words)
        pairs = [WordPair(i, f"w{i}", f"w{i + 1}", i % 5) for i in range(29)]

        _, path = write_report(results, tmp_path, pairs={"ws": pairs})

        text = path.read_text()
        assert "2 vocabularies (A: 3 trials, B: 3 trials)" in text
        assert "similarity/ws on shared pairs is scored on the 19 pairs" in text
        found = find(results, {"ws": pairs})
        assert "similarity/ws on shared pairs" in found.judged
        assert re.search(r"\| A \| 1\d\.", text)
        plain = find(results)
        assert "similarity/ws on shared pairs" not in plain.judged

    @pytest.mark.parametrize("there", [True, False])
    def test_the_pairs_are_those_that_the_trials_were_scored_on(self, tmp_path, there):
        results = self.with_vectors(
            tmp_path, lambda each: [f"w{i}" for i in range(10 * each.cell["d"] + 9)]
        )
        file = tmp_path / "ws.txt"
        if there:
            file.write_text("".join(f"w{i}\tw{i + 1}\t{i % 5}\n" for i in range(28)))
        base = {"evaluate": {"similarity_files": [str(file)]}}
        ledger = Ledger(tmp_path, "dims")
        ledger.save_sweep(sweep_of("dims", base=base))

        *_, path = write_report_files(ledger, results, tmp_path / "report")

        shared = "similarity/ws on shared pairs is scored on the 18 pairs"
        assert (shared in path.read_text()) == there

    def test_one_vocabulary_is_said_to_be_one(self, tmp_path):
        _, path = write_report(of_cells({"d": 1}, {"d": 2}), tmp_path)

        assert "All 6 finished trials share one vocabulary" in path.read_text()


def contrast(first, second):
    def luminance(color):
        value = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("part", [0, 1], ids=["light", "dark"])
def test_text_and_marks_are_readable_in_light_and_dark(part):
    blocks = re.findall(r":root \{(.*?)\}", report._STYLE, re.DOTALL)
    color = dict(re.findall(r"--(\w+): (#\w{6})", blocks[part]))

    # WCAG 2.2, AA: 4.5 for text, 3 for what is drawn.
    for text in ("ink", "muted", "strong"):
        for ground in ("paper", "tied"):
            assert contrast(color[text], color[ground]) >= 4.5, text
    for heat in ("heat0", "heat1"):
        assert contrast(color["ink"], color[heat]) >= 4.5, heat
    for line in range(1, 6):
        assert contrast(color[f"line{line}"], color["paper"]) >= 3, line


def look(browser, path, width, theme):
    """Open a report in a window of this width and wait until it is drawn."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": 900,
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        },
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": theme}]},
    )
    browser.get(path.as_uri())
    wait(browser)


def wait(browser):
    for _ in range(600):  # the machine may be busy
        if browser.execute_script("return document.documentElement.dataset.drawn"):
            return
        time.sleep(0.1)
    raise AssertionError("the charts were not drawn within a minute")


# Charts that show nothing, and texts in charts that are small or cut off.
WRONG = """
const wrong = [];
for (const chart of document.querySelectorAll(".chart")) {
  if (!chart.checkVisibility()) continue;
  const box = chart.getBoundingClientRect();
  const marks = chart.querySelectorAll(
    ".scatterlayer path, .heatmaplayer image, .parcoords .y-axis");
  if (!marks.length) wrong.push(chart.id + " is empty");
  for (const text of chart.querySelectorAll("svg text")) {
    const at = text.getBoundingClientRect(), style = getComputedStyle(text);
    // The ranges that Plotly writes on parallel axes are made invisible.
    const hidden = text.closest(".axis-extent");
    if (hidden || !text.textContent.trim() || !at.width) continue;
    if (parseFloat(style.fontSize) < 10) wrong.push("small: " + text.textContent);
    if (at.left < -1 || at.right > innerWidth + 1)
      wrong.push("cut: " + chart.id + ": " + text.textContent);
  }
}
for (const each of document.querySelectorAll("p, li, td, th, h1, h2"))
  if (each.checkVisibility() && parseFloat(getComputedStyle(each).fontSize) < 12)
    wrong.push("small: " + each.textContent);
return wrong;
"""

LOOKS = [
    ("hostile", 390, "light"),
    pytest.param("grid", 1280, "light", marks=pytest.mark.slow),
    pytest.param("many", 390, "light", marks=pytest.mark.slow),
    *(
        pytest.param(name, width, "dark", marks=pytest.mark.slow)
        for name in SWEEPS
        for width in (390, 1280)
    ),
]


@pytest.mark.browser
@pytest.mark.parametrize(("name", "width", "theme"), LOOKS)
def test_a_browser_draws_every_chart_without_a_network(
    browser, tmp_path, name, width, theme
):
    path, _ = write_report(SWEEPS[name](), tmp_path)

    look(browser, path, width, theme)

    assert severe(browser) == []
    assert browser.execute_script("return document.body.scrollWidth") <= width
    assert "\n".join(browser.execute_script(WRONG)) == ""
    asked = asked_schemes(browser)
    assert "file" in asked
    assert not {"http", "https", "ws", "wss"} & asked
    paper = browser.execute_script(
        "return getComputedStyle(document.documentElement).backgroundColor"
    )
    assert paper == {"dark": "rgb(20, 25, 31)", "light": "rgb(255, 255, 255)"}[theme]


@pytest.mark.browser
def test_the_keyboard_chooses_the_metric_that_all_is_judged_by(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    path, _ = write_report(grid(), tmp_path)
    look(browser, path, 1280, "light")
    order = "return document.getElementById('ranking').layout.yaxis.ticktext[0]"
    before = browser.execute_script(order)

    browser.execute_script("delete document.documentElement.dataset.drawn")
    browser.find_element(By.ID, "metric").send_keys(Keys.ARROW_DOWN)
    wait(browser)

    # The loss here is 3 - score, and less is better: the same order.
    shown = [e for e in browser.find_elements(By.CLASS_NAME, "verdict")
             if e.is_displayed()]  # fmt: skip
    assert len(shown) == 1
    assert browser.execute_script(order) == before
    title = "return document.getElementById('ranking').layout.xaxis.title.text"
    assert browser.execute_script(title) == "train/loss"
    assert severe(browser) == []
