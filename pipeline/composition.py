"""Compose configurations: what Hydra makes of YAML files and overrides."""

import difflib
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# What Hydra raises where it did not expect a key or value, such as +=.
_UNEXPECTED = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
_COMPOSERS = {"hydra", "omegaconf"}
_KNOWN = _COMPOSERS | {"pipeline", "hydra_plugins"}


def config_folder() -> Path:
    """Return the folder of the YAML files: in the wheel, or in the checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parent / "conf"


def compose_config(overrides: Sequence[str], name: str = "config") -> "DictConfig":
    """Compose the configuration that command-line overrides ask for.

    Args:
        overrides: Hydra's `key=value` and group choices, as typed.
        name: The YAML file in `config_folder` to begin with.

    Raises:
        ConfigError: if a file or the overrides cannot be read.
        HydraException, OmegaConfBaseException, YAMLError: as they come; see
            `composition_message`.
    """
    from hydra import compose, initialize_config_dir

    refuse_aliases()
    with initialize_config_dir(str(config_folder()), version_base="1.3"), composing():
        return compose(name, list(overrides))


@contextmanager
def composing() -> Iterator[None]:
    """Have Hydra compose; what it did not expect becomes a ConfigError.

    Errors that are raised elsewhere, as by the task that Hydra calls, pass.
    """
    try:
        yield
    except (RecursionError, UnicodeDecodeError, *_UNEXPECTED, OSError) as error:
        if is_composition_error(error) or _raised_in(error) not in _COMPOSERS:
            raise
        raise ConfigError(_unexpected(error)) from error


def _unexpected(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return (
            "the overrides are nested too deeply to be read: expected values such as "
            "train.dim=100"
        )
    if isinstance(error, UnicodeDecodeError):
        return f"a file of {config_folder()}: {error}"
    if isinstance(error, OSError):  # of OmegaConf: a file that holds no keys
        return f"a file of {config_folder()}: {error}: expected keys and values"
    if isinstance(error, ValueError):  # train=3: a group where its option is due
        return (
            f"{error}: a group takes the name of one of its options, such as "
            "train=default"
        )
    return (
        f"the overrides cannot be read ({type(error).__name__} in Hydra): "
        "expected KEY=VALUE, such as train.dim=100"
    )


def _raised_in(error: Exception) -> str:
    """Return the package whose code raised an error."""
    modules = [
        frame.f_globals.get("__name__", "")
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    # A decoder or a YAML parser is called by the composer.
    named = [m.split(".")[0] for m in modules if m.split(".")[0] in _KNOWN]
    return named[-1] if named else ""


def refuse_aliases() -> None:
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


def is_composition_error(error: Exception) -> bool:
    """Say whether an error is of what Hydra, OmegaConf or YAML could not read."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    return isinstance(error, HydraException | OmegaConfBaseException | YAMLError)


def composition_message(error: Exception) -> str:
    """Say what Hydra says in fewer words, and offer the nearest key."""
    text = str(error)
    unknown = re.search(r"Could not override '([^']+)'", text)
    if not unknown:
        return text.strip()
    key = unknown[1]
    keys = [name for name in _all_keys() if name.count(".") == key.count(".")]
    if key in keys:  # in w2v evaluate, or beside other options
        return f"{key}: no such key here: w2v run has it, with its default options"
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

    return walk(OmegaConf.to_container(compose_config(())), "")
