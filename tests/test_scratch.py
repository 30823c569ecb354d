"""What is needed for a moment lies below home, and goes."""

import tempfile

import pytest


@pytest.mark.parametrize("tracking", ["local", "off"])
def test_a_run_holds_nothing_in_the_systems_folder(
    make_run, tmp_path, monkeypatch, tracking
):
    def refuse() -> str:
        raise AssertionError("the system's folder for temporary files was asked for")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    record = make_run(
        tmp_path,
        *("experiment=smoke", "targets=[train]", "train.kernel=numpy"),
        *("train.epochs=1", f"tracking={tracking}"),
    )

    assert "vectors/vectors.npz" in record.artifacts
    assert list((tmp_path / "tmp").iterdir()) == []
