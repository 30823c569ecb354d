"""Pictures: what is in them, that nothing breaks out, that bytes are reproducible."""

import html
import io
import itertools
import struct
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from browsers import asked_schemes, severe
from hypothesis import given
from hypothesis import strategies as st
from pages import HOSTILE, Elements, check_offline
from PIL import Image

from pipeline.core.figures.canvas import DOTS_PER_INCH, drawable, picture, place
from pipeline.core.figures.frequency import (
    WordNorms,
    frequency_images,
    norm_quartiles,
)
from pipeline.core.figures.heatmap import (
    HeatmapWords,
    cluster,
    heatmap_html,
    heatmap_images,
)
from pipeline.core.figures.loss import loss_html, loss_images
from pipeline.core.figures.maps import (
    MapWords,
    map_images,
    write_labels,
)
from pipeline.core.figures.page import page
from pipeline.core.figures.style import PALETTE, escaped, mark
from pipeline.core.labels import shown
from pipeline.core.similarity import unit_vectors


def some_words(words=HOSTILE, groups=("alpha", "<beta> $b$ & co")):
    """Words of which every third is of no group."""
    n = len(words)
    return MapWords(
        words=tuple(words),
        ranks=np.arange(n, dtype=np.int32),
        groups=groups,
        group=(np.arange(n) % 3 - 1).astype(np.int32),
    )


def some_layout(n, dims, seed=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dims)).astype(np.float32)


def some_heatmap(words=HOSTILE[:8], groups=("alpha", "beta")):
    m = len(words)
    rng = np.random.default_rng(3)
    unit = unit_vectors(rng.normal(size=(m, 4)).astype(np.float32))
    group = np.repeat([0, 1], [m - m // 2, m // 2]).astype(np.int32)
    tree = cluster(unit).tree
    return HeatmapWords(tuple(words), groups, group, unit @ unit.T, tree)


def some_norms(words=HOSTILE, groups=("alpha", "<beta> $b$ & co")):
    n = len(words)
    return WordNorms(
        words=tuple(words),
        counts=np.arange(n, 0, -1),
        norms=np.random.default_rng(4).random(n),
        groups=groups,
        group=(np.arange(n) % 3 - 1).astype(np.int32),
    )


PAGES = {
    "heatmap": lambda: heatmap_html(some_heatmap(HOSTILE), ["A note"]),
    "loss": lambda: loss_html(np.array([3.0, 2.5]), np.array([3.2, 2.9])),
}
IMAGES = {
    "map": lambda: map_images(some_words(), some_layout(22, 2), "Map", ["A note"]),
    "heatmap": lambda: heatmap_images(some_heatmap(HOSTILE), ["A note"]),
    "loss": lambda: loss_images(np.array([3.0, 2.5]), np.array([3.2, 2.9])),
    "frequency": lambda: frequency_images(some_norms(), ["A note"]),
}
every_page = pytest.mark.parametrize("draw", PAGES.values(), ids=PAGES)
every_image = pytest.mark.parametrize("draw", IMAGES.values(), ids=IMAGES)


def spec(content):
    return Elements(content).spec


class TestWords:
    @pytest.mark.parametrize(
        ("word", "label"),
        [
            ("germany", "germany"),
            ("", "(empty)"),
            ("  ", "(blank)"),
            ("a\nb\0", "a\\u000ab\\u0000"),
            ("\u202eabc", "\\u202eabc"),
            ("\ud800", "\\ud800"),
            ("\U000e0001", "\\U000e0001"),
            ("x" * 24, "x" * 24),
            ("x" * 25, "x" * 23 + "…"),
            ("👩\u200d🔬", "👩\u200d🔬"),
        ],
    )
    def test_a_label_shows_what_a_word_holds(self, word, label):
        assert shown(word) == label

    @given(st.text(), st.integers(12, 40))
    def test_a_label_is_one_short_line_of_visible_characters(self, word, limit):
        label = shown(word, limit)

        assert 0 < len(label) <= limit
        assert label.replace("\u200c", "").replace("\u200d", "").isprintable()
        label.encode("utf-8")  # no surrogate

    @given(st.text() | st.text(alphabet="&<>;#x41ltamp "))
    def test_escaped_text_reads_as_it_was_and_holds_no_tag(self, text):
        assert html.unescape(escaped(text)) == text
        assert not {"<", ">"} & set(escaped(text))


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color):
    value = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = np.array(
        [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


class TestMarks:
    @pytest.mark.parametrize("eye", EYES)
    def test_colors_stay_apart_to_every_eye(self, eye):
        colors = [lab(np.array(EYES[eye]) @ linear(color)) for color in PALETTE]

        nearest = min(
            np.linalg.norm(a - b) for a, b in itertools.combinations(colors, 2)
        )
        # 18 is about eight times what can just be noticed. The third kind is rare (one
        # person in ten thousand), and the shapes differ too.
        assert nearest >= (14 if eye == "tritanopia" else 18)

    def test_forty_groups_have_forty_marks(self):
        assert len({mark(group) for group in range(40)}) == 40


class TestPages:
    @every_page
    def test_a_page_needs_no_network(self, draw):
        check_offline(Elements(draw()))

    @every_page
    def test_no_word_breaks_out_of_the_page(self, draw):
        elements = Elements(draw())

        tags = [tag for tag, _ in elements.found]
        assert tags.count("script") == 3  # the library, the spec, the drawing
        assert tags.count("html") == tags.count("body") == 1
        assert elements.text("title") in {
            "Map",
            "Similarity of 22 words",
            "Loss by epoch",
        }
        assert not [name for _, a in elements.found for name in a if name[:2] == "on"]

    @every_page
    def test_a_page_fits_a_phone(self, draw):
        elements = Elements(draw())

        assert ("meta", "width=device-width, initial-scale=1") in [
            (tag, a.get("content")) for tag, a in elements.found
        ]
        assert elements.spec["config"]["responsive"] is True

    @every_page
    def test_what_a_small_window_changes_is_set_for_others_too(self, draw):
        found = spec(draw())

        for key in found["small"] | found["portrait"]:
            part = found["figure"]["layout"]
            for name in key.split("."):
                part = part[name]

    @every_page
    def test_no_button_sends_the_words_away(self, draw):
        config = spec(draw())["config"]

        assert config["showSendToCloud"] is False
        assert config["plotlyServerURL"] == ""

    @every_page
    def test_equal_arguments_give_equal_bytes(self, draw):
        assert draw() == draw()

    def test_title_and_notes_are_text(self):
        content = page("<i>", ["a & <b>"], [], {}, small={})

        assert b"<h1>&lt;i&gt;</h1>" in content
        assert b"<p>a &amp; &lt;b&gt;</p>" in content

    def test_a_key_that_plotly_does_not_know_is_an_error(self):
        with pytest.raises(ValueError, match="xaxes"):
            page("t", [], [], {"xaxes": {}}, small={})


def chunks(png):
    """Names of a PNG's chunks."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    names, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        names.append(png[at + 4 : at + 8])
        at += length + 12
    return names


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def shows(png, color):
    """Whether any pixel has just this color."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((pixels(png) == rgb).all(axis=2).any())


class TestImages:
    @every_image
    def test_equal_arguments_give_equal_bytes_whatever_matplotlib_is_set_to(self, draw):
        first = draw()
        with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
            second = draw()
            assert mpl.rcParams["font.size"] == 30  # and the settings stay

        assert first == second
        assert set(first) == {"png", "svg"}

    @every_image
    def test_an_image_holds_no_version_and_no_date(self, draw):
        images = draw()

        assert set(chunks(images["png"])) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
        assert b"<dc:date>" not in images["svg"]
        assert b"<dc:creator>" not in images["svg"]
        assert b"matplotlib.org" not in images["svg"]

    @every_image
    def test_words_are_only_drawn_in_an_svg(self, draw):
        svg = draw()["svg"]

        tags = {element.tag.split("}")[1] for element in ET.fromstring(svg).iter()}
        assert tags <= {
            *("svg", "metadata", "RDF", "Work", "type", "format", "defs", "style"),
            *("g", "path", "use", "clipPath", "rect", "image", "title"),
        }
        # What is drawn beside is told in comments, and none of them ends early.
        assert b"alert(1)</script>" not in svg

    def test_an_svg_of_many_points_holds_them_as_one_image(self):
        few = map_images(some_words(["a"] * 99), some_layout(99, 2), "Map", [])["svg"]
        words = some_words([f"w{i}" for i in range(16_000)])
        many = map_images(words, some_layout(16_000, 2), "Map", [])["svg"]

        assert few.count(b"<use ") > 99
        assert b"<image " not in few
        assert b"<image " in many
        assert many.count(b"<use ") < 16_000

    def test_a_map_shows_the_groups_it_has(self):
        words = some_words()
        png = map_images(words, some_layout(22, 2), "Map", [])["png"]

        assert pixels(png).shape == (9 * DOTS_PER_INCH, 12 * DOTS_PER_INCH, 3)
        assert shows(png, mark(0).color)
        assert shows(png, mark(1).color)
        assert not shows(png, mark(2).color)

    def test_a_map_of_one_word_is_drawn(self):
        place = np.zeros((1, 2), np.float32)
        png = map_images(some_words(("uno",)), place, "Map", [])["png"]

        assert pixels(png).std() > 0

    def test_words_of_chosen_groups_are_named(self):
        words = some_words(("uno", "dos", "tres", "cuatro"))

        def named(labeled):
            layout = np.eye(4, 2, dtype=np.float32)
            svg = map_images(words, layout, "Map", [], labeled=labeled)["svg"].decode()
            return {word for word in words.words if f"<!-- {word} -->" in svg}

        assert named(None) == {"dos", "tres"}
        assert named([1]) == {"tres"}
        assert named([]) == set()

    def test_a_character_that_the_font_lacks_is_a_box(self):
        assert drawable("año 中 ω") == "año □ ω"


class TestLabels:
    def overlaps(self, a, b):
        low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
        return (high - low > 0.01).all()  # pixels; rounding moves a box by less

    @pytest.mark.parametrize("spread", [0.02, 0.3, 3])
    def test_no_label_covers_another_or_a_mark_or_leaves_the_axes(self, rng, spread):
        points = spread * rng.normal(size=(60, 2))
        texts = [f"word{'x' * (i % 5)}{i}" for i in range(60)]

        with picture(6, 5) as (figure, _):
            axes = place(figure, 0.2, 0.2, 0.2, 0.2)
            axes.set_xlim(-3, 3)
            axes.set_ylim(-3, 3)
            written = write_labels(axes, points, texts)
            boxes = [np.array(text.get_window_extent().extents) for text in axes.texts]
            marks = axes.transData.transform(points)
            room = np.array(axes.get_window_extent().extents)

        assert [text.get_text() for text in axes.texts] == [texts[i] for i in written]
        assert 0 < len(written) <= 60
        for a, b in itertools.combinations(boxes, 2):
            assert not self.overlaps(a, b)
        for box in boxes:
            inside = (marks > box[:2] + 0.01) & (marks < box[2:] - 0.01)
            assert not inside.all(axis=1).any()
            assert (box[:2] >= room[:2] - 0.01).all()
            assert (box[2:] <= room[2:] + 0.01).all()

    def test_where_one_fits_the_more_important_is_written(self):
        points = np.zeros((30, 2))

        with picture(2, 1) as (figure, _):
            axes = place(figure, 0.1, 0.1, 0.1, 0.1)
            written = write_labels(axes, points, [f"word {i}" for i in range(30)])

        assert written == list(range(len(written)))
        assert 1 <= len(written) < 30

    def test_a_label_stands_beside_its_own_point(self):
        points = np.array([[0.2, 0.5], [0.7, 0.5]])

        with picture(6, 5) as (figure, _):
            axes = place(figure, 0.2, 0.2, 0.2, 0.2)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            write_labels(axes, points, ["left", "right"])
            spots = axes.transData.transform(points)
            for text, spot in zip(axes.texts, spots, strict=True):
                box = text.get_window_extent()
                gap = 4.5 * DOTS_PER_INCH / 72
                assert box.x0 - spot[0] == pytest.approx(gap, abs=0.01)
                assert (box.y0 + box.y1) / 2 == pytest.approx(spot[1], abs=0.01)


class TestLoss:
    def test_curves_hold_the_losses_by_epoch(self):
        drawn = spec(loss_html(np.array([3.0, 2.5]), np.array([3.2, np.nan])))

        train, heldout = drawn["figure"]["data"]
        assert (train["x"], train["y"]) == ([1, 2], [3.0, 2.5])
        assert (heldout["x"], heldout["y"]) == ([1, 2], [3.2, None])
        assert "nats per pair" in drawn["figure"]["layout"]["yaxis"]["title"]["text"]

    def test_nothing_held_out_leaves_one_curve(self):
        content = loss_html(np.array([3.0, 2.5, 2.25]), np.empty(0))

        assert len(spec(content)["figure"]["data"]) == 1
        assert b"Training: from 3.000 to 2.250 nats per pair in 3 epochs." in content
        assert b"Held out" not in content

    def test_the_notes_name_the_epoch_of_the_lowest_held_out_loss(self):
        content = loss_html(np.array([3.0, 2.0, 1.0]), np.array([3.0, 2.5, 2.75]))

        assert b"lowest 2.500 after epoch 2" in content

    @pytest.mark.parametrize(
        ("loss", "heldout"),
        [
            ([], []),
            ([2.0], []),
            ([2.0], [2.0]),
            ([np.nan, np.nan], [np.inf, np.nan]),
            ([np.nan, 2.0], [2.0, np.inf]),
            ([2.0] * 300, [2.0] * 300),
        ],
    )
    def test_any_history_is_drawn(self, loss, heldout):
        content = loss_html(np.array(loss, float), np.array(heldout, float))
        images = loss_images(np.array(loss, float), np.array(heldout, float))

        assert len(spec(content)["figure"]["data"]) == 1 + bool(heldout)
        assert pixels(images["png"]).std() > 0


class TestFrequency:
    def test_quartiles_are_of_words_as_frequent(self, rng):
        counts = np.sort(rng.integers(1, 3000, 500))[::-1]
        norms = rng.random(500)

        centers, quartiles = norm_quartiles(counts, norms)

        assert (np.diff(centers) > 0).all()
        first = counts <= 10 ** (np.log10(counts.min()) + 1 / 8)
        if first.sum() < 20:
            first = counts <= np.sort(counts)[19]
        np.testing.assert_allclose(
            quartiles[0], np.quantile(norms[first], [0.25, 0.5, 0.75])
        )
        assert centers[0] == pytest.approx(np.exp(np.log(counts[first]).mean()))

    def test_words_of_one_count_are_one_band(self):
        centers, quartiles = norm_quartiles(np.full(50, 7), np.arange(50.0))

        assert centers == pytest.approx([7])
        assert quartiles[0].tolist() == [12.25, 24.5, 36.75]

    def test_fewer_than_twenty_words_have_no_line(self):
        centers, quartiles = norm_quartiles(np.arange(1, 20), np.arange(19.0))

        assert centers.shape == (0,)
        assert quartiles.shape == (0, 3)

    @pytest.mark.parametrize("words", [1, 2, 25])
    def test_any_number_of_words_is_drawn(self, words):
        drawn = frequency_images(some_norms([f"w{i}" for i in range(words)]), [])

        assert pixels(drawn["png"]).std() > 0


class TestHeatmap:
    def test_cells_and_hovers_hold_the_cosines(self):
        words = some_heatmap(("uno", "dos", "<b>"))

        figure = spec(heatmap_html(words, []))["figure"]
        (trace, _), scale = figure["data"], figure["layout"]["coloraxis"]

        np.testing.assert_allclose(trace["z"], words.cosines, atol=5e-5)
        cosine = words.cosines[0, 2]
        assert trace["hovertext"][0][2] == (
            f"<b>uno (alpha)</b><br><b>&lt;b&gt; (beta)</b><br>cosine {cosine:.3f}"
        )
        assert (scale["cmin"], scale["cmax"]) == (-1, 1)

    def test_words_stand_at_the_cells_in_their_order(self):
        layout = spec(heatmap_html(some_heatmap(("uno", "dos")), []))["figure"][
            "layout"
        ]

        for axis in (layout["xaxis"], layout["yaxis"]):
            assert axis["tickvals"] == [0, 1]
            names = [text.split()[0] for text in axis["ticktext"]]
            assert names == ["uno", "dos"]
        assert layout["yaxis"]["range"] == [1.5, -0.5]  # the first row on top

    def test_the_tree_is_drawn_beside_the_rows(self):
        words = some_heatmap(("uno", "dos", "tres"))

        _, lines = spec(heatmap_html(words, []))["figure"]["data"]

        corners = np.array(
            [[np.nan if v is None else v for v in lines[axis]] for axis in "yx"]
        ).T.reshape(2, 5, 2)
        np.testing.assert_allclose(corners[:, :4], words.tree, rtol=1e-3)
        assert np.isnan(corners[:, 4]).all()

    def test_a_small_window_names_some_words(self):
        words = some_heatmap([f"w{i}" for i in range(30)])

        small = spec(heatmap_html(words, []))["small"]

        names = [text.split()[0] for text in small["yaxis.ticktext"]]
        assert names == [f"w{i}" for i in range(0, 30, 3)]
        assert small["yaxis.tickvals"] == list(range(0, 30, 3))

    def test_alike_rows_become_neighbors(self, rng):
        centers = unit_vectors(np.eye(3, dtype=np.float32))
        label = rng.permutation(np.arange(24) % 3)
        points = centers[label] + 0.05 * rng.normal(size=(24, 3))

        order = cluster(unit_vectors(points.astype(np.float32))).order

        assert sorted(order) == list(range(24))
        assert (np.diff(label[order]) != 0).sum() == 2  # three runs

    def test_the_tree_joins_by_average_distance(self, rng):
        unit = unit_vectors(rng.normal(size=(12, 5)).astype(np.float32))
        found = cluster(unit)
        rows = unit[found.order]
        apart = np.linalg.norm(rows[:, np.newaxis] - rows, axis=2)

        clusters = [[i] for i in range(12)]
        for joint in found.tree:  # naively: join the two nearest, again and again
            pairs = list(itertools.combinations(clusters, 2))
            a, b = min(pairs, key=lambda pair: apart[np.ix_(*pair)].mean())
            assert joint[1, 1] == joint[2, 1]
            assert joint[1, 1] == pytest.approx(apart[np.ix_(a, b)].mean())
            assert joint[0, 0] == joint[1, 0]
            for side, members in zip((joint[0], joint[3]), (a, b), strict=True):
                assert min(members) <= side[0] <= max(members)
            joined = sorted(a + b)  # next to each other, so that no lines cross
            assert joined == list(range(joined[0], joined[-1] + 1))
            clusters = [c for c in clusters if c not in (a, b)] + [joined]
            clusters.sort()

    @pytest.mark.parametrize("words", [0, 1, 2, 5])
    def test_any_number_of_equal_rows_has_an_order(self, words):
        found = cluster(np.ones((words, 4)))

        assert sorted(found.order) == list(range(words))
        assert found.tree.shape == (max(words - 1, 0), 4, 2)

    @pytest.mark.parametrize("words", [1, 2])
    def test_few_words_are_drawn(self, words):
        few = some_heatmap(HOSTILE[:words])

        assert len(spec(heatmap_html(few, []))["figure"]["data"][0]["z"]) == words
        assert pixels(heatmap_images(few, [])["png"]).std() > 0


def look(browser, path: Path, width, height=800):
    """Open a page in a window of this size and wait for what it draws."""
    browser.get_log("performance")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        },
    )
    browser.get(path.as_uri())
    for _ in range(50):
        if browser.execute_script(
            "return document.querySelector('#figure .main-svg') !== null"
        ):
            return
        time.sleep(0.1)
    raise AssertionError("nothing was drawn within 5 s")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "width"),
    [("heatmap", 1280), ("loss", 390)],
)
def test_a_browser_draws_the_page_as_text_without_a_network(
    browser, tmp_path, name, width
):
    path = tmp_path / f"{name}.html"
    path.write_bytes(PAGES[name]())

    look(browser, path, width)

    assert browser.title in {"Similarity of 22 words", "Loss by epoch"}
    assert browser.execute_script("return document.body.scrollWidth") <= width
    assert not severe(browser)
    asked = asked_schemes(browser)
    assert "file" in asked
    assert not {"http", "https", "ws", "wss"} & asked


def settle(browser):
    """Wait until the figure fills its room and two looks in a row see the same.

    Resizing draws anew, and a 3D view comes nearer after it is first drawn: each
    takes some frames.
    """
    state = (
        "const size = e => {const r = e.getBoundingClientRect();"
        "  return [r.left, r.top, r.right, r.bottom].map(Math.round).join()};"
        "const figure = document.getElementById('figure');"
        "const drawn = figure.querySelector('.main-svg');"
        "const scene = figure._fullLayout && figure._fullLayout.scene;"
        "if (!drawn || size(drawn) !== size(figure)) return null;"
        "return size(drawn) + JSON.stringify(scene && scene._scene.getCamera());"
    )
    before, alike = None, 0
    for _ in range(100):
        now = browser.execute_script(state)
        alike = alike + 1 if now is not None and now == before else 0
        # Three looks apart cover what begins only with the next frame.
        if alike == 3:
            return
        before = now
        time.sleep(0.1)
    raise AssertionError("the figure did not come to rest within 10 s")


@pytest.mark.browser
def test_pointing_at_a_cell_tells_its_value(browser, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    words = some_heatmap(("<b>", "dos", "tres", "cuatro"))
    path = tmp_path / "heatmap.html"
    path.write_bytes(heatmap_html(words, []))
    look(browser, path, 1280)
    settle(browser)
    # The middle of the cell in the third row and the first column.
    x, y = browser.execute_script(
        "const {xaxis, yaxis} = document.getElementById('figure')._fullLayout;"
        "return [xaxis._offset + xaxis.d2p(0), yaxis._offset + yaxis.d2p(2)]"
    )
    left, top, right, bottom = rectangle(browser, "#figure")
    figure = browser.find_element(By.ID, "figure")
    middle = (right - left) / 2, (bottom - top) / 2
    ActionChains(browser).move_to_element_with_offset(
        figure, round(x - middle[0]), round(y - middle[1])
    ).perform()
    for _ in range(50):
        lines = [e.text for e in browser.find_elements(By.CSS_SELECTOR, ".nums .line")]
        if lines:
            break
        time.sleep(0.1)

    assert [line for line in lines if line] == [
        "tres (beta)", "<b> (alpha)", f"cosine {words.cosines[2, 0]:.3f}"
    ]  # fmt: skip
    assert browser.find_elements(By.CLASS_NAME, "spikeline")
    assert not severe(browser)


def rectangle(browser, selector):
    """Return an element's (left, top, right, bottom) in the window."""
    return browser.execute_script(
        "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [r.left, r.top, r.right, r.bottom];",
        selector,
    )


@pytest.mark.browser
def test_the_keyboard_opens_and_closes_the_notes(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    path = tmp_path / "heatmap.html"
    path.write_bytes(PAGES["heatmap"]())
    look(browser, path, 600, 500)

    note = browser.find_element(By.CSS_SELECTOR, "header p")
    assert not note.is_displayed()
    browser.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert note.is_displayed()
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not note.is_displayed()


@pytest.mark.browser
def test_a_page_follows_its_window_from_one_form_to_another(browser, tmp_path):
    path = tmp_path / "heatmap.html"
    path.write_bytes(PAGES["heatmap"]())
    look(browser, path, 1280, 900)

    for width, height in [(390, 800), (600, 500), (1280, 900)]:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        settle(browser)
        room = rectangle(browser, "#figure")
        drawn = rectangle(browser, "#figure .main-svg")
        assert drawn == pytest.approx(room, abs=1)
    assert not severe(browser)
