"""The `w2v` command.

Only this module and `pipeline.commands` print.

Exit codes: 0 done; 2 bad usage or configuration; 75 stopped at train.time_budget;
130 interrupted; 1 anything else.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.compare import compare
from pipeline.commands.diff import diff
from pipeline.commands.export import export
from pipeline.commands.inspect import inspect
from pipeline.commands.options import (
    EXIT_FAILED,
    EXIT_STOPPED,
    EXIT_USAGE,
)
from pipeline.commands.options import home as _home
from pipeline.commands.rerun import rerun
from pipeline.commands.show import analogy, print_record, show, similar
from pipeline.commands.sweep import sweep
from pipeline.commands.upkeep import cache, doctor
from pipeline.composition import (
    compose_config,
    composing,
    composition_message,
    config_folder,
    is_composition_error,
    refuse_aliases,
)
from pipeline.core.interrupts import (
    EXIT_INTERRUPTED,
    allow_interrupts,
    leave_at_interrupts,
)
from pipeline.core.labels import visible
from pipeline.errors import ConfigError, StoppedError, W2VError
from pipeline.logs import LogFormatter
from pipeline.processes import leave_memory_to_the_system

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from pipeline.config import AnyConfig

log = logging.getLogger(__name__)

_GROUP_SWEEP = re.compile(r"\+{0,2}sweep=")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        _main(arguments)
    finally:
        leave_at_interrupts(EXIT_INTERRUPTED)


def _main(arguments: Sequence[str] | None) -> None:
    try:
        allow_interrupts()
        leave_memory_to_the_system()
        _set_up_logging()
        cli.main(arguments, prog_name="w2v", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # which click takes for Ctrl-D
            _tell(error.__cause__)
        _fail("interrupted", EXIT_INTERRUPTED)
    except StoppedError:  # the record, which is printed, says all
        sys.exit(EXIT_STOPPED)
    except Exception as error:
        _tell(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="w2v-pipeline")
def cli() -> None:
    """Word2Vec from scratch as a configurable, cached, tracked pipeline.

    RUN is an MLflow run id, the start of one, or `last`. All that runs write lies
    under one folder: W2V_HOME, or ./runs.
    """


for command in (
    *(show, similar, analogy, inspect, rerun, diff, compare),
    *(export, doctor, cache, sweep),
):
    cli.add_command(command)
_hydra_arguments = {"ignore_unknown_options": True, "help_option_names": []}


@cli.command(context_settings=_hydra_arguments)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def run(overrides: tuple[str, ...]) -> None:
    """Run the pipeline: w2v run [KEY=VALUE ...] [-m]; see w2v run --help."""
    if not any(argument.startswith("-") for argument in overrides):
        _refuse_sweep(overrides)
        _run_one(compose_config(overrides), overrides)
        return
    if any(argument.startswith("--experimental-rerun") for argument in overrides):
        raise ConfigError(
            "--experimental-rerun: not supported, as it runs code out of a pickle"
        )
    # Multirun, --help, --cfg and the like are Hydra's own.
    import hydra

    refuse_aliases()

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through; they are told here
    # Hydra's parser wants its flags first; people write them where they like.
    keys = [a for a in overrides if not a.startswith("-") and ("=" in a or a[0] == "~")]
    flags = [a for a in overrides if a not in keys]
    many = bool({"-m", "--multirun"} & set(flags))
    if many and not any(_GROUP_SWEEP.match(key) for key in keys):
        keys.insert(0, "+sweep=default")
    sys.argv = ["w2v run", *flags, *keys]
    decorate = hydra.main(str(config_folder()), "config", version_base="1.3")
    with composing():
        decorate(_run_trial if many else _run_composed)()


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def evaluate(file: Path, overrides: tuple[str, ...]) -> None:
    """Score a FILE of vectors as a run's own: w2v evaluate FILE [KEY=VALUE ...].

    FILE is word2vec text or binary, GloVe text or .npz, plain or gzip. Keys are those
    of conf/scoring.yaml: evaluate.* and tracking.* as for w2v run, ingest.* for the
    corpus that a score needs, vectors.* for how words are looked up.
    """
    from pipeline.run import run_pipeline

    config, values = _scoring(file, overrides)
    run_pipeline(config, values, overrides, on_end=print_record)


@cli.command(context_settings=_hydra_arguments)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def explain(overrides: tuple[str, ...]) -> None:
    """Say which stages would run with the same arguments, and why.

    Those of w2v run, or with a FILE first those of w2v evaluate FILE.
    """
    from pipeline import engine
    from pipeline.cache import Cache
    from pipeline.config import plain_values
    from pipeline.dag import SCORING, STAGES
    from pipeline.earlier import earlier_caches
    from pipeline.loading import read_values

    if set(overrides) & {"-h", "--help"}:
        click.echo(
            "usage: w2v explain [KEY=VALUE ...]         arguments as for w2v run"
        )
        click.echo("       w2v explain FILE [KEY=VALUE ...]    as for w2v evaluate")
        return
    first = overrides[0] if overrides else ""
    if first and "=" not in first and first[0] not in "-~":
        config, _ = _scoring(Path(first), overrides[1:])
        stages = engine.select(SCORING, config.targets)
    else:
        config, _ = read_values(plain_values(compose_config(overrides)))
        stages = engine.select(STAGES, config.targets)
    cache = Cache(config.home_folder / "cache", earlier_caches(config.cache.earlier))
    for answer in engine.explain(stages, config.stages, cache):
        for reason in answer.reasons or ("",):
            click.echo(
                f"{answer.name}: {answer.state}{' - ' if reason else ''}{reason}"
            )


@cli.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@_home
def ui(port: int, home: Path) -> None:
    """Serve the MLflow UI on this project's store, to this machine only."""
    from pipeline.tracking.ui import serve_ui, ui_address

    click.echo(f"the runs in {home}: {ui_address(port)}  (Ctrl-C ends)")
    serve_ui(home, port)


def _scoring(
    file: Path, overrides: Sequence[str]
) -> tuple["AnyConfig", dict[str, Any]]:
    """Return the configuration that scores a file, and the same as plain values."""
    from pipeline.config import plain_values
    from pipeline.core.files import expanded
    from pipeline.loading import read_values

    given = [name for name in overrides if name.startswith(("-", "vectors.path="))]
    if given:
        raise click.UsageError(f"{given[0]}: expected FILE, then KEY=VALUE alone")
    composed = compose_config(overrides, "scoring")
    composed.vectors.path = ""
    values = plain_values(composed)
    values["vectors"]["path"] = str(expanded(file).absolute())
    return read_values(values)


def _run_composed(composed: "DictConfig") -> None:
    """Run one configuration that Hydra composed, such as one of --config-dir."""
    from hydra.core.hydra_config import HydraConfig

    _run_one(composed, HydraConfig.get().overrides.task)


def _run_trial(composed: "DictConfig") -> None:
    """Run one trial of a sweep; Hydra calls this, maybe elsewhere."""
    from pipeline.commands.sweep import print_trial
    from pipeline.sweep.trial import run_trial
    from pipeline.sweep.workers import interruptible_trial

    if not logging.getLogger().handlers:  # in a launcher's own process
        _set_up_logging(logging.WARNING)
        leave_memory_to_the_system()
    home, sweep, number = Path(composed.home), str(composed.sweep), int(composed.trial)
    with interruptible_trial():
        trial = run_trial(home, sweep, number, wait=bool(composed.wait))
    if trial:
        print_trial(trial)


def _refuse_sweep(overrides: Sequence[str]) -> None:
    found = [text for text in overrides if _GROUP_SWEEP.match(text)]
    if found:
        raise ConfigError(
            f"{found[0]}: a sweep is run with -m, as w2v run -m {found[0]}"
        )


def _run_one(composed: "DictConfig", overrides: Sequence[str]) -> None:
    from pipeline.config import plain_values
    from pipeline.loading import read_values
    from pipeline.run import run_pipeline

    config, values = read_values(plain_values(composed))
    run_pipeline(config, values, tuple(overrides), on_end=print_record)


def _set_up_logging(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler()  # stderr; stdout is for results
    handler.setLevel(level)
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("pipeline").setLevel(logging.INFO)
    logging.captureWarnings(True)


def _tell(error: Exception) -> None:
    """Say what went wrong and exit with its code."""
    if os.environ.get("W2V_DEBUG") == "1":
        raise error
    if isinstance(error, OSError) and _in_echo(error):
        with Path(os.devnull).open("wb") as nowhere:
            # What could not be written is not tried again as Python ends.
            os.dup2(nowhere.fileno(), 1)
        _fail(f"cannot write the output: {error.strerror}", EXIT_FAILED)
    _fail(_message(error), _exit_code(error))


def _in_echo(error: OSError) -> bool:
    """Say whether an error is of what a command prints."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is click.echo.__code__ for frame, _ in frames)


def _fail(message: str, code: int) -> None:
    shown = visible(message, keep="\n\t")
    click.echo(f"error: {shown}", err=True)
    sys.exit(code)


def _exit_code(error: Exception) -> int:
    usage = isinstance(error, ConfigError) or is_composition_error(error)
    return EXIT_USAGE if usage else EXIT_FAILED


def _message(error: Exception) -> str:
    if isinstance(error, W2VError):
        return str(error)
    if is_composition_error(error):
        return composition_message(error)
    return (
        f"{type(error).__name__}: {error}. This is a defect of the program: "
        "W2V_DEBUG=1 shows where"
    )
