"""Train on a long memory-mapped text; print speed and resident memory as JSON.

Run in a process of its own, since a process's memory does not all come back:

    python experiments/benchmark/scale.py TOKENS CACHE
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from pipeline.core.heldout import Heldout
from pipeline.core.randomness import generator
from pipeline.core.replicas import Method, ReplicaTrainer
from pipeline.core.sampling import build_alias_table, keep_probabilities, noise_weights
from pipeline.core.sgns import initial_vectors
from pipeline.core.types import EncodedSplit

WORDS, DIM, SENTENCE = 50_000, 100, 20
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


def write_text(folder: Path, tokens: int) -> EncodedSplit:
    """Write words drawn by Zipf's law, and return them memory-mapped."""
    table = build_alias_table(1 / np.arange(1.0, WORDS + 1))
    rng = generator(1, "scale")
    ids = np.lib.format.open_memmap(folder / "ids.npy", "w+", np.int32, (tokens,))
    for first in range(0, tokens, 10**6):
        ids[first : first + 10**6] = table.draw(rng, (min(10**6, tokens - first),))
    ids.flush()
    np.save(folder / "offsets.npy", np.append(np.arange(0, tokens, SENTENCE), tokens))
    mapped = (np.load(folder / f"{name}.npy", "r") for name in ("ids", "offsets"))
    return EncodedSplit(*mapped)


def main() -> None:
    """Measure, and print the numbers."""
    tokens, cache = int(sys.argv[1]), Path(sys.argv[2])
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        split = write_text(Path(name), tokens)
        share = 1 / np.arange(1.0, WORDS + 1)
        counts = np.maximum(1, share / share.sum() * tokens).astype(np.int64)
        noise = build_alias_table(noise_weights(counts, 0.75))
        center, context = initial_vectors(
            "word2vec", (WORDS, DIM), generator(1, "train", "init")
        )
        with ReplicaTrainer(
            METHOD,
            [split],
            center,
            context,
            counts=counts,
            noise=noise,
            keep=keep_probabilities(counts, 0),
            heldout=Heldout([], METHOD.window, METHOD.negatives, 1024, noise, 1),
            threads=2,
            cache=cache,
        ) as trainer:
            matrices = 2 * (METHOD.replicas + 1) * center.nbytes
            del center, context
            most = 0
            trainer.train_block(0, 0)  # what is touched first is not measured
            began = time.perf_counter()
            for block in range(1, trainer.blocks):
                trainer.train_block(0, block)
                most = max(most, process.memory_info().rss)
            seconds = time.perf_counter() - began
            done = tokens * (trainer.blocks - 1) / trainer.blocks
    print(
        json.dumps(
            {
                "words_per_second": done / seconds,
                "peak_rss": most,
                "matrices": matrices,
            }
        )
    )


if __name__ == "__main__":
    main()
