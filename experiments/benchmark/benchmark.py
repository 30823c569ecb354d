"""Measure the compiled kernel against gensim and against the machine.

Everything that is compared is timed in turn, round by round, in one process, so that
a busy machine slows all of it; what is reported are medians over the rounds and of
the ratios within a round. See README.md beside this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gensim.models import Word2Vec
from threadpoolctl import threadpool_limits

from pipeline.core import plain_kernel
from pipeline.core.groups import make_noise
from pipeline.core.heldout import Heldout
from pipeline.core.kernel import compile_kernel
from pipeline.core.randomness import generator
from pipeline.core.replicas import Method, ReplicaTrainer, _settings
from pipeline.core.sampling import (
    build_alias_table,
    keep_probabilities,
    noise_weights,
)
from pipeline.core.sgns import initial_vectors
from pipeline.core.types import (
    EncodedSplit,
    Vocab,
)
from pipeline.report import Report
from pipeline.stages.ingest import (
    ConllFilesConfig,
    NewswireConfig,
    TextFilesConfig,
    ingest,
)
from pipeline.stages.vocab import VocabConfig, vocab

ROOT = Path(__file__).resolve().parents[2]
METHOD = Method(
    epochs=1,
    window=5,
    negatives=10,
    shared_centers=2,
    lr=0.025,
    lr_min=2.5e-6,
    score_clip=10.0,
    gradient_clip=5.0,
    log_epsilon=1e-10,
    replicas=2,
    staleness=50_000,
    seed=1,
)
THREE = replace(METHOD, shared_centers=3)
DIM = 200
EPOCHS = 15
INIT: Literal["xavier", "word2vec"] = "word2vec"


@dataclass(frozen=True)
class Text:
    """A text to train on.

    Attributes:
        vocab: Its words.
        split: Its tokens, all of them known.
    """

    vocab: Vocab
    split: EncodedSplit

    @property
    def tokens(self) -> int:
        """How many tokens it has."""
        return len(self.split.ids)

    def sentences(self) -> list[list[str]]:
        """Return the text as gensim takes it."""
        words = self.vocab.words
        ids, bounds = self.split.ids.tolist(), self.split.offsets.tolist()
        return [[words[i] for i in ids[a:b]] for a, b in pairwise(bounds)]

    def head(self, tokens: int) -> "Text":
        """Return the sentences that begin among the first tokens."""
        last = int(np.searchsorted(self.split.offsets, tokens))
        offsets = self.split.offsets[: last + 1]
        return Text(self.vocab, EncodedSplit(self.split.ids[: offsets[-1]], offsets))


def read_text(
    source: ConllFilesConfig | NewswireConfig | TextFilesConfig, folder: Path
) -> Text:
    """Run the stages that come before training, and return the split `train`."""
    corpus = ingest(source, workspace=folder, report=Report())
    words, encoded = vocab(
        VocabConfig(("train",), True, "keep", 0, None),
        corpus,
        workspace=folder,
        report=Report(),
    )
    return Text(words, encoded.splits["train"])


def newswire(tokens: int, folder: Path) -> Text:
    """Return generated text of at least so many tokens."""
    folder.mkdir()
    source = NewswireConfig("newswire", tokens // 13 + 1000, 0, 0, 1)
    return read_text(source, folder).head(tokens)


def make_trainer(
    text: Text,
    method: Method,
    threads: int,
    cache: Path,
    *,
    dim: int = DIM,
    init: Literal["xavier", "word2vec"] = INIT,
) -> ReplicaTrainer:
    """Return a trainer set up as the stage `train` sets it up by default."""
    counts = text.vocab.counts
    noise = build_alias_table(noise_weights(counts, 0.75))
    center, context = initial_vectors(
        init, (len(counts), dim), generator(method.seed, "train", "init")
    )
    return ReplicaTrainer(
        method,
        [text.split],
        center,
        context,
        counts=counts,
        noise=noise,
        keep=keep_probabilities(counts, 0),
        heldout=Heldout([], method.window, method.negatives, 1024, noise, method.seed),
        threads=threads,
        cache=cache,
    )


def train_epoch(trainer: ReplicaTrainer, epoch: int = 0) -> None:
    """Train on all blocks once."""
    for block in range(trainer.blocks):
        trainer.train_block(epoch, block)


def make_gensim(text: Text, dim: int, seed: int, epochs: int) -> Callable[[], Any]:
    """Return what trains a gensim model with one worker and gives its vectors."""
    sentences = text.sentences()

    def fresh() -> Word2Vec:
        model = Word2Vec(
            vector_size=dim,
            window=METHOD.window,
            min_count=1,
            sg=1,
            hs=0,
            negative=METHOD.negatives,
            sample=0,
            alpha=METHOD.lr,
            min_alpha=METHOD.lr_min,
            workers=1,
            seed=seed,
            epochs=epochs,
        )
        model.build_vocab(sentences)
        return model

    model = fresh()

    def train() -> Any:
        model.train(sentences, total_examples=len(sentences), epochs=epochs)
        return model.wv

    return train


def rounds(
    contestants: Mapping[str, Callable[[], object]], count: int
) -> dict[str, list[float]]:
    """Return the seconds that each takes, in turn, `count` times."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(count):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def against(
    seconds: Mapping[str, Sequence[float]], tokens: int, yardstick: str
) -> dict[str, dict[str, float]]:
    """Return words/s and the median ratio to the yardstick within a round."""
    return {
        name: {
            "words_per_second": tokens / statistics.median(times),
            "ratio": statistics.median(
                base / t for base, t in zip(seconds[yardstick], times, strict=True)
            ),
        }
        for name, times in seconds.items()
    }


def measure_speed(
    text: Text, count: int, cache: Path, gensim_tokens: int
) -> dict[str, dict[str, float]]:
    """Time an epoch of each contestant; gensim on a part of a long text."""
    part = text.head(gensim_tokens)
    with (
        make_trainer(text, METHOD, 1, cache) as one,
        make_trainer(text, METHOD, 2, cache) as two,
        make_trainer(text, replace(METHOD, replicas=1), 1, cache) as single,
        make_trainer(text, replace(THREE, replicas=1), 1, cache) as single_three,
        make_trainer(text, THREE, 2, cache) as two_three,
    ):
        gensim = make_gensim(part, DIM, 1, 1)
        seconds = rounds(
            {
                "gensim, 1 worker": gensim,
                "1 thread": lambda: train_epoch(one),
                "2 threads": lambda: train_epoch(two),
                "1 thread, replicas=1": lambda: train_epoch(single),
                "1 thread, replicas=1, shared_centers=3": lambda: train_epoch(
                    single_three
                ),
                "2 threads, shared_centers=3": lambda: train_epoch(two_three),
            },
            count,
        )
    scale = text.tokens / part.tokens
    seconds["gensim, 1 worker"] = [t * scale for t in seconds["gensim, 1 worker"]]
    return against(seconds, text.tokens, "gensim, 1 worker")


def measure_guards(text: Text, count: int, cache: Path) -> dict[str, float]:
    """Return what the loss and gradient clipping cost, as parts of the time with both.

    Summed over the epochs of a whole training, as more is clipped when vectors have
    grown. In each epoch all begin with the same matrices, at the same places in memory.
    """
    unclipped = compile_kernel(cache, left_over=False, clipped=False)
    method = replace(METHOD, replicas=1, epochs=EPOCHS)
    totals: dict[str, list[float]] = {"both": [], "loss": [], "gradient_clip": []}
    for _ in range(count):
        with make_trainer(text, method, 1, cache) as trainer:
            both, clipping = trainer._settings, trainer._train
            forms = {
                "both": (both, clipping),
                # The first group of a share counts in any case.
                "loss": (both._replace(loss_every=2**40), clipping),
                "gradient_clip": (both, unclipped),
            }
            spent = dict.fromkeys(forms, 0.0)
            for epoch in range(EPOCHS):
                before = [matrix.copy() for matrix in trainer._merged]
                # The last goes on from where all began, and is not counted.
                turns = [*rotated(list(forms), epoch), "both"]
                for number, name in enumerate(turns):
                    for matrix, values in zip(trainer._merged, before, strict=True):
                        matrix[:] = values
                    trainer._settings, trainer._train = forms[name]
                    began = time.perf_counter()
                    train_epoch(trainer, epoch)
                    if number < len(forms):
                        spent[name] += time.perf_counter() - began
        for name, seconds in spent.items():
            totals[name].append(seconds)
    return {
        name: 1
        - statistics.median(
            b / a for a, b in zip(totals["both"], totals[name], strict=True)
        )
        for name in ("loss", "gradient_clip")
    }


def rotated(names: list[str], by: int) -> list[str]:
    """Return names in the same circle, beginning with another."""
    first = by % len(names)
    return names[first:] + names[:first]


def run_scale(tokens: int, cache: Path, **environment: str) -> dict[str, float]:
    """Train on so many tokens in a process of its own (`scale.py`)."""
    script = Path(__file__).with_name("scale.py")
    command = [sys.executable, str(script), str(tokens), str(cache)]
    child = subprocess.run(  # noqa: S603 - the arguments are our own
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(child.stdout))


def measure_scale(
    sizes: Sequence[int], count: int, cache: Path
) -> dict[str, dict[str, float]]:
    """Return speed and memory by length of the text, medians over rounds.

    The longest takes part in the first round alone.
    """
    run_scale(10**5, cache)  # compiles
    found: dict[str, list[dict[str, float]]] = {f"{size:,}": [] for size in sizes}
    for again in range(count):
        for size in sizes[:-1] if again else sizes:
            found[f"{size:,}"].append(run_scale(size, cache))
    return {
        size: {
            name: statistics.median(run[name] for run in runs)
            for name in ("words_per_second", "peak_rss", "matrices")
        }
        for size, runs in found.items()
    }


def measure_avx2(count: int, cache: Path) -> float:
    """Return the speed with AVX2 alone, as a part of that with all this machine has."""
    # An empty list of features as well: the name alone keeps those of this processor.
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    for environment in ({}, haswell):
        run_scale(10**5, cache, **environment)  # compiles
    speeds = [
        [run_scale(10**6, cache, **e)["words_per_second"] for e in ({}, haswell)]
        for _ in range(count)
    ]
    return statistics.median(haswell / native for native, haswell in speeds)


def flops_per_token(text: Text) -> float:
    """Return the arithmetic of a token at dim 1, counted on some sentences.

    Each neighbor of a group meets each of its distinct output rows in a product, in
    the row's step and in its own: 6 operations per float.
    """
    settings = _settings(METHOD, text.tokens)
    counts = text.vocab.counts
    table = build_alias_table(noise_weights(counts, 0.75))
    noise = make_noise(table, np.ones(len(counts)))
    operations, tokens = 0, 0
    bounds = text.split.offsets[:400].tolist()
    for a, b in pairwise(bounds):
        ids = text.split.ids[a:b]
        sentence = list(plain_kernel.read_words(ids, a, noise, settings))
        first, tokens = 0, tokens + len(sentence)
        while first < len(sentence):
            stop = plain_kernel.group_end(sentence, first, METHOD.shared_centers)
            group = range(first, stop)
            rows = {sentence[i].word for i in group} | set(
                plain_kernel.draw_negatives(sentence[first].token, noise, settings)
            )
            twos = plain_kernel.neighbors_in_twos(sentence, group, METHOD.window)
            operations += 6 * len(rows) * sum(map(len, twos))
            first = stop
    return operations / tokens


def measure_sgemm(count: int) -> float:
    """Return one core's FLOP/s in a product of matrices in the cache."""
    size = 1024
    a, b = np.random.default_rng(1).random((2, size, size), np.float32)
    with threadpool_limits(1):
        seconds = rounds({"sgemm": lambda: a @ b}, max(20, count))["sgemm"]
    return 2 * size**3 / statistics.median(seconds)


def measure_dims(
    text: Text, dims: Sequence[int], count: int, cache: Path
) -> dict[str, float]:
    """Return words/s on two threads by width of the vectors."""
    found = {}
    for dim in dims:
        with make_trainer(text, METHOD, 2, cache, dim=dim) as trainer:
            train_epoch(trainer)
            took = rounds({"": lambda t=trainer: train_epoch(t)}, count)[""]
        found[str(dim)] = text.tokens / statistics.median(took)
    return found


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the result as tables."""
    yield "| text | trainer | words/s | times gensim | bar | aim |"
    yield "|---|---|---|---|---|---|"
    bars = {"1 thread": "9 | 14", "2 threads": "14 | 22"}
    for text, rows in result["speed"].items():
        for name, row in rows.items():
            yield (
                f"| {text} | {name} | {row['words_per_second']:,.0f} "
                f"| {row['ratio']:.1f} | {bars.get(name.partition(',')[0], ' | ')} |"
            )
    yield ""
    yield f"share of one core's sgemm: {result['sgemm_share']:.0%}"
    yield (
        f"the loss costs {result['guards']['loss']:.1%} (bar 3%), gradient clipping "
        f"{result['guards']['gradient_clip']:.1%} (bar 8%)"
    )
    yield f"with AVX2 alone: {result['avx2']:.0%} of the speed"
    yield ""
    yield "| tokens (dim 100, 2 threads) | words/s | memory | of which matrices |"
    yield "|---|---|---|---|"
    for tokens, row in result["scale"].items():
        memory, matrices = row["peak_rss"] / 1e6, row["matrices"] / 1e6
        yield (
            f"| {tokens} | {row['words_per_second']:,.0f} | {memory:.0f} MB "
            f"| {matrices:.0f} MB |"
        )
    yield ""
    yield "words/s on 2 threads by dim: " + ", ".join(
        f"{dim}: {speed:,.0f}" for dim, speed in result["dim"].items()
    )


def main() -> None:
    """Measure, print the tables and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("benchmark.json")
    )
    options = parser.parse_args()
    shared = Path(os.environ.get("W2V_SHARED", ROOT.parent / "shared"))
    count = 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "numba"
        (folder / "conll").mkdir()
        source = ConllFilesConfig(
            "conll_files",
            shared / "data/conll2003",
            None,
            ("token", "pos", "chunk", "ner"),
        )
        conll = read_text(source, folder / "conll")
        news = newswire(5_000_000, folder / "news")
        speed = {
            "CoNLL-2003": measure_speed(conll, count, cache, conll.tokens),
            "5 million generated": measure_speed(news, count, cache, 300_000),
        }
        flops = flops_per_token(conll) * DIM
        rate = speed["CoNLL-2003"]["1 thread, replicas=1"]["words_per_second"]
        sgemm = measure_sgemm(count)
        result = {
            "versions": {n: version(n) for n in ("numpy", "numba", "gensim")},
            "speed": speed,
            "sgemm_gflops": sgemm / 1e9,
            "kernel_gflops": flops * rate / 1e9,
            "sgemm_share": flops * rate / sgemm,
            "guards": measure_guards(conll, count, cache),
            "avx2": measure_avx2(3, cache),
            "scale": measure_scale((10**6, 10**7, 10**8), 3, cache),
            "dim": measure_dims(news.head(500_000), (50, 100, 200, 300), 5, cache),
        }
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print("\n".join(lines(result)))


if __name__ == "__main__":
    main()
