"""Time the original word2vec.c, gensim and our kernel, in turn, round by round.

    pip download --no-binary :all: --no-deps word2vec==0.11.1    # holds word2vec.c
    tar xzf word2vec-0.11.1.tar.gz
    python experiments/benchmark/original.py word2vec-0.11.1

It needs a C compiler, and CoNLL-2003 in W2V_SHARED (default ../shared). word2vec.c
reads its text and counts its words within a run, so what is timed is the difference
between trainings of three epochs and of one; of the others, an epoch.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmark import (
    DIM,
    METHOD,
    ROOT,
    Text,
    make_gensim,
    make_trainer,
    read_text,
    train_epoch,
)

from pipeline.stages.ingest import ConllFilesConfig

# Those of word2vec.c's own makefile, with -Ofast, which it calls faster.
FLAGS = ("-pthread", "-Ofast", "-march=native", "-funroll-loops", "-w")


def build(source: Path, folder: Path) -> Path:
    """Compile word2vec.c and return the program."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("expected a C compiler named cc on the path, found none")
    program = folder / "word2vec"
    if source.is_dir():
        source = source / "word2vec" / "includes" / "word2vec.c"
    command = [compiler, source, "-o", program, *FLAGS, "-lm"]
    subprocess.run([*map(str, command)], check=True)  # noqa: S603
    return program


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def original_rate(program: Path, text: Path, tokens: int, threads: int) -> float:
    """Return the words a second of word2vec.c, training alone."""

    def train(epochs: int) -> None:
        settings = {
            "train": text,
            "output": text.with_name("vectors.bin"),
            "size": DIM,
            "window": METHOD.window,
            "negative": METHOD.negatives,
            "alpha": METHOD.lr,
            "hs": 0,
            "cbow": 0,
            "sample": 0,
            "min-count": 0,
            "binary": 1,
            "debug": 0,
            "iter": epochs,
            "threads": threads,
        }
        options = [part for name, value in settings.items() for part in (name, value)]
        options[::2] = [f"-{name}" for name in options[::2]]
        command = [str(program), *map(str, options)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603

    return 2 * tokens / (timed(lambda: train(3)) - timed(lambda: train(1)))


def rate(text: Text, train: Callable[[], object]) -> float:
    """Return the words a second of an epoch."""
    return text.tokens / timed(train)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="word2vec.c, or a folder of it")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    shared = Path(os.environ.get("W2V_SHARED", ROOT.parent / "shared"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work, cache, plain = folder / "text", folder / "numba", folder / "plain.txt"
        work.mkdir()
        program = build(options.source, folder)
        columns = ("token", "pos", "chunk", "ner")
        source = ConllFilesConfig(
            "conll_files", shared / "data/conll2003", None, columns
        )
        text = read_text(source, work)
        lines = (" ".join(sentence) for sentence in text.sentences())
        plain.write_text("\n".join(lines) + "\n", "utf-8")
        gensim = make_gensim(text, DIM, METHOD.seed, 1)
        for threads in (1, 2):
            trainer = make_trainer(text, METHOD, threads, cache)
            train_epoch(trainer)  # compiles
            rounds = [
                (
                    rate(text, gensim),
                    original_rate(program, plain, text.tokens, threads),
                    rate(text, partial(train_epoch, trainer)),
                )
                for _ in range(options.rounds)
            ]
            for trained_by, rates, ratios in zip(
                ("gensim, 1 worker", "word2vec.c", "w2v"),
                zip(*rounds, strict=True),
                zip(*([each / row[1] for each in row] for row in rounds), strict=True),
                strict=True,
            ):
                median, ratio = statistics.median(rates), statistics.median(ratios)
                print(
                    f"{threads} threads  {trained_by:<18}{median:>10,.0f} words/s  "
                    f"{ratio:>5.1f} times word2vec.c"
                )


if __name__ == "__main__":
    main()
