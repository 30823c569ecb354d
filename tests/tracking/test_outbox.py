"""What waits for a tracking store: kept, read back, never lost to a kill."""

import json
import logging

import pytest

from pipeline.errors import StorageError
from pipeline.tracking.outbox import (
    Dataset,
    End,
    File,
    Model,
    Outbox,
    Params,
    Points,
    Tags,
)

ENTRIES = [
    Params({"train.dim": "200", "odd\nname": "\u2028 </script>"}),
    Points((("train/loss", 0.1 + 0.2, 3, 1_700_000_000_000), ("a", -0.0, 0, 1))),
    Tags({"git.dirty": "true"}),
    Dataset("conll2003", "abc", "ingest", "{}", "{}", "{}"),
    End("FINISHED", 1_700_000_000_001),
]


def test_entries_read_back_in_order_as_they_were_added(tmp_path):
    outbox = Outbox(tmp_path / "run")
    for entry in ENTRIES:
        outbox.add(entry)

    assert Outbox(tmp_path / "run").entries() == ENTRIES


def test_an_outbox_is_empty_until_something_is_added(tmp_path):
    outbox = Outbox(tmp_path / "run")

    assert outbox.empty
    assert outbox.entries() == []
    assert not (tmp_path / "run").exists()
    outbox.add(ENTRIES[0])
    assert not outbox.empty


def test_a_files_content_is_kept_although_the_file_goes(tmp_path):
    outbox = Outbox(tmp_path / "run")
    original = tmp_path / "scratch.html"
    original.write_bytes(b"<html>")
    outbox.add(File(original, "figures/tsne.html"))
    original.unlink()

    (entry,) = outbox.entries()

    assert isinstance(entry, File)
    assert entry.path == "figures/tsne.html"
    assert entry.local.read_bytes() == b"<html>"


def test_a_models_vectors_are_kept_although_the_file_goes(tmp_path):
    outbox = Outbox(tmp_path / "run")
    original = tmp_path / "vectors.npz"
    original.write_bytes(b"npz")
    outbox.add(Model(original, "model/vectors.npz", "words"))
    original.unlink()

    (entry,) = outbox.entries()

    assert entry.local.read_bytes() == b"npz"
    assert entry == Model(entry.local, "model/vectors.npz", "words")
    assert entry.local.is_relative_to(tmp_path / "run")


def test_what_was_sent_is_forgotten_with_its_files(tmp_path):
    outbox = Outbox(tmp_path / "run")
    (tmp_path / "f").write_bytes(b"x")
    outbox.add(ENTRIES[0])
    outbox.add(File(tmp_path / "f", "f"))

    outbox.keep_only(outbox.entries()[1:])
    assert [type(e) for e in outbox.entries()] == [File]
    assert outbox.entries()[0].local.read_bytes() == b"x"

    outbox.keep_only(())
    assert outbox.empty
    assert list((tmp_path / "run").iterdir()) == []


def test_what_was_refused_is_kept_apart_with_its_file(tmp_path):
    outbox = Outbox(tmp_path / "run")
    (tmp_path / "f").write_bytes(b"x")
    outbox.refuse(File(tmp_path / "f", "f"))

    outbox.keep_only(())

    assert outbox.empty
    assert (tmp_path / "run" / "refused.jsonl").exists()
    assert (tmp_path / "run" / "unsent" / "f").read_bytes() == b"x"


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_cut_short_by_a_kill_costs_that_line_alone(tmp_path, caplog, cut):
    outbox = Outbox(tmp_path)
    outbox.add(ENTRIES[0])
    outbox.add(ENTRIES[1])
    path = tmp_path / "unsent.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    outbox.add(ENTRIES[2])

    with caplog.at_level(logging.WARNING):
        found = outbox.entries()

    # One byte is the line's end, which costs nothing.
    assert found == [ENTRIES[0], *([ENTRIES[1]] if cut == 1 else []), ENTRIES[2]]
    assert ("damaged, not sent" in caplog.text) == (cut > 1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "other"}',
        b'{"kind": "params", "values": {"a": 1}}',
        b'{"kind": "end", "status": "RUNNING", "ended": 1}',
        b'{"kind": "params", "values": {}, "more": 1}',
        b'{"kind": "points", "points": [["a", NaN, 1, 1]]}',
        b"null",
    ],
)
def test_a_line_of_another_form_is_not_sent(tmp_path, caplog, line):
    (tmp_path / "unsent.jsonl").write_bytes(line + b"\n")

    assert Outbox(tmp_path).entries() == []
    assert "unsent.jsonl:1: damaged" in caplog.text


def test_a_disk_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")

    with pytest.raises(StorageError, match=r"unsent\.jsonl: .*set home"):
        Outbox(tmp_path / "run").add(ENTRIES[0])


@pytest.mark.parametrize("path", ["../../x", "/etc/passwd", "a/../b", "a b"])
def test_no_line_sends_a_file_from_elsewhere(tmp_path, path, caplog):
    outbox = Outbox(tmp_path / "run")
    outbox.add(ENTRIES[0])
    line = json.dumps({"kind": "file", "local": "/etc/passwd", "path": path})
    with (tmp_path / "run" / "unsent.jsonl").open("a") as file:
        file.write(f"{line}\n")

    assert outbox.entries() == ENTRIES[:1]
    assert "no artifact, not sent" in caplog.text


def test_where_a_file_lies_follows_from_its_name(tmp_path):
    outbox = Outbox(tmp_path / "run")
    outbox.add(ENTRIES[0])
    line = json.dumps({"kind": "file", "local": "/etc/passwd", "path": "a/b.png"})
    with (tmp_path / "run" / "unsent.jsonl").open("a") as file:
        file.write(f"{line}\n")

    kept = tmp_path / "run" / "unsent" / "a" / "b.png"
    assert outbox.entries()[1] == File(kept, "a/b.png")
