"""Results that are damaged or lost go; what can be gone on with stays."""

import shutil

import pytest
from ailing import found, put, states


@pytest.mark.parametrize("damage", ["flip", "cut", "no file", "no manifest"])
def test_a_damaged_object_goes_with_its_record(tmp_path, damage):
    key, digest = put(tmp_path)
    put(tmp_path, 2.0)
    folder = tmp_path / "cache" / "objects" / digest
    file = folder / "fields.json"
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "no file":
        file.unlink()
    else:
        (folder / "manifest.json").unlink()
        file.unlink()

    assert found(tmp_path) == ["damaged cache object"]
    assert states(tmp_path) == {"damaged cache object": "mended"}

    assert not folder.exists()
    assert not (tmp_path / "cache" / "records" / "toy" / f"{key}.json").exists()
    assert found(tmp_path) == []
    put(tmp_path)
    assert found(tmp_path) == []


def test_orphans_and_records_without_objects_go(tmp_path):
    (_, orphan), (lost, digest) = put(tmp_path), put(tmp_path, 2.0)
    records = tmp_path / "cache" / "records" / "toy"
    for path in records.iterdir():
        if path.stem != lost:
            path.unlink()
    shutil.rmtree(tmp_path / "cache" / "objects" / digest)
    (records / "damaged.json").write_text('{"half')

    assert sorted(found(tmp_path)) == [
        "cache record without its objects",
        "damaged cache record",
        "orphaned cache object",
    ]
    assert set(states(tmp_path).values()) == {"mended"}
    assert list(records.iterdir()) == []
    assert not (tmp_path / "cache" / "objects" / orphan).exists()
    assert found(tmp_path) == []


def test_a_damaged_checkpoint_goes_and_a_workspace_stays(tmp_path):
    workspace = tmp_path / "cache" / "workspaces" / "train-k"
    workspace.mkdir(parents=True)
    (workspace / "checkpoint-0003.npz").write_bytes(b"half")

    assert found(tmp_path) == ["damaged checkpoint"]
    assert states(tmp_path) == {
        "damaged checkpoint": "mended",
        "unfinished stage": "note",
    }
    assert list(workspace.iterdir()) == []
