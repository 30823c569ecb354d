"""Put the explorer together: one file with its program, its library and its words."""

import base64
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.figures.explorer.quantize import quantize
from pipeline.core.figures.page import script_json
from pipeline.core.figures.style import PALETTE, mark
from pipeline.core.labels import shown
from pipeline.core.types import Counts, Doubles, Floats, Ids

# In the order they run in; all share one scope.
SCRIPTS = (
    *("base.js", "theme.js", "space.js", "view.js", "map.js", "overlay.js"),
    *("search.js", "panel.js", "legend.js", "address.js", "main.js"),
)

LONGEST = 40  # characters of a word that are shown

NO_LABEL = -1


@dataclass(frozen=True)
class ExplorerWords:
    """The words of the page.

    Attributes:
        words: n words, most frequent first.
        ranks: Shape (n,). By count in the whole vocabulary, from 0.
        counts: Shape (n,). Occurrences.
        unit: Shape (n, d). Unit vectors.
        neighbors: Shape (n, K). The words nearest in the original space.
        cosines: Shape (n, K). Theirs.
    """

    words: tuple[str, ...]
    ranks: Ids
    counts: Counts
    unit: Doubles
    neighbors: Ids
    cosines: Doubles


@dataclass(frozen=True)
class Grouping:
    """A way to color words by a label, and to hide those of one.

    Attributes:
        key: Short and plain: it stands in addresses.
        name: As it is to be read.
        short: The same beside a word's own label.
        labels: Names of the groups, in the order of their marks.
        of: Shape (n,). Each word's label, or `NO_LABEL`.
        rest: What words without a label are called.
    """

    key: str
    name: str
    short: str
    labels: tuple[str, ...]
    of: Ids
    rest: str


@dataclass(frozen=True)
class Measure:
    """A number for each word, to color by.

    Attributes:
        key: Short and plain: it stands in addresses.
        name: As it is to be read.
        short: The same beside a word's own number; empty where it is told otherwise.
        values: Shape (n,); NaN where there is none.
        logarithmic: Colors follow the logarithm: values are counts, 0 or more.
    """

    key: str
    name: str
    short: str
    values: Doubles
    logarithmic: bool = False


@dataclass(frozen=True)
class WordMap:
    """One map of the words.

    Attributes:
        key: Of the method, such as `tsne`.
        name: The method's.
        layout: Shape (n, 2) or (n, 3).
        kept: Shape (n,), in [0, 1]. The share of each word's neighbors that the map
            keeps, from `projection.neighbors_kept`.
        note: How it was made.
    """

    key: str
    name: str
    layout: Floats
    kept: Doubles
    note: str


def explorer_html(
    title: str,
    notes: Sequence[str],
    words: ExplorerWords,
    maps: Sequence[WordMap],
    *,
    groupings: Sequence[Grouping],
    measures: Sequence[Measure],
    kept_depth: int,
) -> bytes:
    """Return the explorer as one self-contained page.

    Vectors are in it as bytes, for the analogies that it answers; neighbors and their
    cosines are exact.

    Args:
        title: The heading.
        notes: What the page says of itself.
        words: n ≥ 1 words.
        maps: At least one; those of one method stand together, the first is shown
            at first.
        groupings: Ways to color by label; the first is shown at first.
        measures: Ways to color by number.
        kept_depth: Neighbors that the maps' shares are of.
    """
    from plotly.offline import get_plotlyjs

    quantized = quantize(words.unit)
    spec = {
        "title": title,
        "notes": list(notes),
        "words": [shown(word, LONGEST) for word in words.words],
        "ranks": packed(words.ranks, np.int32),
        "counts": packed(words.counts, np.float64),
        "dim": words.unit.shape[1],
        "vectors": packed(quantized.steps, np.int8),
        "scales": packed(quantized.scales, np.float32),
        "bound": float(f"{quantized.bound:.3g}"),
        "depth": words.neighbors.shape[1],
        "neighbors": packed(words.neighbors, np.int32),
        "cosines": packed(words.cosines, np.float32),
        "keptDepth": kept_depth,
        "maps": [
            {
                "key": each.key,
                "name": each.name,
                "dims": each.layout.shape[1],
                "places": packed(each.layout, np.float32),
                "kept": packed(np.rint(each.kept * kept_depth), np.uint8),
                "note": each.note,
            }
            for each in maps
        ],
        "groupings": [
            {
                "key": each.key,
                "name": each.name,
                "short": each.short,
                "labels": [shown(label) for label in each.labels],
                "marks": [vars(mark(i)) for i in range(len(each.labels))],
                "of": packed(each.of, np.int32),
                "rest": each.rest,
            }
            for each in groupings
        ],
        "measures": [
            {
                "key": each.key,
                "name": each.name,
                "short": each.short,
                "values": packed(each.values, np.float32),
                "logarithmic": each.logarithmic,
            }
            for each in measures
        ],
        "palette": PALETTE,
    }
    library, program = get_plotlyjs(), _program()
    page = Template(_file("explorer.html")).substitute(
        title=html.escape(title),
        hashes=" ".join(map(_csp_hash, (library, program))),
        style=_file("explorer.css"),
        library=library,
        spec=script_json(spec),
        program=program,
    )
    return page.encode()


def packed(values: npt.NDArray[Any], dtype: type[np.generic]) -> dict[str, str]:
    """Return an array as the page reads it: little-endian, in base64.

    Args:
        values: Of any shape; row by row.
        dtype: What to convert it to.
    """
    kind = np.dtype(dtype)
    content = np.ascontiguousarray(values).astype(kind.newbyteorder("<")).tobytes()
    return {"dtype": kind.name, "base64": base64.b64encode(content).decode("ascii")}


def _program() -> str:
    return '"use strict";\n(() => {\n' + "".join(map(_file, SCRIPTS)) + "})();\n"


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    """Return what a content security policy calls a script by, to run only that."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
