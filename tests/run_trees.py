"""Run pipelines from copies of the source tree, as the cache's tests ask.

A line of JSON on stdin is a job, a line on stdout its answer. Each job runs in a
process forked for it, so that it imports the package anew while NumPy and the like
are there already, once a job `preload` has named them.
"""

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import warnings
from pathlib import Path

# For a job, as an edit may have made a loop endless: some times what a sound one takes.
CPU_SECONDS, SECONDS = 20, 120


def run(job):
    """Run the stages through the engine; say what each did."""
    from hydra import compose, initialize_config_dir

    from pipeline import engine
    from pipeline.cache import Cache
    from pipeline.config import read_config
    from pipeline.dag import STAGES
    from pipeline.errors import W2VError
    from pipeline.report import Report

    class Observer:
        def begin(self, stage):
            return Report()

        def finish(self, result, artifacts):
            stages[result.name] = {
                "cached": result.cached,
                "outputs": dict(result.record.outputs),
            }

    stages, explained, error = {}, {}, ""
    try:
        with initialize_config_dir(f"{job['tree']}/conf", version_base="1.3"):
            config, values = read_config(compose("config", job["overrides"]))
        chosen, cache = engine.select(STAGES, ()), Cache(config.home_folder / "cache")
        explained = {
            answer.name: [answer.state, *answer.reasons]
            for answer in engine.explain(chosen, config.stages, cache)
        }
        engine.run(chosen, config.stages, cache, Observer(), mode=config.cache.mode)
    except W2VError as caught:
        error = f"{type(caught).__name__}: {caught}"
    except Exception as caught:  # an edit may break anything
        error = f"{type(caught).__name__}: {caught}"
    return {
        "stages": stages,
        "explained": explained,
        "error": error.replace(job["home"], "HOME"),
        "values": values if stages else {},
        "libraries": sorted({name.partition(".")[0] for name in sys.modules}),
    }


def load(job):
    """Run one stage by itself; say which files of the tree that loads."""
    import typing

    from pydantic import TypeAdapter

    from pipeline.artifacts import load_artifact, save_artifact
    from pipeline.report import Report

    module = importlib.import_module(f"pipeline.stages.{job['stage']}")
    stage = getattr(module, job["stage"])
    kind, *kinds = list(typing.get_type_hints(stage).values())[: 1 + len(job["inputs"])]
    config = TypeAdapter(kind).validate_json(json.dumps(job["config"]), strict=True)
    objects = Path(job["home"]) / "cache" / "objects"
    inputs = [
        load_artifact(k, objects / digest)
        for k, digest in zip(kinds, job["inputs"], strict=True)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Path(scratch) / "workspace"
        workspace.mkdir()
        outputs = stage(config, *inputs, workspace=workspace, report=Report())
        for i, output in enumerate(
            outputs if isinstance(outputs, tuple) else [outputs]
        ):
            save_artifact(output, Path(scratch) / str(i))
    files = [getattr(module, "__file__", None) for module in sys.modules.values()]
    return {"files": [f for f in files if f and f.startswith(f"{job['tree']}/")]}


def preload(names):
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def forked(job):
    """Return the answer of a job that runs in a process of its own."""
    mine, its = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mine)
        sys.path[:0] = [*job.get("paths", []), job["tree"]]
        importlib.invalidate_caches()
        os.environ["W2V_HOME"] = job["home"]
        os.environ["MPLCONFIGDIR"] = job["fonts"]
        os.environ["W2V_KERNEL_CACHE"] = job["kernels"]
        status = 1
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        try:
            answer = load(job) if "stage" in job else run(job)
            with os.fdopen(its, "w") as pipe:
                json.dump(answer, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(its)
    pieces = []
    with os.fdopen(mine, "rb") as pipe:
        while select.select([pipe], [], [], SECONDS)[0]:
            piece = os.read(pipe.fileno(), 1 << 16)
            if not piece:
                break
            pieces.append(piece)
        else:
            os.kill(child, signal.SIGKILL)
            pieces = [b'{"error": "endless"}']
    os.waitpid(child, 0)
    return json.loads(b"".join(pieces) or b'{"error": "died"}')


def main():
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True  # two edits within a second would share it
    for line in sys.stdin:
        job = json.loads(line)
        if "preload" in job:
            preload(job["preload"])
            answer = {}
        else:
            answer = forked(job)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
