"""The notebooks run from their first cell to their last."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "experiments").rglob("*.ipynb"))
TINY = (
    "ingest.sentences=400 ingest.valid_sentences=40 ingest.test_sentences=40 "
    "train.epochs=2 train.kernel=numpy"
)
CELL_SECONDS = 900  # a cell that hangs ends; how long one takes is nobody's claim


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=label)
def test_a_notebook_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def execute(path: Path, folder: Path, settings: Mapping[str, str]) -> list[str]:
    """Run a notebook in a folder; return what each of its code cells printed."""
    notebook = nbformat.read(path, as_version=4)
    scratch = folder / ".jupyter"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(scratch),
        "JUPYTER_CONFIG_DIR": str(scratch),
        "JUPYTER_DATA_DIR": str(scratch),
        "JUPYTER_RUNTIME_DIR": str(scratch),
        **settings,
    }
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    printed = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            outputs = [output for output in cell.outputs if "text" in output]
            printed.append("".join(output.text for output in outputs))
    return printed


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_kaggle_notebook_goes_on_in_its_next_version(tmp_path):
    notebook = ROOT / "experiments" / "kaggle" / "word2vec_kaggle.ipynb"
    settings = f"ingest=newswire {TINY} train.dim=16 visualize.projections=[]"
    inputs, first, second = (tmp_path / n for n in ("input", "first", "second"))
    for folder in (inputs, first, second):
        folder.mkdir()

    def version(folder: Path, budget: str) -> list[str]:
        return execute(
            notebook,
            folder,
            {
                "W2V_HOME": str(folder / "runs"),
                "W2V_KAGGLE_INPUT": str(inputs),
                "W2V_KAGGLE_SETTINGS": f"{settings} train.time_budget={budget}",
            },
        )

    stopped = version(first, "1e-9")
    (inputs / "first-version").symlink_to(first)  # its output as an input
    finished = version(second, "1e6")

    assert "KILLED: stopped after epoch 1 of 2" in "".join(stopped)
    assert "add its output as an input" in "".join(stopped)
    assert re.search(r"position +after epoch 1;", stopped[-1])
    run = next(text for text in finished if "run_id: " in text)
    assert re.search(r"^ingest +cached", run, re.MULTILINE)
    assert "checkpoint-0001.npz, after epoch 1" in run
    assert "train: 100%" in run  # the bar is drawn there
    assert re.search(r"^germany +\w+", "".join(finished), re.MULTILINE)
    assert re.search(r"position +after epoch 2;", finished[-1])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tour_runs_to_its_end(tmp_path):
    notebook = ROOT / "experiments" / "tour.ipynb"
    settings = f"{TINY} visualize.words=100 visualize.projections=[tsne]"

    printed = execute(
        notebook,
        tmp_path,
        {"W2V_HOME": str(tmp_path / "runs"), "W2V_TOUR_SETTINGS": settings},
    )

    told = "".join(printed)
    for expected in (
        r"^run_id: [0-9a-f]{32}",
        r"^germany +\w+",
        r"^france : paris = germany : \? +\w+",
        r"^category/purity +\d\.\d+ +random",
        r"^sound +yes",
        r"4 finished",
        r"identical",
        r"figures/tsne_2d\.png",
    ):
        assert re.search(expected, told.replace("\r", ""), re.MULTILINE), expected
