"""Sizes are read and written as people do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.sizes import parse_size, show_size, size_on_disk


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("17", 17),
        ("5GB", 5_000_000_000),
        ("500 mb", 500_000_000),
        ("1.5GiB", 1_610_612_736),
        ("2kB", 2_000),
        (" 3 B ", 3),
    ],
)
def test_a_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "five", "-1GB", "5 gigabytes", "1e3", "5XB", ".", "\u0665GB"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="is no size"):
        parse_size(text)


@given(st.integers(0, 10**16))
def test_a_size_shown_is_nearly_the_size(size):
    # One digit behind the point of at least 1.0: half a tenth off at most.
    assert parse_size(show_size(size)) == pytest.approx(size, rel=0.051)


def test_a_folder_takes_what_its_files_take(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"123")

    assert size_on_disk(tmp_path) == 8
    assert size_on_disk(tmp_path / "gone") == 0
