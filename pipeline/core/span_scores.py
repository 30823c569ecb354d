"""F1, precision and recall of spans, and of resampled sentences."""

from collections.abc import Iterator, Mapping

from pipeline.core.conlleval import Tagset
from pipeline.core.intervals import ratios
from pipeline.core.types import Counts, Doubles


def span_groups(tagset: Tagset) -> Iterator[tuple[str, slice]]:
    """Yield the ending of a metric and which types it is of: all, then each."""
    yield "", slice(None)
    for i, kind in enumerate(tagset.kinds):
        yield f"/{kind}", slice(i, i + 1)


def resampled_measures(sums: Counts) -> Mapping[str, Doubles]:
    """Return the `f1`, `precision` and `recall` of each resample.

    Args:
        sums: Shape (resamples, types, 3). Spans correct, found and gold, as
            `conlleval.count_matches` counts them.

    Returns:
        Measure -> shape (resamples,); NaN where it is not defined.
    """
    correct, positive, true = sums.sum(axis=1).T  # (resamples,) each
    return {
        "f1": ratios(2 * correct, positive + true),
        "precision": ratios(correct, positive),
        "recall": ratios(correct, true),
    }
