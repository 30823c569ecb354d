"""The film and the comparison of runs: what is in the pages, and how they behave."""

import re
import time

import numpy as np
import pytest
from browsers import asked_schemes, severe
from pages import HOSTILE, Elements, check_offline

from pipeline.core.comparison import compare
from pipeline.core.figures.comparison import (
    Score,
    comparison_html,
    comparison_notes,
)
from pipeline.core.figures.film import Film, film_html
from pipeline.core.labels import shown
from pipeline.core.types import Embeddings, Normalization

GROUPS = ("alpha", "<beta> $b$ & co", "none of them")
SCORES = (
    Score("probe/f1", 0.5, 0.75, (0.4, 0.6), (0.7, 0.8)),
    Score("analogy/a/total", 0.25, 0.25, (0.2, 0.3), (0.25, 0.4)),
    Score("corpus/</script>", None, 1234.0),
)


def some_film(words=HOSTILE, frames=4):
    n = len(words)
    rng = np.random.default_rng(6)
    near = np.stack(
        [
            [rng.permutation([j for j in range(n) if j != i])[:5] for i in range(n)]
            for _ in range(frames)
        ]
    )
    return Film(
        words=tuple(words),
        counts=np.arange(n, 0, -1) * 1000,
        groups=GROUPS,
        group=(np.arange(n) % 3 - 1).astype(np.int32),
        epochs=np.arange(frames, dtype=np.int32),
        layouts=rng.normal(size=(frames, n, 2)).astype(np.float32),
        neighbors=near.astype(np.int32),
        cosines=np.sort(rng.uniform(-1, 1, size=near.shape), axis=2)[:, :, ::-1],
        loss=np.array([3.0, 2.5, np.nan])[: frames - 1],
    )


def some_comparison(words=HOSTILE, dims=(4, 4)):
    rng = np.random.default_rng(7)
    lower = Normalization(lowercase=True, digits="keep")
    none = np.empty((len(words), 0), np.float32)
    first, second = (
        Embeddings(
            tuple(words), rng.normal(size=(len(words), d)).astype("f4"), none, lower
        )
        for d in dims
    )
    return compare(first, second, 1000)


def draw_comparison(found=None, scores=SCORES, names=("<a> one", "b & two")):
    found = found or some_comparison()
    group = (np.arange(len(found.words)) % 3 - 1).astype(np.int32)
    return comparison_html(found, ("a <1>", "b"), names, GROUPS, group, scores=scores)


PAGES = {"film": lambda: film_html(some_film()), "comparison": draw_comparison}
every_page = pytest.mark.parametrize("draw", PAGES.values(), ids=PAGES)


class TestPages:
    @every_page
    def test_a_page_needs_no_network_and_no_library(self, draw):
        content = draw()

        check_offline(Elements(content))
        assert len(content) < 200_000

    @every_page
    def test_no_word_breaks_out_of_the_page(self, draw):
        content = draw()
        tags = re.findall(r"<(\w+)", content.decode())

        assert tags.count("script") == 2  # the values, the drawing
        assert content.count(b"</script>") == 2
        assert b"x" * 100 not in content
        assert b"<b>bold" not in content
        assert "\ufffd" not in content.decode()

    @every_page
    def test_equal_arguments_give_equal_bytes(self, draw):
        assert draw() == draw()

    @every_page
    def test_the_legend_names_the_groups_that_are_drawn(self, draw):
        content = draw()

        names = re.findall(rb"<span>(.*?)</span></button>", content)
        assert names == [b"alpha", b"&lt;beta&gt; $b$ &amp; co"]


class TestFilm:
    def test_the_notes_say_which_epochs_are_shown(self):
        film = some_film()
        whole = film_html(film)
        some = film_html(Film(**vars(film) | {"epochs": np.array([0, 2, 4, 6])}))

        assert b"The 22 words seen most, after each of 3 epochs." in whole
        assert b"The 22 words seen most, after 3 of 6 epochs." in some

    def test_a_loss_that_is_not_known_is_left_out(self):
        values = Elements(film_html(some_film(["a"] * 9))).spec

        assert values["loss"] == [None, 3.0, 2.5, None]


class TestComparison:
    def test_the_notes_tell_of_other_widths(self):
        assert len(comparison_notes(some_comparison())) == 2
        assert "4 and 6 dimensions" in comparison_notes(some_comparison(dims=(4, 6)))[2]

    def test_scores_stand_side_by_side_with_their_intervals(self):
        values = Elements(draw_comparison(some_comparison(list("abcdefgh")))).spec

        assert values["headlines"][:2] == [
            ["probe/f1", ["0.5000", "0.400 to 0.600"], ["0.7500", "0.700 to 0.800"],
             "+0.2500", True],
            ["analogy/a/total", ["0.2500", "0.200 to 0.300"],
             ["0.2500", "0.250 to 0.400"], "0", False],
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "headline"),
        [
            ("probe/f1", True),
            ("analogy/google/total", True),
            ("analogy/google/capitals", False),
            ("probe/f1_random", False),
            ("category/coverage", False),
        ],
    )
    def test_headlines_are_scores_of_whole_sets(self, name, headline):
        assert Score(name, 1.0, 1.0).headline == headline

    def test_intervals_that_only_touch_are_not_apart(self):
        assert not Score("m", 1, 2, (0, 1.5), (1.5, 3)).apart
        assert Score("m", 1, 2, (0, 1.4), (1.5, 3)).apart
        assert not Score("m", 1, 2, None, (1.5, 3)).apart

    def test_the_bars_count_the_words_by_neighbors_kept(self):
        found = some_comparison([f"w{i}" for i in range(30)])

        values = Elements(draw_comparison(found)).spec

        assert sum(values["shares"]) == 30
        assert values["shares"] == [int((found.kept == k).sum()) for k in range(11)]
        assert values["most_moved"][0] == int(np.argmax(found.moved))


def show(browser, path, width, height=800):
    """Open a page in a window of this size; wait until its map is drawn."""
    browser.get_log("performance")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(path.as_uri())
    until(browser, f"{INK} > 0")


# How many pixels of the first map are drawn on.
INK = (
    "(() => {const c = document.querySelector('.board canvas');"
    "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    "return d.reduce((n, v, i) => n + (i % 4 == 3 && v > 0), 0);})()"
)


def until(browser, condition):
    """Wait for what a script says, 20 s at most."""
    for _ in range(200):
        if browser.execute_script(f"return {condition}"):
            return
        time.sleep(0.1)
    raise AssertionError(f"not within 20 s: {condition}")


def clean(browser):
    """Check that the page logged no error and asked for nothing but its file."""
    assert not severe(browser)
    asked = asked_schemes(browser)
    assert "file" in asked
    assert not {"http", "https", "ws", "wss"} & asked


def text(browser, element):
    return browser.execute_script(
        "return document.getElementById(arguments[0]).textContent", element
    )


@pytest.mark.browser
@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 1280])
def test_a_film_plays_and_its_slider_moves(browser, tmp_path, width):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    path = tmp_path / "film.html"
    path.write_bytes(film_html(some_film()))
    show(browser, path, width)
    play = browser.find_element(By.ID, "play")
    slider = browser.find_element(By.ID, "epoch")
    where = "document.getElementById('epoch').value"
    label = "document.getElementById('play').getAttribute('aria-label')"
    # A number that tells pictures apart.
    drawn = (
        "[...document.querySelector('canvas').toDataURL()]"
        ".reduce((sum, c) => (31 * sum + c.charCodeAt()) | 0, 0)"
    )
    assert browser.execute_script("return document.body.scrollWidth") <= width
    assert text(browser, "now").startswith(
        "epoch 3 of 3"
    )  # begins with what was learned
    last = browser.execute_script(f"return {drawn}")

    play.click()
    until(browser, f"{where} === '0' && {label} === 'Pause'")
    until(browser, f"{where} === '1'")
    play.click()
    assert browser.execute_script(f"return {label}") == "Play"
    stood = browser.execute_script(f"return {where}")
    play.click()  # goes on from there
    until(browser, f"{where} === '3' && {label} === 'Play'")
    assert stood in {"1", "2"}

    slider.send_keys(Keys.HOME)
    until(browser, "document.getElementById('now').textContent.includes('start')")
    slider.send_keys(Keys.ARROW_RIGHT)
    until(browser, "document.getElementById('now').textContent.startsWith('epoch 1 ')")
    assert browser.execute_script(f"return {drawn}") != last
    clean(browser)


@pytest.mark.browser
def test_a_film_tells_of_a_word_what_entered_and_what_left(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    film = some_film([f"w{i}" for i in range(30)])
    path = tmp_path / "film.html"
    path.write_bytes(film_html(film))
    show(browser, path, 1280)

    browser.find_element(By.ID, "search").send_keys("W7", Keys.ENTER)
    for frame in (3, 1):
        browser.execute_script(
            "const s = document.getElementById('epoch'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input'))",
            frame,
        )
        until(
            browser,
            f"document.querySelector('aside h3').textContent.endsWith(' {frame}')",
        )
        now, before = (film.neighbors[f, 7].tolist() for f in (frame, frame - 1))
        items = browser.find_elements(By.CSS_SELECTOR, "aside li")
        assert [item.find_element(By.TAG_NAME, "button").text for item in items] == [
            f"w{j}" for j in now
        ]
        assert [bool(item.find_elements(By.CLASS_NAME, "new")) for item in items] == [
            j not in before for j in now
        ]
        left = browser.find_elements(By.CSS_SELECTOR, ".left button")
        assert {b.text for b in left} == {f"w{j}" for j in before if j not in now}
    cells = browser.execute_script(
        "return [...document.querySelectorAll('#history td.cell')]"
        ".map(cell => cell.classList.contains('in'))"
    )
    expected = [
        j in film.neighbors[f, 7] for j in film.neighbors[3, 7] for f in range(4)
    ]
    assert cells == expected
    clean(browser)


@pytest.mark.browser
def test_pointing_at_a_word_tells_of_it_and_a_click_follows_it(browser, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    words = ["<i>left</i>", "right", "a", "b", "c", "d", "e"]
    film = some_film(words, frames=2)
    layouts = np.zeros((2, 7, 2), np.float32)
    layouts[:, 0, 0], layouts[:, 1, 0] = -1, 1
    path = tmp_path / "film.html"
    path.write_bytes(film_html(Film(**vars(film) | {"layouts": layouts})))
    show(browser, path, 1280)
    canvas = browser.find_element(By.TAG_NAME, "canvas")
    # The map spans its room but for 36 pixels at each side.
    left = -canvas.size["width"] / 2 + 36

    ActionChains(browser).move_to_element_with_offset(canvas, int(left), 0).perform()
    until(browser, "!document.querySelector('.tip').hidden")
    tip = browser.find_element(By.CLASS_NAME, "tip")
    assert tip.text.startswith("<i>left</i>\n7,000 times")
    ActionChains(browser).click().perform()
    assert browser.find_element(By.CSS_SELECTOR, "#word h2").text == "<i>left</i>"
    ActionChains(browser).move_to_element_with_offset(canvas, 0, 200).click().perform()
    assert not browser.find_elements(By.CSS_SELECTOR, "#word h2")
    clean(browser)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_what_is_chosen_in_one_run_is_chosen_in_both(browser, tmp_path, width):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    found = some_comparison()
    path = tmp_path / "comparison.html"
    path.write_bytes(draw_comparison(found))
    show(browser, path, width)
    assert browser.execute_script("return document.body.scrollWidth") <= width
    assert browser.title == "a <1> and b"

    browser.find_element(By.ID, "search").send_keys("<script>a", Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, "#word h2").text == shown(HOSTILE[0])
    lists = [
        [b.text for b in one.find_elements(By.TAG_NAME, "button")]
        for one in browser.find_elements(By.CSS_SELECTOR, ".pair > div")
    ]
    assert [len(each) for each in lists] == [10, 10]
    bold = browser.find_elements(By.CSS_SELECTOR, ".pair li.both")
    assert len(bold) == 2 * found.kept[0]

    first = browser.find_element(By.CSS_SELECTOR, "#moved button")
    browser.execute_script("arguments[0].click()", first)
    heading = browser.find_element(By.CSS_SELECTOR, "#word h2").text
    assert heading == first.text
    bars = browser.find_elements(By.CSS_SELECTOR, "#shares > button")
    assert len(bars) == 11
    rows = browser.find_elements(By.CSS_SELECTOR, "#scores tr.apart")
    assert [row.text.split()[0] for row in rows] == ["probe/f1"]
    legend = browser.find_element(By.CSS_SELECTOR, "#legend button")
    before = browser.execute_script(f"return {INK}")
    browser.execute_script("arguments[0].click()", legend)
    assert legend.get_attribute("aria-pressed") == "false"
    until(browser, f"{INK} !== {before}")
    clean(browser)
