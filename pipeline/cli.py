"""The `w2v` command: the only place that knows Hydra.

Only this module and `pipeline.commands` print.

Exit codes: 0 done; 2 bad usage or configuration; 130 interrupted; 1 anything else.
"""

import json
import logging
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.compare import compare
from pipeline.commands.diff import diff, printable
from pipeline.commands.export import export
from pipeline.commands.options import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from pipeline.commands.options import as_json as _as_json
from pipeline.commands.options import home as _home
from pipeline.commands.rerun import rerun
from pipeline.commands.sweep import sweep
from pipeline.commands.upkeep import cache, doctor
from pipeline.errors import ConfigError, W2VError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from pipeline.records import RunRecord

log = logging.getLogger(__name__)

_LONGEST_WORD = 80  # characters that a table for people shows

_GROUP_SWEEP = re.compile(r"\+{0,2}sweep=")

# Shown after a run, where it has them; the rest is in `w2v show` and the UI.
_HEADLINES = (
    "corpus/tokens",
    "vocab/words",
    "train/loss",
    "train/heldout_loss",
    "train/words_per_second",
    "probe/f1",
    "category/",
    "similarity/",
    "analogy/",
    "stability/",
)

# Endings of the metrics that are shown beside the one they are of.
_BESIDE = ("_low", "_high", "_random")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    _set_up_logging()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(arguments, prog_name="w2v", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # which click takes for Ctrl-D
            _tell(error.__cause__)
        _fail("interrupted", EXIT_INTERRUPTED)
    except Exception as error:
        _tell(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="w2v-pipeline")
def cli() -> None:
    """Word2Vec from scratch as a configurable, cached, tracked pipeline.

    RUN is an MLflow run id, the start of one, or `last`. All that runs write lies
    under one folder: W2V_HOME, or ./runs.
    """


for command in (rerun, diff, compare, export, doctor, cache, sweep):
    cli.add_command(command)
_hydra_arguments = {"ignore_unknown_options": True, "help_option_names": []}


@cli.command(context_settings=_hydra_arguments)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def run(overrides: tuple[str, ...]) -> None:
    """Run the pipeline: w2v run [KEY=VALUE ...] [-m]; see w2v run --help."""
    if not any(argument.startswith("-") for argument in overrides):
        _refuse_sweep(overrides)
        _run_one(_compose(overrides), overrides)
        return
    if any(argument.startswith("--experimental-rerun") for argument in overrides):
        raise ConfigError(
            "--experimental-rerun: not supported, as it runs code out of a pickle"
        )
    # Multirun, --help, --cfg and the like are Hydra's own.
    import hydra

    _refuse_aliases()

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through; they are told here
    # Hydra's parser wants its flags first; people write them where they like.
    keys = [a for a in overrides if not a.startswith("-") and ("=" in a or a[0] == "~")]
    flags = [a for a in overrides if a not in keys]
    many = bool({"-m", "--multirun"} & set(flags))
    if many and not any(_GROUP_SWEEP.match(key) for key in keys):
        keys.insert(0, "+sweep=default")
    sys.argv = ["w2v run", *flags, *keys]
    decorate = hydra.main(str(config_folder()), "config", version_base="1.3")
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
    from pipeline.config import plain_values
    from pipeline.core.files import expanded
    from pipeline.loading import read_values
    from pipeline.run import run_pipeline

    given = [name for name in overrides if name.startswith(("-", "vectors.path="))]
    if given:
        raise click.UsageError(f"{given[0]}: expected FILE, then KEY=VALUE alone")
    composed = _compose(overrides, "scoring")
    composed.vectors.path = ""
    values = plain_values(composed)
    values["vectors"]["path"] = str(expanded(file).absolute())
    config, values = read_values(values)
    run_pipeline(config, values, overrides, on_end=_print_record)


@cli.command(context_settings=_hydra_arguments)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def explain(overrides: tuple[str, ...]) -> None:
    """Say which stages `w2v run` would run with the same arguments, and why."""
    from pipeline import engine
    from pipeline.cache import Cache
    from pipeline.config import plain_values
    from pipeline.dag import STAGES
    from pipeline.loading import read_values

    if set(overrides) & {"-h", "--help"}:
        click.echo("usage: w2v explain [KEY=VALUE ...]   (arguments as for w2v run)")
        return
    config, _ = read_values(plain_values(_compose(overrides)))
    stages = engine.select(STAGES, config.targets)
    cache = Cache(config.home_folder / "cache")
    for answer in engine.explain(stages, config.stages, cache):
        for reason in answer.reasons or ("",):
            click.echo(
                f"{answer.name}: {answer.state}{' - ' if reason else ''}{reason}"
            )


@cli.command()
@click.argument("run")
@_as_json
@_home
def show(run: str, as_json: bool, home: Path) -> None:
    """Show a run: params, metrics, stages and artifacts."""
    from pipeline.records import load_record

    record = load_record(home, run)
    if as_json:
        click.echo(json.dumps(_plain(record), indent=2))
    else:
        _print_record(record)


@cli.command()
@click.argument("word")
@click.option("--run", default="last", show_default=True, help="Run, or vectors file.")
@click.option("--top-k", default=10, show_default=True, type=click.IntRange(1))
@_as_json
@_home
def similar(word: str, run: str, top_k: int, as_json: bool, home: Path) -> None:
    """List the nearest neighbors of WORD."""
    from pipeline.core.similarity import find_most_similar
    from pipeline.loading import load

    _print_answers(find_most_similar(load(run, home), word, top_k=top_k), as_json)


@cli.command()
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("--run", default="last", show_default=True, help="Run, or vectors file.")
@click.option("--top-k", default=5, show_default=True, type=click.IntRange(1))
@click.option("--method", type=click.Choice(["add", "mul"]), default="add")
@_as_json
@_home
def analogy(
    a: str,
    b: str,
    c: str,
    *,
    run: str,
    top_k: int,
    method: Any,
    as_json: bool,
    home: Path,
) -> None:
    """Answer what D is, where A is to B as C is to D."""
    from pipeline.core.analogy import word_analogy
    from pipeline.loading import load

    answers = word_analogy(load(run, home), a, b, c, top_k=top_k, method=method)
    _print_answers(answers, as_json)


@cli.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@_home
def ui(port: int, home: Path) -> None:
    """Serve the MLflow UI on this project's store, to this machine only."""
    from pipeline.tracking.ui import serve_ui, ui_address

    click.echo(f"the runs in {home}: {ui_address(port)}  (Ctrl-C ends)")
    serve_ui(home, port)


def config_folder() -> Path:
    """Return the folder of the YAML files: in the wheel, or in the checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parent / "conf"


def _run_composed(composed: "DictConfig") -> None:
    """Run one configuration that Hydra composed, such as one of --config-dir."""
    from hydra.core.hydra_config import HydraConfig

    _run_one(composed, HydraConfig.get().overrides.task)


def _run_trial(composed: "DictConfig") -> None:
    """Run one trial of a sweep; Hydra calls this, maybe elsewhere."""
    from pipeline.commands.sweep import print_trial
    from pipeline.sweep.trial import run_trial

    if not logging.getLogger().handlers:  # in a launcher's own process
        _set_up_logging(logging.WARNING)
    home, sweep, number = Path(composed.home), str(composed.sweep), int(composed.trial)
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
    run_pipeline(config, values, tuple(overrides), on_end=_print_record)


def _compose(overrides: Sequence[str], name: str = "config") -> "DictConfig":
    from hydra import compose, initialize_config_dir

    _refuse_aliases()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            return compose(name, list(overrides))
        except RecursionError as error:
            raise ConfigError(
                "the overrides are nested too deeply to be read: expected values such "
                "as train.dim=100"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"a file of {config_folder()}: {error}") from error
        except (AssertionError, AttributeError, LookupError, TypeError) as error:
            # What Hydra raises where it did not expect a key or value, such as +=.
            raise ConfigError(
                f"the overrides cannot be read ({type(error).__name__} in Hydra): "
                "expected KEY=VALUE, such as train.dim=100"
            ) from error
        except OSError as error:  # of OmegaConf: a file that holds no keys
            raise ConfigError(
                f"a file of {config_folder()}: {error}: expected keys and values"
            ) from error
        except ValueError as error:  # train=3: a group where its option is due
            raise ConfigError(
                f"{error}: a group takes the name of one of its options, such as "
                "train=default"
            ) from error


def _refuse_aliases() -> None:
    """Check that no YAML file repeats values by aliases.

    OmegaConf writes each of them out: nine lists of nine aliases would be 400
    million values.
    """
    import yaml

    for path in sorted(config_folder().rglob("*.yaml")):
        content = path.read_bytes()
        if b"&" in content and b"*" in content:
            for token in yaml.scan(content):
                if isinstance(token, yaml.AliasToken):
                    raise ConfigError(
                        f"{path}:{token.start_mark.line + 1}: expected values written "
                        f"out, found the alias *{token.value}. To use a value twice, "
                        "write ${key}"
                    )


def _print_record(record: "RunRecord") -> None:
    """Print a run for people; the last line names it for scripts."""
    click.echo(f"{'stage':<12}{'state':<12}{'time':>8}  {'key':<14}{'digest'}")
    for name, stage in record.stages.items():
        state = "cached" if stage.cached else "computed"
        click.echo(
            f"{printable(name):<12}{state:<12}{stage.seconds:>6.1f} s  "
            f"{printable(stage.key[:12]):<14}{printable(stage.digest[:12])}"
        )
    headlines = [
        name
        for prefix in _HEADLINES
        for name in record.metrics
        if (name == prefix or (prefix.endswith("/") and name.startswith(prefix)))
        and not name.endswith(("coverage", "_zero", *_BESIDE))
        and name.count("/") == 1 + name.endswith("/total")
    ]
    if headlines:
        click.echo()
    for name in headlines:
        click.echo(_headline(name, record.metrics))
    click.echo()
    if record.message:
        # Its own lines stay, indented: none reads as one of the table's.
        shown = "\n  ".join(map(printable, record.message.splitlines()))
        click.echo(f"{record.status}: {shown}")
    pictures = [path for path in record.artifacts if path.startswith("figures/")]
    if pictures:
        place = _place(record, "figures").removeprefix(f"{Path.cwd()}{os.sep}")
        click.echo(f"pictures: {printable(place)} ({len(pictures)} files)")
    click.echo(f"run_id: {printable(record.run_id)}")


def _headline(name: str, metrics: Mapping[str, float]) -> str:
    """Return a line: name, value, and what stands beside it to judge it by."""
    line = f"{printable(name):<32}{_number(metrics[name]):>12}"
    low, high, random = (metrics.get(name + ending) for ending in _BESIDE)
    if low is not None and high is not None:
        line += f"   95%: {low:.3f} to {high:.3f}"
    if random is not None:
        line += f"   random: {random:.3f}"
    return line


def _place(record: "RunRecord", path: str) -> str:
    """Return where an artifact is opened: a file's path, or a server's address."""
    from pipeline.loading import local_folder

    local = local_folder(record.artifact_uri)
    return f"{record.artifact_uri}/{path}" if local is None else str(local / path)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


def _print_answers(answers: Sequence[tuple[str, float]], as_json: bool) -> None:
    from pipeline.core.figures.style import shown

    if as_json:
        click.echo(json.dumps([{"word": w, "score": s} for w, s in answers]))
        return
    # A word may hold anything: what steers a terminal, or a megabyte.
    words = [shown(word, _LONGEST_WORD) for word, _ in answers]
    width = max(map(len, words), default=0)
    for word, (_, score) in zip(words, answers, strict=True):
        click.echo(f"{word:<{width}}  {score:.4f}")


def _plain(record: "RunRecord") -> dict[str, object]:
    """Return what `w2v show --json` promises."""
    return {
        "run_id": record.run_id,
        "status": record.status,
        "params": dict(record.params),
        "metrics": dict(record.metrics),
        "stages": {
            name: {
                "key": stage.key,
                "digest": stage.digest,
                "cached": stage.cached,
                "seconds": stage.seconds,
            }
            for name, stage in record.stages.items()
        },
        "artifacts": [_place(record, path) for path in record.artifacts],
    }


def _set_up_logging(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler()  # stderr; stdout is for results
    handler.setLevel(level)
    formatter = logging.Formatter(
        "%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("pipeline").setLevel(logging.INFO)
    logging.captureWarnings(True)


def _terminate(*_: object) -> None:
    """Leave as Ctrl-C does, so that the run is marked and nothing is lost."""
    raise KeyboardInterrupt


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
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


def _exit_code(error: Exception) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    composing = HydraException | OmegaConfBaseException | YAMLError
    return EXIT_USAGE if isinstance(error, ConfigError | composing) else EXIT_FAILED


def _message(error: Exception) -> str:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if isinstance(error, W2VError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        return _composition_message(error)
    return (
        f"{type(error).__name__}: {error}. This is a defect of the program: "
        "W2V_DEBUG=1 shows where"
    )


def _composition_message(error: Exception) -> str:
    """Say what Hydra says in fewer words, and offer the nearest key."""
    import difflib
    import re

    text = str(error)
    unknown = re.search(r"Could not override '([^']+)'", text)
    if not unknown:
        return text.strip()
    key = unknown[1]
    keys = [name for name in _all_keys() if name.count(".") == key.count(".")]
    near = difflib.get_close_matches(key, keys, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{key}: no such key{hint} (w2v run --help lists all)"


def _all_keys() -> list[str]:
    from omegaconf import OmegaConf

    def walk(node: object, prefix: str) -> list[str]:
        if not isinstance(node, dict):
            return [prefix]
        return [
            key
            for name, value in node.items()
            for key in walk(value, f"{prefix}.{name}" if prefix else str(name))
        ]

    return walk(OmegaConf.to_container(_compose(())), "")
