"""Measure what each part of the tagger is worth, and what word vectors add to it.

    python experiments/hmm/steps.py steps DIR      each part, on valid
    python experiments/hmm/steps.py classes DIR    word classes, three vector seeds
    python experiments/hmm/steps.py expected DIR   the numbers of expected.json

DIR holds CoNLL-2003. Results are kept below W2V_HOME: what is there is not repeated.
"""

import argparse
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir

from pipeline.composition import config_folder
from pipeline.config import plain_values
from pipeline.core.statistics import mean_interval
from pipeline.loading import read_values
from pipeline.records import RunRecord
from pipeline.run import run_pipeline

HERE = Path(__file__).resolve().parent

STREAMS = (
    *("prefix", "previous", "next", "previous2", "next2"),
    *("pair", "shapes", "sentence"),
)

# From Brants's tagger on, a part at a time: name, and what it changes.
STEPS: Sequence[tuple[str, Mapping[str, str]]] = (
    (
        "first order, additive smoothing; words as in TnT, states as tags are written",
        {
            "tag.transitions.order": "1",
            "tag.transitions.smoothing": "additive",
            "tag.transitions.scheme": "iob2",
            "tag.emissions.affix_strength": "theta",
            "tag.emissions.word_strength": "0.0",
            "tag.weights.word": "1.0",
            **{f"tag.weights.{name}": "0.0" for name in STREAMS},
        },
    ),
    ("deleted interpolation", {"tag.transitions.smoothing": "interpolation"}),
    ("second order: TnT, with shapes", {"tag.transitions.order": "2"}),
    (
        "affixes and words lean by their counts",
        {"tag.emissions.affix_strength": "", "tag.emissions.word_strength": ""},
    ),
    ("states in BIOES", {"tag.transitions.scheme": "bioes"}),
    ("the words beside it", {"tag.weights.previous": "", "tag.weights.next": ""}),
    ("two words on", {"tag.weights.previous2": "", "tag.weights.next2": ""}),
    ("pairs of words", {"tag.weights.pair": ""}),
    ("shapes around it", {"tag.weights.shapes": ""}),
    ("the sentence's pattern", {"tag.weights.sentence": ""}),
    ("prefixes: the default", {"tag.weights.prefix": "", "tag.weights.word": ""}),
)

SEEDS = (1, 2, 3)

# Splits whose text vectors are trained on, without their tags.
TEXTS = {
    "train": ("vocab.splits=[train]",),
    "all three splits": ("vocab.splits=[train,valid,test]", "train.heldout_split=null"),
}

# With and without what stands beside a word.
MODELS = {
    "words alone": (
        "tag.weights.word=1.0",
        *(f"tag.weights.{name}=0.0" for name in STREAMS),
    ),
    "default": (),
}

MEASURES = ("tag/valid/f1", "tag/test/f1")


def run(folder: Path, *overrides: str) -> RunRecord:
    """Run the pipeline on the corpus, untracked; what is in the cache is not rerun."""
    home = os.environ.get("W2V_HOME", "runs")
    arguments = [
        *("ingest=conll_files", f"ingest.path={folder}", f"home={home}"),
        *overrides,
    ]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        composed = compose("config", arguments)
    config, values = read_values(plain_values(composed))
    return run_pipeline(config, values, arguments, on_end=lambda _: None)


def tag(folder: Path, *overrides: str) -> Mapping[str, float]:
    """Return the metrics of the preset with some keys changed."""
    return run(folder, "experiment=hmm", "tracking=off", *overrides).metrics


def measure_steps(folder: Path) -> None:
    """Print F1 on valid, a part more in each row."""
    settings: dict[str, str] = {}
    before = None
    print("| a part more in each row | F1 | gain | LOC | MISC | ORG | PER |")
    print("|---|---|---|---|---|---|---|")
    for name, changes in STEPS:
        settings |= changes
        overrides = [f"{key}={value}" for key, value in settings.items() if value]
        found = tag(folder, "tag.final=false", *overrides)
        f1 = found["tag/valid/f1"]
        gain = "" if before is None else f"{100 * (f1 - before):+.2f}"
        kinds = (found[f"tag/valid/f1/{k}"] for k in ("LOC", "MISC", "ORG", "PER"))
        print(f"| {name} | {_percent(f1)} | {gain} |", end="")
        print("".join(f" {_percent(value)} |" for value in kinds), flush=True)
        before = f1
    print()
    print("| the default, but | F1 | change |")
    print("|---|---|---|")
    for name, override in (
        *((f"without {name}", f"tag.weights.{name}=0.0") for name in STREAMS),
        ("of the first order", "tag.transitions.order=1"),
        ("with additive smoothing", "tag.transitions.smoothing=additive"),
        ("with states in IOB2", "tag.transitions.scheme=iob2"),
        ("two passes over untagged text", "tag.transitions.unlabeled_passes=2"),
    ):
        f1 = tag(folder, "tag.final=false", override)["tag/valid/f1"]
        print(f"| {name} | {_percent(f1)} | {100 * (f1 - before):+.2f} |", flush=True)


def measure_classes(folder: Path) -> None:
    """Print what word classes add, over vector seeds."""
    print("| model | vectors of | split | alone | with classes, by seed | gain |")
    print("|---|---|---|---|---|---|")
    for text, settings in TEXTS.items():
        vectors = [
            run(
                folder,
                *("vocab.digits=zero", "targets=[train]", "tracking=off"),
                *(*settings, f"seed={seed}"),
            ).run_id
            for seed in SEEDS
        ]
        for model, overrides in MODELS.items():
            alone = tag(folder, *overrides)
            helped = [tag(folder, *overrides, f"{_CLASSES}={v}") for v in vectors]
            for measure in MEASURES:
                scores = np.array([found[measure] for found in helped])
                gain = mean_interval(scores - alone[measure])
                shown = ", ".join(map(_percent, scores))
                print(
                    f"| {model} | {text} | {measure.split('/')[1]} "
                    f"| {_percent(alone[measure])} | {shown} | {100 * gain.mean:+.2f} "
                    f"({100 * gain.low:+.2f} to {100 * gain.high:+.2f}) |",
                    flush=True,
                )


_CLASSES = "tag.word_classes"


_WHOLE = r"tag/\w+/(accuracy|accuracy_unknown|unknown|f1|precision|recall)"

# Option of the group tag -> what is expected of it. Some types of chunks are so rare
# that their scores are of a few.
_EXPECTED = {"default": rf"{_WHOLE}|tag/\w+/f1/\w+", "chunk": _WHOLE, "pos": _WHOLE}


def measure_expected(folder: Path) -> None:
    """Write the numbers of the preset beside this file."""
    found = {
        option: {
            name: round(value, 6)
            for name, value in tag(folder, f"tag={option}").items()
            if re.fullmatch(_EXPECTED[option], name)
        }
        for option in _EXPECTED
    }
    text = json.dumps(found, indent=2, sort_keys=True)
    (HERE / "expected.json").write_text(f"{text}\n", encoding="utf-8")


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def main() -> None:
    """Measure what is asked for."""
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    questions = {
        "steps": measure_steps,
        "classes": measure_classes,
        "expected": measure_expected,
    }
    parser.add_argument("what", choices=questions)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    questions[given.what](given.folder.absolute())


if __name__ == "__main__":
    main()
