"""A run's vectors as an MLflow model that `mlflow models serve` takes.

A model from code: a script and a file of vectors, with a signature and an example; no
pickle. It is linked to its run, at `runs:/<run_id>/model`.
"""

import importlib.metadata
import json
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import scratch_folder
from pipeline.core.vectors import load_first
from pipeline.tracking.placing import keep_file, local_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

NAME = "model"

_SCRIPT = Path(__file__).with_name("served_model.py")
_COLUMNS = ("word", "a", "b", "c")
_LONGEST = 40  # characters of a word that an example shows
_LOOKED_THROUGH = 100  # words, for some that are no longer


def log_model(
    client: "MlflowClient",
    run_id: str,
    vectors: Path,
    scratch: Path,
    register_as: str | None,
) -> None:
    """Log a run's model, once: a second call completes what the first began.

    Args:
        client: The store.
        run_id: The run.
        vectors: An .npz that `pipeline.core.vectors` wrote.
        scratch: The folder of what is on its way to a store.
        register_as: The registered model to make it a version of; None for none.

    Raises:
        MlflowException: if the store does not take it.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run = client.get_run(run_id)
    model = _known(client, run.info.experiment_id, run_id)
    if model is None:
        model = client.create_logged_model(
            run.info.experiment_id, NAME, source_run_id=run_id
        )
    linked = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in {output.model_id for output in linked}:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    if model.status != LoggedModelStatus.READY:
        with scratch_folder(scratch) as held:
            folder = held / NAME
            save_model(folder, vectors, model, run_id, scratch)
            _keep(client, model, folder, scratch)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    if register_as is not None:
        _register(client, register_as, model, run_id)


def save_model(
    folder: Path, vectors: Path, model: "LoggedModel", run_id: str, scratch: Path
) -> None:
    """Write the model's folder as `mlflow.pyfunc.save_model` would.

    That function looks through the files of all installed packages for the two that
    are required here, whose versions are known: over a second in each process.
    """
    import mlflow.pyfunc
    from mlflow.models import Model

    kept = folder / "artifacts" / vectors.name
    keep_file(vectors, kept, scratch)
    shutil.copyfile(_SCRIPT, folder / _SCRIPT.name)
    versions = {name: importlib.metadata.version(name) for name in ("mlflow", "numpy")}
    required = [f"{name}=={version}" for name, version in versions.items()]
    python = platform.python_version()
    conda: dict[str, object] = {"name": "mlflow-env", "channels": ["conda-forge"]}
    conda["dependencies"] = [f"python={python}", "pip", {"pip": required}]
    virtual = {"python": python, "build_dependencies": ["pip", "setuptools", "wheel"]}
    virtual["dependencies"] = ["-r requirements.txt"]
    example = _example(vectors)
    for name, content in {
        "requirements.txt": "\n".join(required),
        "conda.yaml": json.dumps(conda),  # JSON is YAML
        "python_env.yaml": json.dumps(virtual),
        "input_example.json": json.dumps(example),
        "serving_input_example.json": json.dumps({"dataframe_split": example}),
    }.items():
        (folder / name).write_text(content, encoding="utf-8")
    described = Model(
        artifact_path=model.artifact_location,
        run_id=run_id,
        model_uuid=model.model_id,
        model_id=model.model_id,
        signature=_signature(),
        saved_input_example_info={
            "artifact_path": "input_example.json",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        },
        model_size_bytes=sum(path.stat().st_size for path in folder.rglob("*.*")),
    )
    mlflow.pyfunc.add_to_model(
        described,
        "mlflow.pyfunc.loaders.code_model",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        model_code_path=_SCRIPT.name,
        artifacts={
            "vectors": {"path": f"artifacts/{vectors.name}", "uri": vectors.name}
        },
        streamable=False,
    )
    described.save(str(folder / "MLmodel"))


def _keep(
    client: "MlflowClient", model: "LoggedModel", folder: Path, scratch: Path
) -> None:
    """Give a model the files that were written for it."""
    place = local_folder(model.artifact_location)
    if place is None:
        client.log_model_artifacts(model.model_id, str(folder))
        return
    for path in (path for path in folder.rglob("*") if path.is_file()):
        keep_file(path, place / path.relative_to(folder), scratch)


def _example(vectors: Path) -> dict[str, list[Any]]:
    """Return requests of both kinds, in words that the vectors have, as a table."""
    first = load_first(vectors, _LOOKED_THROUGH).words
    words = [word for word in first if len(word) <= _LONGEST]
    rows: list[list[str | None]] = [[word, None, None, None] for word in words[:1]]
    if len(words) > 2:
        rows.append([None, *words[:3]])
    return {"columns": list(_COLUMNS), "data": rows}


def _signature() -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, Object, Property

    answer = Object(
        [Property("word", DataType.string), Property("score", DataType.double)]
    )
    return ModelSignature(
        inputs=Schema(
            [ColSpec(DataType.string, name, required=False) for name in _COLUMNS]
        ),
        outputs=Schema(
            [
                ColSpec(Array(answer), "answers"),
                ColSpec(DataType.string, "error", required=False),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("top_k", DataType.long, 10),
                ParamSpec("method", DataType.string, "add"),
            ]
        ),
    )


def _known(
    client: "MlflowClient", experiment_id: str, run_id: str
) -> "LoggedModel | None":
    """Return the model that a run has already."""
    found = client.search_logged_models(
        [experiment_id], f"source_run_id = '{run_id}' AND name = '{NAME}'"
    )
    return found[0] if found else None


def _register(
    client: "MlflowClient", name: str, model: "LoggedModel", run_id: str
) -> None:
    """Make a model a version of a registered one, which is made if it is not there."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # Not models:/<id>, which would be looked up in MLflow's own default store.
    source = model.artifact_location
    known = client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    if source not in {version.source for version in known}:
        client.create_model_version(
            name, source, run_id=run_id, model_id=model.model_id, await_creation_for=0
        )
