"""The explorer in a real browser: its answers, its address, its keys, its silence."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pytest
from browsers import asked_schemes, severe
from explorers import HOSTILE, NAMED, some_explorer, some_words

from pipeline.core.analogy import solve
from pipeline.core.figures.explorer.scores import with_scores
from pipeline.core.labels import shown
from pipeline.core.similarity import nearest
from pipeline.tracking.mlflow_store import ready_store

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_bytes(some_explorer())
    return path


class Explorer:
    """What a reader does with the page, and sees of it."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, path, address="", *, width=1280, height=800, theme="light"):
        browser = self.browser
        browser.get("about:blank")  # the same file with another address is no new page
        browser.get_log("browser")
        browser.get_log("performance")
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1,
             "mobile": width < 500},
        )  # fmt: skip
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(path.as_uri() + address)
        self.until("return document.documentElement.dataset.ready")
        return self

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, script, expected=True):
        """Wait for what a script gives to be true, or as expected."""
        for _ in range(150):
            found = self.run(script)
            if found == expected or (expected is True and found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{script}: expected {expected!r}, found {found!r}")

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def texts(self, selector):
        return self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".map(e => e.textContent)",
            selector,
        )

    def type(self, selector, *keys):
        field = self.find(selector)
        field.clear()
        field.send_keys(*keys)

    def search(self, word):
        from selenium.webdriver.common.keys import Keys

        self.type("#find", word, Keys.ENTER)
        self.until("return document.querySelector('#word h2')?.textContent", word)

    def choose(self, selector, value):
        self.run(
            "const field = document.querySelector(arguments[0]);"
            "field.value = arguments[1];"
            "field.dispatchEvent(new Event('change', {bubbles: true}));"
            "field.dispatchEvent(new Event('input', {bubbles: true}));",
            selector,
            value,
        )

    def press(self, group, text):
        """Press the button with this text in a group."""
        self.run(
            "[...document.querySelectorAll(arguments[0] + ' button')]"
            ".find(b => b.textContent === arguments[1]).click()",
            group,
            text,
        )

    def settled(self):
        """Wait for the address to say what is seen, and return what it says."""
        before, same = None, 0
        for _ in range(40):
            time.sleep(0.4)
            now = self.run("return location.hash")
            same = same + 1 if now == before else 0
            if same == 2:
                break
            before = now
        query = parse_qs(urlsplit(now).fragment)
        return {name: values[0] for name, values in query.items()}

    def points(self):
        return self.run("return document.getElementById('figure').data[0].x.length")


@pytest.fixture
def explorer(browser, path):
    opened = Explorer(browser).open(path)
    yield opened
    assert severe(browser) == []
    assert asked_schemes(browser) <= {"file", "data", "blob", "about"}


def expected_neighbors(word):
    words, unit = some_words()
    ids, cosines = nearest(unit, np.array([words.index(word)], np.int32), 5)
    return [words[i] for i in ids[0]], cosines[0]


def test_search_completes_and_shows_the_neighbors_of_the_original_space(explorer):
    from selenium.webdriver.common.keys import Keys

    field = explorer.find("#find")
    field.send_keys("GER")
    assert explorer.texts("#find-list li span:first-child")[0] == "germany"
    assert field.get_attribute("aria-expanded") == "true"
    field.send_keys(Keys.ARROW_DOWN)
    active = field.get_attribute("aria-activedescendant")
    assert explorer.find(f"#{active}").get_attribute("aria-selected") == "true"
    field.send_keys(Keys.ENTER)

    words, cosines = expected_neighbors("germany")
    assert explorer.texts("#word h2") == ["germany"]
    assert explorer.texts("#neighbors .name") == words
    shown = [float(text) for text in explorer.texts("#neighbors .number")]
    assert shown == pytest.approx(cosines.tolist(), abs=0.005)
    assert field.get_attribute("aria-expanded") == "false"


def test_a_neighbor_that_is_clicked_is_looked_at_next(explorer):
    explorer.search("france")
    first = explorer.texts("#neighbors .name")[0]

    explorer.find("#neighbors button").click()

    assert explorer.texts("#word h2") == [first]
    assert explorer.texts("#neighbors .name") == expected_neighbors(first)[0]


def test_a_point_that_is_clicked_is_chosen_and_told_of_on_hover(explorer):
    from selenium.webdriver import ActionChains

    explorer.search("paris")  # in the middle, after the flight
    explorer.settled()
    explorer.find("#word button").click()
    assert explorer.texts("#word h2") == []

    box = explorer.find("#map")
    ActionChains(explorer.browser).move_to_element(box).perform()
    explorer.until("return document.querySelector('#tip strong')?.textContent", "paris")
    told = explorer.texts("#tip span")
    assert told[0] == "seen: 238 times, rank 3"
    assert any(line.startswith("on this map: ") for line in told)
    ActionChains(explorer.browser).click(box).perform()

    explorer.until("return document.querySelector('#word h2')?.textContent", "paris")


@pytest.mark.parametrize(
    "asked", [("france", "paris", "germany"), ("word40", "word9", "president")]
)
def test_an_analogy_is_answered_as_in_python(explorer, asked):
    words, unit = some_words()
    for field, word in zip("abc", asked, strict=True):
        explorer.type(f"#{field}", word)
    explorer.find("#ask").click()

    query = np.array([[words.index(word) for word in asked]], np.int32)
    (ids,), (scores,) = solve(unit, query, method="add", top_k=5)
    found = explorer.texts("#answers .name")
    shown = [float(text) for text in explorer.texts("#answers .number")]
    assert found[0] == words[ids[0]]
    assert not set(found) & set(asked)
    # Rounded vectors and two digits: neighbors in rank may change places.
    assert shown == pytest.approx(scores.tolist(), abs=0.02)


def test_a_word_that_is_not_there_is_said_to_be_missing(explorer):
    from selenium.webdriver.common.keys import Keys

    explorer.type("#b", "nowhere<b>", Keys.ENTER)

    assert explorer.texts("#answers") == [
        "“nowhere<b>” is not among the words of this page."
    ]


def test_projections_and_dimensions_switch_and_keep_the_word(explorer):
    explorer.search("berlin")

    seen = []
    for group, text in (("#dims", "3D"), ("#methods", "PCA"), ("#dims", "2D")):
        explorer.press(group, text)
        explorer.until(
            "const drawn = document.getElementById('figure').data[0].type;"
            "return drawn === (arguments[0], document.querySelector("
            "'#dims [aria-pressed=true]').textContent === '3D'"
            " ? 'scatter3d' : 'scattergl')"
        )
        address = explorer.settled()
        seen.append((address["map"], address["dims"], address["word"]))
        assert explorer.texts("#word h2") == ["berlin"]

    assert seen == [("tsne", "3", "berlin"), ("pca", "3", "berlin"),
                    ("pca", "2", "berlin")]  # fmt: skip
    assert explorer.texts("#trust")[0].endswith("Note on PCA in 2D.")


def test_colors_switch_between_groups_and_numbers(explorer):
    assert explorer.texts("#color option") == [
        "Entity", "Cluster", "Trust: neighbors kept on this map", "Frequency"
    ]  # fmt: skip
    colors = (
        "return new Set(document.getElementById('figure').data[0].marker.color).size"
    )
    assert explorer.run(colors) == 3

    explorer.choose("#color", "cluster")
    explorer.until(colors, 8)
    assert explorer.texts("#legend [data-label] span") == list("abcdefgh")
    explorer.choose("#color", "trust")
    kept = explorer.until(colors)
    assert 3 < kept <= 11
    assert explorer.find("#scale").is_displayed()
    assert not explorer.find("#legend").is_displayed()


def test_the_legend_hides_groups_and_the_slider_rare_words(explorer):
    buttons = explorer.browser.find_elements("css selector", "#legend [data-label]")
    assert explorer.texts("#legend [data-label] span") == ["LOC", "<b>PER", "none"]
    assert explorer.points() == 240

    buttons[0].click()
    explorer.until("return document.getElementById('figure').data[0].x.length", 160)
    assert buttons[0].get_attribute("aria-pressed") == "false"
    explorer.run(
        "arguments[0].dispatchEvent(new MouseEvent('click', {shiftKey: true}))",
        buttons[1],
    )
    explorer.until("return document.getElementById('figure').data[0].x.length", 80)
    explorer.press("#legend", "Show all")
    explorer.until("return document.getElementById('figure').data[0].x.length", 240)

    explorer.choose("#least", 80)
    explorer.until(
        "const shown = document.getElementById('figure').data[0].x.length;"
        "return shown < 240 && document.getElementById('leastShown').textContent"
        ".endsWith(`: ${shown} words on the map`)"
    )


def test_an_address_brings_the_same_view_back(explorer, path):
    explorer.press("#methods", "PCA")
    explorer.choose("#color", "cluster")
    explorer.browser.find_elements("css selector", "#legend [data-label]")[2].click()
    explorer.choose("#least", 30)
    explorer.search("germany")
    wanted = explorer.settled()
    assert wanted["hide"] == "2"
    script = "return [...document.getElementById('figure').data[0].x]"
    points = explorer.run(script)

    again = Explorer(explorer.browser).open(path, explorer.run("return location.hash"))

    assert again.texts("#word h2") == ["germany"]
    assert again.run(script) == points
    back = again.settled()
    view = [[float(x) for x in each.pop("view").split(",")] for each in (wanted, back)]
    assert back == wanted
    assert view[1] == pytest.approx(view[0], rel=1e-3, abs=1e-3)


def test_a_camera_comes_back_too(explorer, path):
    address = "#map=pca&dims=3&view=1.5,0.5,0.25,0.1,0.2,0.3,0,0,1"

    found = Explorer(explorer.browser).open(path, address)

    camera = found.run(
        "return document.getElementById('figure')._fullLayout.scene._scene.getCamera()"
    )
    assert [camera["eye"][k] for k in "xyz"] == pytest.approx([1.5, 0.5, 0.25])
    assert [camera["center"][k] for k in "xyz"] == pytest.approx([0.1, 0.2, 0.3])


def test_no_change_in_3d_waits_for_a_picture_to_be_read(explorer, path):
    explorer.open(path, "#map=pca&dims=3")
    explorer.run(
        "const {scene} = document.getElementById('figure')._fullLayout;"
        "const {gl} = scene._scene.glplot;"
        "window.read = window.painted = 0;"
        "const {readPixels, clear} = gl;"
        "gl.readPixels = (...a) => { read++; return readPixels.apply(gl, a); };"
        "gl.clear = (...a) => { painted++; return clear.apply(gl, a); };"
    )
    explorer.find("#legend button").click()
    explorer.choose("#color", "count")
    explorer.press("header", "All words")
    explorer.find("#map").send_keys("+")
    explorer.until("return painted > 0")
    time.sleep(0.3)  # it was read a while after
    assert explorer.run("return read") == 0

    # Nor where nothing was shown in between.
    explorer.choose("#color", "cluster")
    for button in explorer.browser.find_elements(
        "css selector", "#legend button[data-label]"
    ):
        button.click()
    explorer.until("return document.getElementById('figure').data[0].x.length", 0)
    explorer.press("#legend", "Show all")
    explorer.until("return document.getElementById('figure').data[0].x.length", 240)
    explorer.run("painted = 0")
    explorer.find("#map").send_keys("+")
    explorer.until("return painted > 0")
    time.sleep(0.3)
    assert explorer.run("return read") == 0

    # Words are still found below the pointer.
    explorer.search("germany")
    explorer.find("#neighbors button").click()
    explorer.press("header", "Dark")
    assert explorer.points() == 240
    assert explorer.run("return read") == 0
    assert severe(explorer.browser) == []


def test_a_wrong_address_shows_the_first_view(explorer):
    said = "return new URLSearchParams(location.hash.slice(1)).get('map')"
    explorer.settled()
    explorer.run("location.hash = '#map=x'")  # it is there, and nothing moves
    explorer.until(said, "tsne")
    for address in (
        "#map=x&dims=9&color=y&word=none&hide=99,a,-7&least=x&view=1,2,a,4",
        "#%%%&&=",
        "#<script>alert(1)</script>",
        "#view=1,2,3",
        "#least=1e400&map=tsne&dims=2",
    ):
        explorer.search("paris")
        explorer.run("location.hash = arguments[0]", address)
        explorer.until("return document.getElementById('word').hidden")
        assert explorer.points() == 240
        explorer.until(said, "tsne")


def test_keys_search_move_and_clear(explorer):
    from selenium.webdriver.common.keys import Keys

    explorer.find("body").send_keys("/")
    assert explorer.run("return document.activeElement.id") == "find"
    explorer.search("france")
    explorer.settled()
    ranges = (
        "const {xaxis: x, yaxis: y} = document.getElementById('figure')._fullLayout;"
        "return [x.range[0], x.range[1], y.range[0], y.range[1]]"
    )
    before = explorer.run(ranges)

    box = explorer.find("#map")
    box.send_keys(Keys.ARROW_RIGHT)
    explorer.until(f"return (() => {{{ranges}}})()[0] > {before[0]}")
    box.send_keys("+")
    explorer.until(
        f"const [a, b] = (() => {{{ranges}}})(); return b - a < {before[1] - before[0]}"
    )
    box.send_keys("0")
    explorer.until(
        f"const [a, b] = (() => {{{ranges}}})(); return b - a > {before[1] - before[0]}"
    )
    box.send_keys(Keys.ESCAPE)
    assert explorer.texts("#word h2") == []


def test_labels_come_with_zoom_and_do_not_cover_each_other(explorer):
    at_first = int(explorer.run("return document.getElementById('overlay').dataset"
                                ".labels"))  # fmt: skip
    explorer.find("#map").send_keys("+" * 6)
    explorer.settled()

    # Of the few words now in view, nearly each has a label: more of them than before.
    inside = explorer.run(
        "const figure = document.getElementById('figure');"
        "const {xaxis: x, yaxis: y} = figure._fullLayout;"
        "const {x: a, y: b} = figure.data[0];"
        "return a.filter((v, i) => v > x.range[0] && v < x.range[1]"
        " && b[i] > y.range[0] && b[i] < y.range[1]).length"
    )
    now = int(explorer.run("return document.getElementById('overlay').dataset.labels"))
    assert at_first < 240
    assert now / inside > at_first / 240
    boxes = explorer.run("return document.getElementById('overlay').dataset.boxes")
    corners = np.array([float(x) for x in boxes.split(",")]).reshape(-1, 4)
    for i, (left, top, right, bottom) in enumerate(corners):
        others = np.delete(corners, i, axis=0)
        apart = (
            (others[:, 0] >= right) | (others[:, 2] <= left)
            | (others[:, 1] >= bottom) | (others[:, 3] <= top)
        )  # fmt: skip
        assert apart.all()


def test_hostile_words_are_found_and_shown_as_text(explorer):
    for word in (*NAMED, *HOSTILE):
        label = shown(word, 40)
        explorer.run(  # typed at once: some characters are on no keyboard
            "const f = document.getElementById('find'); f.value = arguments[0];"
            "f.dispatchEvent(new Event('input'));"
            "f.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}));",
            label,
        )
        assert explorer.texts("#word h2") == [label]
        assert explorer.texts("#neighbors .name") == [
            shown(near, 40) for near in expected_neighbors(word)[0]
        ]
    assert explorer.browser.title == "Some <words>"
    assert explorer.run("return document.images.length") == 0


def test_numbers_of_a_table_become_colors(explorer, tmp_path):
    table = tmp_path / "table.json"
    table.write_text(
        '{"columns": ["word", "norm", "<b>text"], "data": [["germany", 2, "a"],'
        '["france", 3.5, "b"], ["unknown", 9, "c"]]}'
    )
    explorer.find("#about summary").click()
    explorer.find("#table").send_keys(str(table))
    explorer.until(
        "return document.getElementById('said').textContent",
        "Now among the colors: norm (table.json).",
    )
    explorer.choose("#color", "table-norm")
    assert explorer.texts("#scale span") == ["2", "3.50"]

    table.write_text("[1]")
    explorer.find("#table").send_keys(str(table))
    explorer.until(
        "return document.getElementById('said').textContent.includes('expected')"
    )


def test_what_an_evaluation_found_for_words_is_among_the_colors(
    explorer, browser, path, tmp_path
):
    assert explorer.texts("#color optgroup:last-child option")[-1] == "Frequency"
    kinds = {"word": pa.string(), "precision_at_10": pa.float64()}
    hostile = [word for word in HOSTILE if "\ud800" not in word]  # Arrow takes no such
    categories = pa.table(
        {
            # One word in two categories, one that was not found, hostile ones.
            "word": ["germany", "germany", "france", "paris", *hostile],
            "precision_at_10": [0.5, 1.0, 0.25, None, *[0.125] * len(hostile)],
        },
        schema=pa.schema(kinds.items()),
    )
    questions = pa.table(
        {
            # As they were asked, not as the vocabulary has them.
            "expected": ["Berlin", "Berlin", "Berlin", "Paris", "Nowhere"],
            "correct_add": [True, True, False, False, None],
        }
    )
    tables = {"category_words": categories, "analogy_questions": questions}
    scored = tmp_path / "scored.html"
    words, _ = some_words()
    scored.write_bytes(with_scores(path.read_bytes(), tables, words))
    explorer.open(scored, "#color=category_words-precision_at_10")

    assert explorer.texts("#color optgroup:last-child option") == [
        "Nearest that are of its category",
        "Analogies rightly answered by it",
    ]
    told = "return [...document.querySelectorAll('#word dl dd')].at(-1).textContent"
    assert explorer.find("#color").get_property("value").startswith("category_words")
    assert explorer.texts("#scale span") == ["0.125", "0.750"]
    explorer.search("france")
    assert explorer.run(told) == "0.250"
    explorer.search("berlin")
    assert explorer.run(told) == "0.667"
    explorer.choose("#color", "analogy_questions-correct_add")
    assert explorer.texts("#scale span") == ["0", "0.667"]
    assert asked_schemes(browser) <= {"file", "data", "blob"}


WRONG = """
const luminance = color => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = node => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor;
    if (!/, 0\\)$/.test(color)) return color;
  }
};
const wrong = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !node.checkVisibility()
    || /SCRIPT|STYLE|OPTION/.test(node.tagName)) continue;
  const [a, b] = [luminance(getComputedStyle(node).color), luminance(paper(node))]
    .sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) wrong.push(`${node.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
}
for (const field of document.querySelectorAll("input, select, button")) {
  if (!field.checkVisibility()) continue;
  const name = field.labels?.[0]?.textContent || field.getAttribute("aria-label")
    || field.textContent;
  if (!name.trim()) wrong.push(`no name: ${field.outerHTML.slice(0, 80)}`);
}
return wrong;
"""


@pytest.mark.parametrize(
    ("width", "height", "theme"),
    [
        (390, 844, "dark"),
        (620, 500, "light"),  # the artifact viewer of MLflow
        pytest.param(390, 844, "light", marks=pytest.mark.slow),
        pytest.param(1280, 800, "light", marks=pytest.mark.slow),
        pytest.param(1280, 800, "dark", marks=pytest.mark.slow),
    ],
)
def test_it_fits_its_window_and_is_readable(explorer, path, width, height, theme):
    found = Explorer(explorer.browser).open(
        path, "#word=germany", width=width, height=height, theme=theme
    )
    found.run("document.getElementById('about').open = true")

    assert found.run("return document.body.scrollWidth") <= width
    assert found.run(WRONG) == []
    paper = found.run("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (theme == "light")
    share = found.run(
        "const r = document.getElementById('map').getBoundingClientRect();"
        "return r.width * r.height / innerWidth / innerHeight"
    )
    assert share >= 0.4
    found.press("header", "Dark" if theme == "light" else "Light")
    found.until(
        "return getComputedStyle(document.body).backgroundColor"
        f" === 'rgb(255, 255, 255)' !== {str(theme == 'light').lower()}"
    )
    assert found.points() == 240
    found.run("localStorage.clear()")


@pytest.fixture
def ui(tmp_path, path):
    """The address of the explorer in MLflow's UI, which a server shows."""
    import mlflow

    home = tmp_path / "home"
    store = ready_store(home)
    client = mlflow.MlflowClient(store)
    experiment = client.create_experiment("e", (home / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    client.log_artifact(run, path, "figures")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.tracking.ui import serve_ui\n"
        "serve_ui(Path(sys.argv[1]), int(sys.argv[2]))"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, home, str(port)], cwd=tmp_path
    )
    try:
        for _ in range(600):
            assert server.poll() is None, "the server ended"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield (
            f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs/{run}"
            "/artifacts/figures/explorer.html"
        )
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


@pytest.mark.slow
def test_it_works_in_the_artifact_viewer_of_mlflow(browser, ui):
    explorer = Explorer(browser)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    light = {"name": "prefers-color-scheme", "value": "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [light]})
    browser.get(ui)
    explorer.until("return document.querySelector('iframe') !== null")
    browser.get_log("browser")  # what MLflow itself says
    browser.switch_to.frame(explorer.find("iframe"))
    try:
        explorer.until("return document.documentElement.dataset.ready")
        # It is shut in: nothing of its own origin, no storage.
        assert explorer.run("return origin") == "null"

        explorer.search("germany")
        assert explorer.texts("#neighbors .name") == expected_neighbors("germany")[0]
        explorer.press("#dims", "3D")
        explorer.until(
            "return document.getElementById('figure').data[0].type", "scatter3d"
        )
        explorer.press("header", "Dark")
        explorer.until(
            "return getComputedStyle(document.body).backgroundColor", "rgb(18, 23, 29)"
        )
        explorer.find("#ask").click()
        assert explorer.texts("#answers .name")[0] == "berlin"
        assert explorer.points() == 240
        assert severe(browser) == []
    finally:
        browser.switch_to.default_content()


@pytest.mark.slow
@pytest.mark.parametrize("dims", [2, 3])
def test_five_thousand_words_answer_in_far_less_time_than_they_load(
    browser, tmp_path, record_property, dims
):
    path = tmp_path / "explorer.html"
    path.write_bytes(some_explorer(5000, 200))
    explorer = Explorer(browser)
    began = time.perf_counter()
    explorer.open(path, f"#map=tsne&dims={dims}")
    loading = 1000 * (time.perf_counter() - began)

    for i in range(9):
        explorer.search(f"word{100 + 37 * i}")
        explorer.find("#neighbors button").click()
        explorer.find("#ask").click()
        explorer.find("#legend button").click()
        explorer.choose("#color", ("cluster", "ner")[i % 2])
        time.sleep(0.3)

    measured = explorer.run(
        "return performance.getEntriesByType('measure').map(m => [m.name, m.duration])"
    )
    for name in ("search", "neighbor", "analogy", "filter", "color"):
        median = float(np.median([ms for each, ms in measured if each == name]))
        record_property(f"explorer {name} in {dims}D, ms", round(median))
        # A ratio, as machines differ: loading takes seconds, an answer a few frames.
        assert median < loading / 5
