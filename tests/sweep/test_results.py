"""What came of a sweep, read from its ledger."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import sweep_of, w2v

from pipeline.errors import SweepError
from pipeline.records import TrackingRecord
from pipeline.sweep.ledger import (
    Ledger,
    TrialRecord,
    find_ledger,
    sweep_names,
)
from pipeline.sweep.results import (
    best_trial,
    best_values,
    ranked_cells,
    read_results,
    swept_params,
)
from pipeline.tracking.addresses import view_key

LOSS = "train/heldout_loss"


def trial_of(number: int, dim: int, loss: float | None, **changes) -> TrialRecord:
    record = TrialRecord(
        number=number,
        index=number // 2,
        cell={"train.dim": dim},
        seed=1 + number % 2,
        overrides=(f"train.dim={dim}", f"seed={1 + number % 2}"),
        config={"home": "/x", "train": {"dim": dim, "window": 5}},
        outcome="finished",
        metrics={} if loss is None else {LOSS: loss, "category/purity": 1 / loss},
        run_id=f"{number:032x}",
    )
    return replace(record, **changes)


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    found = Ledger(tmp_path, "grid")
    found.save_sweep(sweep_of("grid"))
    # The first cell holds the best trial, the second has the better mean.
    for trial in (
        trial_of(0, 1, 1.0),
        trial_of(1, 1, 4.0),
        trial_of(2, 2, 2.2),
        trial_of(3, 2, 2.0),
        trial_of(4, 3, 0.1, outcome="failed", error="DataError: no"),
        trial_of(5, 3, 0.1, outcome="pruned", error="pruned after epoch 2"),
        trial_of(6, 4, None, outcome="planned", run_id=None),
    ):
        found.save_trial(trial)
    return found


def test_a_ledger_gives_back_what_it_was_given(ledger):
    assert ledger.sweep() == sweep_of("grid")
    assert ledger.trial(1) == trial_of(1, 1, 4.0)
    assert [trial.number for trial in ledger.trials()] == list(range(7))


def test_the_best_cell_has_the_best_mean_and_its_best_trial_stands_for_it(ledger):
    results = read_results(ledger)

    cells = ranked_cells(results)
    assert [(dict(c.cell), c.mean) for c in cells] == [
        ({"train.dim": 2}, 2.1),
        ({"train.dim": 1}, 2.5),
    ]
    assert best_trial(results).number == 3


def test_another_objective_ranks_otherwise(ledger):
    results = read_results(ledger, objective="category/purity")

    assert results.maximize
    assert ranked_cells(results)[0].cell == {"train.dim": 1}  # 1 and 0.25
    assert best_trial(results).number == 0


def test_the_best_of_each_metric_is_over_trials_that_finished(ledger):
    assert best_values(read_results(ledger)) == {LOSS: 1.0, "category/purity": 1.0}


def test_a_trial_runs_while_its_lock_is_held(ledger):
    lock = ledger.try_trial(6)
    assert lock is not None
    assert ledger.try_trial(6) is None

    def status(number: int) -> str:
        return read_results(ledger).trials[number].status

    assert [status(n) for n in (0, 4, 5, 6)] == [
        *("finished", "failed", "pruned", "running")
    ]
    lock.release()
    assert status(6) == "missing"


def test_a_key_swept_only_later_had_its_usual_value_before(ledger):
    ledger.save_trial(
        trial_of(
            7, 1, 3.0, cell={"train.dim": 1, "train.window": 2}, outcome="finished"
        )
    )

    cells = [dict(trial.cell) for trial in read_results(ledger).trials]
    assert cells[0] == {"train.dim": 1, "train.window": 5}
    assert cells[7] == {"train.dim": 1, "train.window": 2}


def test_the_keys_that_differ_are_the_axes_of_a_comparison(ledger):
    assert swept_params(read_results(ledger)) == ["train.dim", "seed"]
    ledger.save_trial(trial_of(6, 0, 1.0, cell={"train.dim": 1, "train.window": 2}))
    axes = ["train.dim", "train.window", "seed"]
    assert sorted(swept_params(read_results(ledger))) == sorted(axes)


def test_runs_have_addresses_in_the_ui(ledger):
    results = read_results(ledger)
    ids = [f"{n:032x}" for n in range(6)]

    one = f"http://127.0.0.1:5000/#/experiments/1/runs/{ids[1]}"
    assert results.trials[1].run_address == one
    assert results.trials[6].run_address is None
    view = f"experiments/1/runs?viewStateShareKey={view_key('grid')}"
    assert results.ui_address == (
        f"http://127.0.0.1:5000/#/{view}&compareRunsMode=CHART"
    )
    server = sweep_of("grid", tracking=TrackingRecord("server", "http://host:8080"))
    ledger.save_sweep(server)
    assert read_results(ledger).ui_address.startswith(f"http://host:8080/#/{view}")
    ledger.save_sweep(sweep_of("grid", experiment=None))
    assert read_results(ledger).ui_address is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"number": 2', b"\xff", b'{"number": "1"}']
)
def test_a_damaged_trial_is_named(ledger, content):
    path = ledger.folder / "trials" / "000002.json"
    path.write_bytes(content)

    with pytest.raises(SweepError, match=r"000002\.json is damaged"):
        ledger.trials()


def test_a_trial_under_another_number_is_damaged(ledger):
    folder = ledger.folder / "trials"
    (folder / "000002.json").write_bytes((folder / "000001.json").read_bytes())

    with pytest.raises(SweepError, match="it is of trial 1"):
        ledger.trials()


def test_sweeps_are_found_by_name_start_and_last(tmp_path):
    for day, name in enumerate(("dim-a", "dim-b", "lr-c"), start=1):
        began = f"2026-01-0{day}T00:00:00.000000+00:00"
        Ledger(tmp_path, name).save_sweep(sweep_of(name, began=began))

    assert sweep_names(tmp_path) == ["lr-c", "dim-b", "dim-a"]
    assert find_ledger(tmp_path, "last").name == "lr-c"
    assert find_ledger(tmp_path, "lr").name == "lr-c"
    with pytest.raises(SweepError, match="not one sweep: dim-a, dim-b"):
        find_ledger(tmp_path, "dim")
    with pytest.raises(SweepError, match=r"no sweep 'x'.*there are lr-c, dim-b, dim-a"):
        find_ledger(tmp_path, "x")
    with pytest.raises(SweepError, match=r"no sweep '\.\./runs'"):
        find_ledger(tmp_path, "../runs")


def test_commands_show_what_is_there(ledger):
    listed = w2v(ledger.home, "sweep", "ls").stdout
    shown = w2v(ledger.home, "sweep", "show", "last").stdout
    best = w2v(ledger.home, "sweep", "best", "grid").stdout

    assert "1 failed, 4 finished, 1 missing, 1 pruned" in listed
    assert f"{LOSS}  best 2.1000" in listed  # the best mean, not the best trial
    assert "DataError: no" in shown
    assert "compare (w2v ui): http://127.0.0.1:5000/#/experiments/1/" in shown
    assert best.splitlines()[0] == "train.dim=2"
    assert best.splitlines()[-1] == f"run_id: {3:032x}"
    assert "no winner" not in best  # dims have comparable losses, windows do not
    ledger.save_trial(trial_of(7, 9, 1.0, cell={"train.dim": 1, "train.window": 2}))
    best = w2v(ledger.home, "sweep", "best", "grid").stdout
    assert "another quantity at each value of train.window" in best


def test_reading_grows_with_the_trials_and_no_faster(tmp_path):
    def seconds(count: int) -> float:
        found = Ledger(tmp_path, f"n{count}")
        found.save_sweep(sweep_of(found.name))
        losses = tuple(map(float, range(15)))
        for n in range(count):
            found.save_trial(trial_of(n, n // 2, 1.0 + n, history={LOSS: losses}))
        took = []
        for _ in range(5):
            began = time.perf_counter()
            assert len(read_results(found).trials) == count
            best_trial(read_results(found))
            took.append(time.perf_counter() - began)
        return min(took)  # other work on the machine only adds

    seconds(20)
    # Ten times the trials, and room for a busy machine; quadratic would be 100.
    assert seconds(200) < 60 * seconds(20)


def test_vectors_are_found_where_they_lie_on_this_machine(ledger, tmp_path):
    folder = tmp_path / "a b" / "artifacts"
    (folder / "vectors").mkdir(parents=True)
    (folder / "vectors" / "vectors.npz").touch()
    ledger.save_trial(trial_of(0, 1, 1.0, artifact_uri=folder.as_uri()))
    ledger.save_trial(trial_of(1, 1, 1.0, artifact_uri="mlflow-artifacts:/1/x"))

    trials = read_results(ledger).trials
    assert trials[0].vectors == Path(folder / "vectors" / "vectors.npz")
    assert trials[1].vectors is None
