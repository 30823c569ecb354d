import errno
import resource
import signal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.core import corpus
from pipeline.core.corpus import SplitWriter


def batch(sentences, **tags):
    columns = {"tokens": sentences, **tags}
    return pa.record_batch(
        {name: pa.array(c, pa.list_(pa.string())) for name, c in columns.items()}
    )


def write(path, batches):
    with SplitWriter(path) as writer:
        for each in batches:
            writer.add(each)
        return writer, writer.finish()


sentence = st.lists(st.text(alphabet="aé\u2028", max_size=5), min_size=1, max_size=6)


@settings(deadline=None)
@given(
    st.lists(sentence, min_size=1, max_size=40),
    st.lists(st.integers(1, 15), min_size=40, max_size=40),
)
@example([["aa"]] * 20, [8] * 40)  # what is left of a batch must wait for more
def test_the_file_depends_on_the_sentences_not_on_how_they_came(
    tmp_path_factory, sentences, sizes
):
    folder = tmp_path_factory.mktemp("split")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "BATCH_SENTENCES", 7)
        patch.setattr(corpus, "BATCH_BYTES", 30)
        _, whole = write(folder / "whole.arrow", [batch(sentences)])

        pieces, start = [], 0
        for size in sizes:
            pieces.append(batch(sentences).slice(start, size))  # some are empty
            start += size
        writer, table = write(folder / "pieces.arrow", pieces)

    written = (folder / "pieces.arrow").read_bytes()
    assert written == (folder / "whole.arrow").read_bytes()
    assert table["tokens"].to_pylist() == sentences
    assert writer.sentences == len(sentences)
    assert writer.tokens == sum(map(len, sentences))
    for piece in whole.to_batches():
        size = sum(len(t.encode()) for s in piece["tokens"].to_pylist() for t in s)
        assert piece.num_rows == 1 or (piece.num_rows <= 7 and size <= 30)


def test_batches_are_as_large_as_they_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "BATCH_SENTENCES", 4)
    monkeypatch.setattr(corpus, "BATCH_BYTES", 10)
    words = ["a", "b", "c", "d", "e", "fffff", "ggggg", "h", "i" * 30, "j"]

    _, table = write(tmp_path / "split.arrow", [batch([[word] for word in words])])

    sizes = [each.num_rows for each in table.to_batches()]
    assert sizes == [4, 2, 2, 1, 1]  # abcd, e+fffff (6), ggggg+h, i, j


def test_tags_and_types_are_kept_in_one_form(tmp_path):
    large = pa.record_batch(
        {
            "tokens": pa.array([["a", "b"], ["c"]], pa.large_list(pa.large_string())),
            "ner": pa.array([["O", "B-X"], ["O"]], pa.list_(pa.string())),
        }
    )

    _, table = write(tmp_path / "split.arrow", [large])

    assert table.schema.types == [pa.list_(pa.string())] * 2
    assert table.to_pydict() == {
        "tokens": [["a", "b"], ["c"]],
        "ner": [["O", "B-X"], ["O"]],
    }


def test_the_table_is_mapped_not_loaded(tmp_path):
    sentences = batch([["word"] * 1000] * 1000)
    before = pa.total_allocated_bytes()

    _, table = write(tmp_path / "split.arrow", [sentences])

    assert table.nbytes > 8_000_000
    # Schemas and the like; the words themselves stay on disk.
    assert pa.total_allocated_bytes() - before < 100_000


def test_an_interrupted_split_leaves_nothing(tmp_path):
    def interrupted():
        with SplitWriter(tmp_path / "split.arrow") as writer:
            writer.add(batch([["a"]]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert list(tmp_path.iterdir()) == []


def test_a_split_is_replaced_only_by_a_whole_one(tmp_path):
    path = tmp_path / "split.arrow"
    write(path, [batch([["old"]])])

    with SplitWriter(path) as writer:
        writer.add(batch([["new"]]))
        assert pa.ipc.open_file(path).read_all()["tokens"].to_pylist() == [["old"]]
        writer.finish()

    assert pa.ipc.open_file(path).read_all()["tokens"].to_pylist() == [["new"]]
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_takes_no_more_says_why_and_keeps_nothing(tmp_path):
    # A limit on the size of files stands in for a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError, match="File too large") as caught:
            write(tmp_path / "split.arrow", [batch([["word"] * 100] * 10_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
