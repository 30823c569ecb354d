"""A sweep over a Ray cluster of two nodes, on this machine.

Ray's launcher needs an older cloudpickle than today's joblib takes, so that it has an
environment of its own: `make test-ray`.
"""

import json
import time

import psutil
import pytest
from sweeps import alike, start, trials_of, w2v

pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs make test-ray")

SWEEP = (
    *("run", "-m", "experiment=smoke", "ingest.sentences=200", "targets=[train]"),
    *("tracking=off", "sweep.name=grid", "train.dim=8,12", "train.window=2,3"),
)


@pytest.fixture
def cluster(tmp_path_factory, monkeypatch):
    """Two nodes of one processor each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Short, as the paths of Unix sockets end at 107 bytes.
    folder = tmp_path_factory.getbasetemp() / "r"
    (folder / "ray").mkdir(parents=True)
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    head = {**node, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes.add_node(**node)
        nodes.wait_for_nodes()
        yield nodes
    finally:
        nodes.shutdown()


def workers(cluster) -> list[set[int]]:
    """Return the process ids below each node."""
    found = []
    for node in cluster.list_all_nodes():
        (raylet,) = node.all_processes["raylet"]
        below = psutil.Process(raylet.process.pid).children(recursive=True)
        found.append({process.pid for process in below})
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
# Ray's own, as its cluster ends.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_of_two_nodes_gives_what_joblib_gives(cluster, tmp_path):
    home, other = tmp_path / "ray", tmp_path / "joblib"
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        process = start(
            home,
            *SWEEP,
            "hydra/launcher=ray",
            f"hydra.launcher.ray.init.address={cluster.address}",
            "+hydra.launcher.ray.init.object_store_memory=null",
            "+hydra.launcher.ray.remote.scheduling_strategy=SPREAD",
            stderr=stderr,
        )
    seen: list[set[int]] = [set(), set()]
    while process.poll() is None:
        seen = [a | b for a, b in zip(seen, workers(cluster), strict=True)]
        time.sleep(0.1)
    assert process.returncode == 0, said.read_text()
    w2v(other, *SWEEP, "hydra.launcher.n_jobs=2")

    trials = trials_of(home, "grid")
    assert [trial["outcome"] for trial in trials] == ["finished"] * 4
    assert list(map(alike, trials)) == list(map(alike, trials_of(other, "grid")))
    ran = {
        json.loads(path.read_text())["process"]["pid"]
        for path in home.glob("runs/*/run.json")
    }
    assert ran <= seen[0] | seen[1]
    assert ran & seen[0], "no trial ran on the first node"
    assert ran & seen[1], "no trial ran on the second node"
