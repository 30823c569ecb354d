"""Score our kernels beside gensim, as runs of one store, and time both.

Every trainer's vectors go through a word2vec file and `w2v evaluate`, so that all are
scored by the same suite. Speed is timed apart, an epoch of each trainer in turn, round
by round. See README.md beside this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark import (
    DIM,
    INIT,
    METHOD,
    ROOT,
    Text,
    against,
    make_gensim,
    make_trainer,
    read_text,
    rounds,
    train_epoch,
)

from pipeline.core.heldout import Heldout
from pipeline.core.minibatch import MinibatchMethod, MinibatchTrainer
from pipeline.core.randomness import generator
from pipeline.core.sampling import (
    blocks,
    build_alias_table,
    keep_probabilities,
    noise_weights,
)
from pipeline.core.sgns import Objective, initial_vectors
from pipeline.records import load_record
from pipeline.stages.ingest import ConllFilesConfig, TextFilesConfig

GENSIM = "gensim, 1 worker"
NUMPY = "w2v, kernel=numpy"
# Trainer -> what it changes of `w2v run`.
TRAINERS: Mapping[str, tuple[str, ...]] = {
    GENSIM: (),
    "w2v, 2 threads": (),
    "w2v, 1 thread, replicas=1": ("train.replicas=1",),
    NUMPY: ("train.kernel=numpy",),
}
MORE: Mapping[str, tuple[str, ...]] = {
    "w2v, replicas=4": ("train.replicas=4",),
    "w2v, replicas=8": ("train.replicas=8",),
    "w2v, init=xavier": ("train.init=xavier",),
    "w2v, shared_centers=3": ("train.shared_centers=3",),
}
SCORES = {
    "probe/f1": "probe F1",
    "similarity/ws353": "WS-353",
    "similarity/simlex999": "SimLex-999",
    "category/precision_at_10": "categories",
    "analogy/builtin/total": "analogies, built in",
    "analogy/google/total": "Google's",
}
RANDOM = {name: f"{name}_random" for name in SCORES}
UNKNOWN = "probe/unknown"
COVERAGE = {
    "probe/f1": UNKNOWN,  # what is not covered
    "similarity/ws353": "similarity/ws353_coverage",
    "similarity/simlex999": "similarity/simlex999_coverage",
    "category/precision_at_10": "category/coverage",
    "analogy/builtin/total": "analogy/builtin/coverage",
    "analogy/google/total": "analogy/google/coverage",
}


@dataclass(frozen=True)
class Source:
    """A text to train on.

    Attributes:
        config: How `ingest` reads it.
        overrides: The same for `w2v run`.
        epochs: Passes over it.
    """

    config: ConllFilesConfig | TextFilesConfig
    overrides: tuple[str, ...]
    epochs: int


def sources(data: Path) -> Mapping[str, Source]:
    """Return the texts by name."""
    conll, wiki = data / "conll2003", str(data / "wikitext2/*.txt")
    columns = ("token", "pos", "chunk", "ner")
    return {
        "CoNLL-2003": Source(
            ConllFilesConfig("conll_files", conll, None, columns),
            ("ingest=conll_files", f"ingest.path='{conll}'"),
            15,
        ),
        "WikiText-2": Source(
            TextFilesConfig("text_files", wiki, 0),
            (
                *("ingest=text_files", f"ingest.path='{wiki}'"),
                *("ingest.heldout_every=0", "train.heldout_split=null"),
            ),
            5,
        ),
    }


def make_reference(text: Text) -> MinibatchTrainer:
    """Return the NumPy trainer as the stage `train` sets it up by default."""
    counts = text.vocab.counts
    noise = build_alias_table(noise_weights(counts, 0.75))
    center, context = initial_vectors(
        INIT, (len(counts), DIM), generator(METHOD.seed, "train", "init")
    )
    objective = Objective(
        negatives=METHOD.negatives,
        batch_size=1024,
        score_clip=METHOD.score_clip,
        gradient_clip=METHOD.gradient_clip,
        log_epsilon=METHOD.log_epsilon,
    )
    return MinibatchTrainer(
        MinibatchMethod(
            objective=objective,
            epochs=1,
            words=text.tokens,
            window=METHOD.window,
            lr=METHOD.lr,
            lr_min=METHOD.lr_min,
            seed=METHOD.seed,
        ),
        blocks([text.split]),
        center,
        context,
        noise=noise,
        keep=keep_probabilities(counts, 0),
        heldout=Heldout([], METHOD.window, METHOD.negatives, 1024, noise, METHOD.seed),
    )


def measure_speed(text: Text, count: int, cache: Path) -> dict[str, dict[str, float]]:
    """Time an epoch of each trainer in turn."""
    ours = {
        "w2v, 2 threads": (2, METHOD),
        "w2v, 1 thread, replicas=1": (1, replace(METHOD, replicas=1)),
    }
    with ExitStack() as stack:
        contestants: dict[str, Callable[[], object]] = {
            GENSIM: make_gensim(text, DIM, 1, 1)
        }
        for name, (threads, method) in ours.items():
            trainer = stack.enter_context(make_trainer(text, method, threads, cache))
            contestants[name] = partial(train_epoch, trainer)
            train_epoch(trainer)  # compiles, and touches what it works on
        part = text.head(50_000)  # NumPy's speed does not depend on the length
        contestants[NUMPY] = partial(train_epoch, make_reference(part))
        seconds = rounds(contestants, count)
    seconds[NUMPY] = [t * text.tokens / part.tokens for t in seconds[NUMPY]]
    return against(seconds, text.tokens, GENSIM)


def w2v(home: Path, *arguments: object) -> str:
    """Run a command of the project; return its last line."""
    done = subprocess.run(  # noqa: S603 - the arguments are our own
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        env={**os.environ, "W2V_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.rstrip("\n").rpartition("\n")[2]


def train(
    trainer: str, seed: int, source: Source, text: Text, *, path: Path, home: Path
) -> None:
    """Train, and write the vectors as a word2vec binary file, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    if trainer == GENSIM:
        vectors = make_gensim(text, DIM, seed, source.epochs)()
        vectors.save_word2vec_format(str(unfinished), binary=True)
    else:
        changes = (*source.overrides, *{**TRAINERS, **MORE}[trainer])
        told = w2v(
            *(home, "run", *changes, f"train.epochs={source.epochs}"),
            *(f"seed={seed}", "targets=[train]"),
        )
        run = told.removeprefix("run_id: ")
        to = ("--to", unfinished, "--force")
        w2v(home, "export", run, "--format", "word2vec-binary", *to)
    unfinished.rename(path)


def score(path: Path, *, data: Path, home: Path) -> dict[str, float]:
    """Return the scores of a file of vectors, with their controls and coverage."""
    pairs = [data / f"wordsim/EN-{name}.txt" for name in ("WS-353-ALL", "SIMLEX-999")]
    listed = ",".join(f"'{path}'" for path in pairs)
    suite = (
        *sources(data)["CoNLL-2003"].overrides,
        f"evaluate.similarity_files=[{listed}]",
        f"evaluate.analogy_files=['{data / 'questions-words.txt'}']",
    )
    run = w2v(home, "evaluate", path, *suite).removeprefix("run_id: ")
    metrics = load_record(home, run).metrics
    return {
        name: metrics[name] for name in (*SCORES, *RANDOM.values(), *COVERAGE.values())
    }


def measure_analogies(questions: Path) -> dict[str, Any]:
    """Return time and memory of the analogies (`analogies.py`)."""
    script = Path(__file__).with_name("analogies.py")
    child = subprocess.run(  # noqa: S603 - the arguments are our own
        [sys.executable, str(script), str(questions)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(child.stdout))


def slug(name: str) -> str:
    """Return a name as a part of a file's name."""
    return "".join(c if c.isalnum() else "-" for c in name)


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the result as tables."""
    for text, by_trainer in result.get("scores", {}).items():
        yield f"| {text} | words/s | times gensim | {' | '.join(SCORES.values())} |"
        yield "|---|" + "---|" * (2 + len(SCORES))
        for trainer, by_seed in by_trainer.items():
            speed = result.get("speed", {}).get(text, {}).get(trainer)
            rate, ratio = (
                (f"{speed['words_per_second']:,.0f}", f"{speed['ratio']:.1f}")
                if speed
                else ("", "")
            )
            cells = [
                f"{statistics.mean(v):.3f}"
                + (f" ({min(v):.3f} to {max(v):.3f})" if len(v) > 1 else " (one seed)")
                for v in ([scored[name] for scored in by_seed] for name in SCORES)
            ]
            yield f"| {trainer} | {rate} | {ratio} | {' | '.join(cells)} |"
        one = by_trainer[GENSIM][0]
        chance = [f"{one[name]:.3f}" for name in RANDOM.values()]
        yield f"| random vectors |  |  | {' | '.join(chance)} |"
        covered = [f"{one[name]:.0%}" for name in COVERAGE.values()]
        covered[0] = f"{1 - one[UNKNOWN]:.0%}"
        yield f"| covered |  |  | {' | '.join(covered)} |"
        yield ""
    found = result.get("analogies")
    if not found:
        return
    took = ", ".join(f"{name}: {s:.1f} s" for name, s in found["seconds"].items())
    yield (
        f"{found['questions']:,} analogies among {found['words']:,} words: {took}; "
        f"{found['beside_vectors'] / 1e6:.0f} MB beside the vectors"
    )


def main() -> None:
    """Measure what is asked for, print the tables and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        help="speed, scores or analogies: measured now, the others as they were "
        "found; by default all",
    )
    parser.add_argument("--texts", nargs="*", help="by default all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="more variants of ours")
    parser.add_argument("--home", type=Path, default=ROOT / "runs" / "benchmark")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("scores.json")
    )
    options = parser.parse_args()
    data = Path(os.environ.get("W2V_SHARED", ROOT.parent / "shared")).resolve() / "data"
    home = options.home.absolute()
    parts = options.parts or ["speed", "scores", "analogies"]
    result = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
    texts = sources(data) if {"speed", "scores"} & set(parts) else {}
    seeds = range(1, options.seeds + 1)

    def keep(**found: Any) -> None:
        result.update(found)
        options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")

    keep(versions={n: version(n) for n in ("numpy", "numba", "gensim")})
    if "analogies" in parts:
        keep(analogies=measure_analogies(data / "questions-words.txt"))
    with tempfile.TemporaryDirectory() as scratch:
        for name, source in texts.items():
            if name not in (options.texts or texts):
                continue
            folder = Path(scratch) / name
            folder.mkdir()
            text = read_text(source.config, folder)
            if "speed" in parts:
                speed = measure_speed(text, 3, Path(scratch) / "numba")
                keep(speed=result.get("speed", {}) | {name: speed})
            if "scores" not in parts:
                continue
            found: dict[str, list[dict[str, float]]] = {}
            for trainer in (*TRAINERS, *(MORE if options.full else ())):
                for seed in seeds:
                    path = home / "vectors" / name / f"{slug(trainer)}-{seed}.bin"
                    train(trainer, seed, source, text, path=path, home=home)
                    scored = score(path, data=data, home=home)
                    found.setdefault(trainer, []).append(scored)
                    keep(scores=result.get("scores", {}) | {name: found})
    print("\n".join(lines(result)))


if __name__ == "__main__":
    main()
