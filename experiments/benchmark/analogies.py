"""Answer Google's analogies among 71,000 words; print seconds and memory as JSON.

Run in a process of its own, since a process's memory does not all come back:

    python experiments/benchmark/analogies.py QUESTIONS
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from pipeline.core.analogy import first_answers, read_questions
from pipeline.core.analogy_scores import by_section, score_analogies
from pipeline.core.similarity import unit_vectors
from pipeline.core.types import Controls, Embeddings, Normalization

WORDS, DIM = 71_000, 200


def make_embeddings(asked: list[str]) -> Embeddings:
    """Return vectors in random directions; the words asked are spread among all."""
    words = [f"word{i}" for i in range(WORDS)]
    distinct = list(dict.fromkeys(asked))
    for place, word in zip(
        np.linspace(0, WORDS - 1, len(distinct)).astype(int), distinct, strict=True
    ):
        words[place] = word
    center = np.random.default_rng(1).standard_normal((WORDS, DIM), np.float32)
    normalization = Normalization(lowercase=False, digits="keep")
    return Embeddings(tuple(words), center, center[:, :0], normalization)


def main() -> None:
    """Measure, and print the numbers."""
    path = Path(sys.argv[1])
    questions = read_questions(path)
    embeddings = make_embeddings([word for q in questions for word in q.words])
    unit = unit_vectors(embeddings.center)
    narrow = unit.astype(np.float32)
    sections = by_section(str(path), questions)
    asked = [
        np.array([[embeddings.ids[w] for w in q.words[:3]] for q in section], np.int32)
        for section in sections.values()
    ]
    first_answers(unit, narrow, [asked[0][:1]], None)  # compiles
    seconds = {}
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    first_answers(unit, narrow, asked, None)
    seconds["both"] = time.perf_counter() - began
    began = time.perf_counter()
    score_analogies(
        embeddings,
        unit,
        "google",
        sections,
        controls=Controls({}, 1),
        seed=1,
        cache=None,
        advance=lambda amount, shown: None,
    )
    seconds["both, with intervals"] = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "questions": len(questions),
                "words": WORDS,
                "seconds": seconds,
                "peak_rss": peak,
                "beside_vectors": peak - before,
            }
        )
    )


if __name__ == "__main__":
    main()
