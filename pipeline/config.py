"""Turn a composed configuration into frozen dataclasses, every value checked.

A configuration chooses values, never code: nothing in it is imported or called,
so that one read back from a tracking store is as safe as one typed by hand.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from annotated_types import MinLen
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipeline.cache import CacheConfig
from pipeline.core.files import expanded
from pipeline.errors import ConfigError
from pipeline.fields import NaturalInt
from pipeline.stages.controls import ControlsConfig, ControlsGroup, Width
from pipeline.stages.encode import EncodeConfig
from pipeline.stages.evaluate import EvaluateConfig
from pipeline.stages.ingest import IngestConfig
from pipeline.stages.tag import TagConfig
from pipeline.stages.train import TrainConfig
from pipeline.stages.vector_controls import VectorControlsConfig
from pipeline.stages.vectors import VectorsConfig
from pipeline.stages.visualize import VisualizeConfig
from pipeline.stages.vocab import VocabConfig
from pipeline.tracking.tracker import TrackingConfig

T = TypeVar("T")

# Groups with a key `kernel_cache`, the folder of compiled code. Numba unpickles what it
# finds there, which can run code: no folder is taken from another's record.
COMPILING = ("train", "evaluate")


@dataclass(frozen=True)
class RunConfig:
    """What each run's configuration holds, whatever it is to do."""

    seed: NaturalInt
    home: Annotated[str, MinLen(1)]
    cache: CacheConfig
    tracking: TrackingConfig

    # Holds for the nested groups too.
    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def home_folder(self) -> Path:
        """The folder that holds all that runs write, absolute.

        Raises:
            ConfigError: if it is of a user that there is not.
        """
        return expanded(self.home).absolute()


@dataclass(frozen=True)
class Config(RunConfig):
    """The configuration of `w2v run`, one field per group of `conf/config.yaml`."""

    targets: tuple[str, ...]
    ingest: IngestConfig
    vocab: VocabConfig
    train: TrainConfig
    controls: ControlsGroup
    evaluate: EvaluateConfig
    visualize: VisualizeConfig
    tag: TagConfig

    @property
    def stages(self) -> Mapping[str, object]:
        """Stage name -> its config."""
        return {
            "ingest": self.ingest,
            "vocab": self.vocab,
            "train": self.train,
            "controls": ControlsConfig(
                seed=self.controls.seed,
                train=Width(self.train.dim),
                evaluate=self.evaluate.scored,
            ),
            "evaluate": self.evaluate,
            "visualize": self.visualize,
            "tag": self.tag,
        }

    @property
    def run_name(self) -> str:
        """What runs differ in most."""
        if self.targets == ("tag",):
            return f"{self.ingest.reader} tag {self.tag.column} s{self.seed}"
        train = self.train
        return (
            f"{self.ingest.reader} d{train.dim} w{train.window} n{train.negatives} "
            f"e{train.epochs} s{self.seed}"
        )


@dataclass(frozen=True)
class ScoringConfig(RunConfig):
    """The configuration of `w2v evaluate`, a field per group of `conf/scoring.yaml`."""

    vectors: VectorsConfig
    ingest: IngestConfig
    controls: ControlsGroup
    evaluate: EvaluateConfig

    @property
    def targets(self) -> tuple[str, ...]:
        """What is run, with all it needs."""
        return ("evaluate",)

    @property
    def stages(self) -> Mapping[str, object]:
        """Stage name -> its config."""
        return {
            "ingest": self.ingest,
            "vectors": self.vectors,
            "encode": EncodeConfig(),
            "vector_controls": VectorControlsConfig(
                seed=self.controls.seed, evaluate=self.evaluate.scored
            ),
            "evaluate": self.evaluate,
        }

    @property
    def run_name(self) -> str:
        """Where the vectors come from."""
        return f"file {self.vectors.file.name}"


AnyConfig = Config | ScoringConfig


def read_config(composed: DictConfig) -> tuple[AnyConfig, dict[str, Any]]:
    """Check a composed configuration.

    Returns:
        The configuration, and the same as plain values with every interpolation
        resolved.

    Raises:
        ConfigError: naming every bad key in full, its value and what is legal.
    """
    values = plain_values(composed)
    return check_config(values), values


def plain_values(composed: DictConfig) -> dict[str, Any]:
    """Return a composed configuration with every interpolation resolved.

    Raises:
        ConfigError: naming a key that has no value or cannot be resolved.
    """
    try:
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = error.full_key
        message = f"{key}: a value must be given, such as {key}=..."
        raise ConfigError(message) from error
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{error.full_key or 'config'}: {reason}") from error
    if not isinstance(plain, dict):
        raise ConfigError(f"expected keys and values, found {type(plain).__name__}")
    return {str(key): value for key, value in plain.items()}


def check_config(values: Mapping[str, Any]) -> AnyConfig:
    """Check plain values, whether composed now or read back from a record.

    Returns:
        That of a run, or with a group `vectors` that of a scoring.

    Raises:
        ConfigError: naming every bad key in full, its value and what is legal.
    """
    if "vectors" in values:
        return _checked(ScoringConfig, values)
    return _checked(Config, values)


def check_tracking(values: Mapping[str, Any]) -> TrackingConfig:
    """Check the group `tracking` by itself.

    Raises:
        ConfigError: as `check_config` does.
    """
    return _checked(_TrackingGroup, {"tracking": values}).tracking


def to_yaml(values: Mapping[str, Any]) -> str:
    """Return plain values as YAML, in their order."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))


@dataclass(frozen=True)
class _TrackingGroup:
    tracking: TrackingConfig

    __pydantic_config__ = Config.__pydantic_config__


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return what checks a kind of configuration; making it takes 20 ms."""
    return TypeAdapter(kind)


def _checked(kind: type[T], values: Mapping[str, Any]) -> T:
    try:
        # JSON's strict mode lets a list be a tuple and a string be a path, and
        # nothing else be what it is not.
        adapter = _adapter(kind)  # type: ignore[arg-type]  # a class can be hashed
        checked: T = adapter.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        lines: dict[tuple[object, str], str] = {}
        for detail in error.errors(include_url=False):
            # One bad seed is bad in every group it is handed to: said once.
            fault = (detail["loc"][-1:], repr(detail["input"]))
            lines.setdefault(fault, _cut(_explain(detail, values)))
        raise ConfigError("\n".join(lines.values())) from error
    except TypeError as error:
        raise ConfigError(f"a value has no plain form: {error}") from error
    return checked


def _explain(detail: ErrorDetails, values: Mapping[str, Any]) -> str:
    """Return one line: full key, what was expected, what was found."""
    path, parent = _locate(detail["loc"], values)
    key = ".".join(map(str, path)) or "config"
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "unexpected_keyword_argument":
        legal = ", ".join(sorted(str(k) for k in parent if k != path[-1]))
        return f"{key}: no such key; there are {legal}"
    if kind == "missing" and isinstance(parent, list):
        where = ".".join(map(str, path[:-1]))
        return f"{where}: expected more items, found {_shown(parent)}"
    if kind == "missing":
        return f"{key}: a value must be given, such as {key}=..."
    if kind == "value_error":
        return f"{key}: {context['error']}"
    if kind == "union_tag_invalid":
        key = f"{key}.{context['discriminator'].strip(chr(39))}"
        return f"{key}: expected {context['expected_tags']}, found {context['tag']!r}"
    message = detail["msg"]
    if message.startswith("Input should be "):
        message = message.replace("Input should be", "expected", 1)
    else:
        message = f"expected: {message[0].lower()}{message[1:]}"
    return f"{key}: {message}, found {_shown(detail['input'])}"


def _locate(
    location: Sequence[int | str], values: Mapping[str, Any]
) -> tuple[list[int | str], Any]:
    """Return the keys of a location, and the last key's parent.

    pydantic puts the variant of a union that it tried among the keys (`ingest`,
    `conll_files`, `path`); it is left out.
    """
    path: list[int | str] = []
    current: Any = values
    parent: Any = values
    for depth, part in enumerate(location, start=1):
        if isinstance(current, Mapping):
            if part in (current.get(tag) for tag in _VARIANT_KEYS):
                continue
            known = part in current or depth == len(location)  # or one that is missing
        else:
            known = isinstance(current, list) and isinstance(part, int)
        if known:
            path.append(part)
            parent = current
            current = _item(current, part)
    return path, parent


def _item(values: Any, key: Any) -> Any:
    if isinstance(values, Mapping):
        return values.get(key)
    return values[key] if key < len(values) else None


_LONGEST = 400  # characters that are said of one key

_VARIANT_KEYS = ("reader", "backend")


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _shown(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
