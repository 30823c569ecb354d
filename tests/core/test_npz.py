import errno
import hashlib
import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.npz import (
    npy_header,
    pack_json,
    pack_words,
    read_arrays,
    unpack_json,
    unpack_words,
    write_arrays,
)
from pipeline.errors import DataError, StorageError

LAYOUT = {"matrix": ("<f4", 2), "counts": ("<i8", 1), "text": ("|u1", 1)}


def arrays_of(rows=3):
    return {
        "matrix": np.arange(rows * 2, dtype=np.float32).reshape(rows, 2),
        "counts": np.arange(rows) * 10**12,
        "text": np.frombuffer(b"abc", np.uint8),
    }


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.npz"
    write_arrays(path, arrays_of(), LAYOUT)
    return path


def seal(members):
    """Return the digest that the format asks for."""
    text = b"".join(name.encode() + b"\0" + content for name, content in members)
    return hashlib.sha256(text).digest()


def forge(path, members, compression=zipfile.ZIP_STORED):
    """Write members as given, rightly sealed."""
    sealed = npy_header("|u1", (32,)) + seal(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in [*members, ("sha256", sealed)]:
            archive.writestr(f"{name}.npy", content)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def members_of(**changed):
    return [
        (name, changed.get(name, npy(array))) for name, array in arrays_of().items()
    ]


@given(
    matrix=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)),
    counts=hnp.arrays(np.int64, st.integers(0, 9)),
)
def test_arrays_come_back_as_they_were(tmp_path_factory, matrix, counts):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    given_arrays = {"matrix": matrix, "counts": counts, "text": np.empty(0, np.uint8)}

    write_arrays(path, given_arrays, LAYOUT)

    for reader in (read_arrays(path, LAYOUT), np.load(path, allow_pickle=False)):
        for name, array in given_arrays.items():
            assert reader[name].dtype == array.dtype
            np.testing.assert_array_equal(reader[name], array)


def test_arrays_come_back_writable(sound):
    arrays = read_arrays(sound, LAYOUT)

    assert all(a.flags.writeable and a.flags.c_contiguous for a in arrays.values())


def test_any_order_and_byte_order_in_memory_gives_the_same_file(tmp_path, sound):
    arrays = arrays_of()
    arrays["matrix"] = np.asfortranarray(arrays["matrix"])
    arrays["counts"] = arrays["counts"].astype(">i8")
    other = tmp_path / "other.npz"

    write_arrays(other, arrays, LAYOUT)

    assert other.read_bytes() == sound.read_bytes()


def test_more_members_than_asked_for_are_sealed_but_not_returned(tmp_path):
    path = tmp_path / "x.npz"
    forge(path, [*members_of(), ("more", b"anything")])

    assert set(read_arrays(path, LAYOUT)) == set(LAYOUT)


def test_a_file_cut_short_anywhere_is_refused(sound):
    content = sound.read_bytes()
    for length in range(len(content)):
        sound.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"sound\.npz: not a sound file"):
            read_arrays(sound, LAYOUT)


def test_a_flipped_bit_is_refused_or_lies_in_the_zips_own_fields(sound):
    content, expected = sound.read_bytes(), arrays_of()
    with zipfile.ZipFile(sound) as archive:
        members = [archive.read(name) for name in archive.namelist()]
    ours = {content.index(member) + i for member in members for i in range(len(member))}
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        sound.write_bytes(damaged)
        try:
            found = read_arrays(sound, LAYOUT)
        except DataError:
            continue
        # Such as a date, which nothing depends on.
        assert place not in ours
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


def test_changed_content_with_right_checksums_of_its_own_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    other = npy(np.ones((3, 2), np.float32))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members_of(matrix=other):
            archive.writestr(f"{name}.npy", content)
        sealed = npy_header("|u1", (32,)) + seal(members_of())
        archive.writestr("sha256.npy", sealed)

    with pytest.raises(DataError, match="does not have the SHA-256 written in it"):
        read_arrays(path, LAYOUT)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (npy_header("<f4", (10**9, 10**6)), r"claims shape .* but has 0 bytes"),
        (npy_header("<f4", (10**17, 10**17)), "claims shape"),
        (npy_header("<f4", (10**30, 1)), "unexpected header"),
        (npy_header("<f4", (2, 2)) + bytes(15), "but has 15 bytes"),
        (npy_header("<f4", (2, 2)) + bytes(17), "but has 17 bytes"),
        (npy_header("<f4", (4,)) + bytes(16), "expected 2 dimensions of <f4"),
        (npy_header("<f8", (1, 2)) + bytes(16), "expected 2 dimensions of <f4"),
        (npy(np.zeros((2, 2), ">f4")), "unexpected header"),
        (npy_header("<f4", (2, 2)).replace(b"<f4", b"<f1"), "elements of no type"),
        (npy(np.asfortranarray(np.ones((2, 2), np.float32))), "unexpected header"),
        (npy(np.array([[object()]], object)), "unexpected header"),
        (b"", "not an array of .npy format 1.0"),
        (b"\x93NUMPY\x02\x00" + bytes(20), "not an array of .npy format 1.0"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "unexpected header"),
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_made(
    tmp_path, matrix, message
):
    path = tmp_path / "x.npz"
    forge(path, members_of(matrix=matrix))

    tracemalloc.start()
    with pytest.raises(DataError, match=message):
        read_arrays(path, LAYOUT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 3_000_000  # a buffer for reading, and zipfile's own


def test_a_compressed_bomb_is_refused_before_it_unfolds(tmp_path):
    path = tmp_path / "x.npz"
    bomb = npy_header("<f4", (10**4, 10**4)) + bytes(4 * 10**8 // 20)
    forge(path, members_of(matrix=bomb), zipfile.ZIP_DEFLATED)

    tracemalloc.start()
    with pytest.raises(DataError, match="compressed or larger than the file"):
        read_arrays(path, LAYOUT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 3_000_000


def test_missing_and_repeated_members_are_named(tmp_path):
    path = tmp_path / "x.npz"
    forge(path, members_of()[:1])
    with pytest.raises(DataError, match="it holds no counts, text"):
        read_arrays(path, LAYOUT)

    with pytest.warns(UserWarning, match="Duplicate name"):
        forge(path, [*members_of(), members_of()[0]])
    with pytest.raises(DataError, match="two of its arrays have the same name"):
        read_arrays(path, LAYOUT)


def test_a_file_that_numpy_wrote_itself_has_no_seal(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **arrays_of())

    with pytest.raises(DataError, match="it holds no sha256"):
        read_arrays(path, LAYOUT)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_our_own_words(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    path.write_bytes(content)

    with pytest.raises(DataError, match="not a sound file"):
        read_arrays(path, LAYOUT)


@given(data=st.data())
def test_any_damage_of_several_bytes_is_refused_or_changes_nothing(
    tmp_path_factory, data
):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    write_arrays(path, arrays_of(), LAYOUT)
    content = bytearray(path.read_bytes())
    # The zip's directory, at the end, is what its reader goes by.
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        found = read_arrays(path, LAYOUT)
    except DataError:
        return
    for name, array in arrays_of().items():
        np.testing.assert_array_equal(found[name], array)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_arrays(tmp_path / "absent.npz", LAYOUT)
    with pytest.raises(DataError, match="directory"):
        read_arrays(tmp_path, LAYOUT)


def test_a_full_disk_is_a_storage_error_and_leaves_the_old_file(
    tmp_path, sound, monkeypatch
):
    before = sound.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(
        StorageError, match=r"sound\.npz: cannot be written: No space left"
    ):
        write_arrays(sound, arrays_of(rows=9), LAYOUT)
    assert sound.read_bytes() == before
    assert list(tmp_path.iterdir()) == [sound]


@given(st.lists(st.text(st.characters(codec="utf-8")), unique=True))
def test_words_come_back_as_they_were(words):
    text, offsets = pack_words(words)

    assert unpack_words("x", text, offsets) == tuple(words)


@pytest.mark.parametrize(
    ("text", "offsets", "message"),
    [
        (b"ab", [], "word offsets"),
        (b"ab", [1, 2], "word offsets"),
        (b"ab", [0, 1], "word offsets"),
        (b"ab", [0, 3, 2], "word offsets"),
        (b"ab", [0, -1, 2], "word offsets"),
        (b"aa", [0, 1, 2], "comes twice"),
        ("é".encode(), [0, 1, 2], "not UTF-8"),
    ],
)
def test_words_that_do_not_fit_are_refused(text, offsets, message):
    with pytest.raises(DataError, match=message):
        unpack_words("x", np.frombuffer(text, np.uint8), np.array(offsets, np.int64))


def test_json_comes_back_as_it_was():
    values = {"lr": 0.1, "none": None, "word": "é", "tiny": 2.5e-6}

    assert unpack_json("x", pack_json(values)) == values


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"9" * 10_000,
        b'"x"',
    ],
)
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(DataError, match="settings that are no"):
        unpack_json("x", np.frombuffer(text, np.uint8))
