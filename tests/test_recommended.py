"""What experiments/recommended/README.md says of its preset holds."""

import pytest

from pipeline.core.similarity import find_most_similar
from pipeline.core.wordlists import CATEGORIES
from pipeline.loading import load


@pytest.mark.slow
def test_the_recommended_setting_lists_neighbors_of_the_words_kind(
    make_run, shared, tmp_path
):
    record = make_run(
        tmp_path,
        *("experiment=recommended", "tracking=off", "targets=[evaluate]"),
        *("ingest=conll_files", f"ingest.path={shared / 'data' / 'conll2003'}"),
        "evaluate.builtin_analogies=false",
    )

    vectors = load(record.run_id, tmp_path)
    near = {
        word: [neighbor for neighbor, _ in find_most_similar(vectors, word, top_k=8)]
        for word in ("germany", "soccer")
    }
    countries = {word.lower() for word in CATEGORIES["countries"]}
    # Of three seeds, at least 7 are countries, and with the defaults of train P@10 is
    # .152 to .157, with this preset .20 and more.
    assert len(countries & set(near["germany"])) >= 6
    assert {"baseball", "basketball"} & set(near["soccer"])
    assert record.metrics["category/precision_at_10"] > 0.185
