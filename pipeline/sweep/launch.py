"""How a sweep meets Hydra: composing its cells' configurations, launching trials.

Configurations are composed when the sweep begins and kept in its ledger. What a
launcher carries to a trial, in this process or on another machine, is the trial's
number: a YAML file that is edited in mid-sweep changes nothing.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from pipeline.config import plain_values
from pipeline.errors import ConfigError
from pipeline.loading import read_values

# What Hydra's own launcher runs one by one, in this process.
_ONE_BY_ONE = "BasicLauncher"
# Without visualize: pictures of every trial would take longer than their training.
_TARGETS = ("evaluate",)


class FrozenLoader:
    """Gives launchers the configuration of a trial without reading any file."""

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Return the launch's configuration with a trial's number in it."""
        config = copy.deepcopy(master_config)
        told = dict(override.split("=", 1) for override in sweep_overrides[:2])
        config.trial = int(told["trial"])
        config.wait = told["wait"] == "true"
        config.hydra.overrides.task = sweep_overrides
        return config


@dataclass(frozen=True)
class HydraLaunch:
    """What Hydra gives a sweeper.

    Attributes:
        context: Composes configurations.
        task: Runs one trial; Hydra's launchers call it.
        master: The configuration without the values that are swept.
    """

    context: HydraContext
    task: TaskFunction
    master: DictConfig

    @property
    def home(self) -> Path:
        """The folder that holds all that runs write; absolute."""
        return Path(str(self.master.home)).expanduser().absolute()

    @property
    def sweep(self) -> dict[str, Any]:
        """The group `sweep` as plain values."""
        plain = OmegaConf.to_container(self.master.sweep, resolve=True)
        if not isinstance(plain, dict):
            raise ConfigError("sweep: expected keys and values")
        return {str(key): value for key, value in plain.items()}

    @property
    def targets_given(self) -> bool:
        """Whether the user said which stages to run."""
        return bool(self.master.targets)

    @property
    def targets(self) -> tuple[str, ...]:
        """The stages to run, where a trial's own values name no others."""
        given = self.master.targets
        return tuple(given) if given and isinstance(given, ListConfig) else _TARGETS

    @property
    def tracked(self) -> bool:
        """Whether runs are tracked with MLflow, unless a trial's values say no."""
        return bool(OmegaConf.select(self.master, "tracking.backend") != "off")

    @property
    def launcher(self) -> Mapping[str, Any]:
        """The configuration of what runs trials; a value is resolved when read."""
        chosen: Mapping[str, Any] = self.master.hydra.launcher
        return chosen

    @property
    def one_by_one(self) -> bool:
        """Whether trials are run in this process, one after another."""
        return str(self.launcher.get("_target_")).endswith(_ONE_BY_ONE)

    def launch(
        self, sweep: str, trials: Sequence[tuple[int, Sequence[str]]], *, wait: bool
    ) -> Sequence[JobReturn]:
        """Run trials with the launcher that was chosen, and wait for them.

        Args:
            sweep: The sweep's name.
            trials: Number of each, and its overrides, to be shown.
            wait: Whether to wait for a trial that another process runs.

        Raises:
            Exception: what a trial raised besides the errors it keeps.
        """
        told = {"home": str(self.home), "sweep": sweep, "trial": -1, "wait": wait}
        config = OmegaConf.create({**told, "hydra": copy.deepcopy(self.master.hydra)})
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(
                config_loader=FrozenLoader(),  # type: ignore[arg-type]  # all that launchers use
                callbacks=self.context.callbacks,
            ),
            task_function=self.task,
            config=config,
        )
        flag = f"wait={'true' if wait else 'false'}"
        jobs = [[f"trial={number}", flag, *shown] for number, shown in trials]
        returned = launcher.launch(jobs, initial_job_idx=0)
        for job in returned:
            _ = job.return_value  # raises what the job raised
        return returned


class Composer:
    """Compose the configurations of cells.

    Composing takes a fifth of a second: it is done once for each choice of groups,
    and keys are then set in copies.

    Args:
        launch: What Hydra gave.
        fixed: Overrides that all cells share.
        swept: Keys and groups that are swept.
    """

    def __init__(
        self, launch: HydraLaunch, fixed: Sequence[str], swept: Sequence[str]
    ) -> None:
        self._launch = launch
        typed = OverridesParser.create().parse_overrides(list(fixed))
        keys = {override.key_or_group for override in typed} | set(swept)
        self._fixed = [
            str(override.input_line) for override in typed if not _is_aside(override)
        ]
        self._one_thread = "train.threads" not in keys and not launch.one_by_one
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._values: dict[tuple[str, ...], dict[str, Any]] = {}
        self._groups: dict[str, bool] = {}

    def values(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the resolved configuration of a cell as plain values.

        Raises:
            ConfigError: if it is not legal.
            HydraException: if it cannot be composed.
        """
        asked = tuple(overrides)
        if asked not in self._values:
            self._values[asked] = self._compose(asked)
        return copy.deepcopy(self._values[asked])

    def _compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        plain = [o for o in parsed if self._is_plain_key(o)]
        others = tuple(str(o.input_line) for o in parsed if o not in plain)
        config = copy.deepcopy(self._base(others))
        for override in plain:
            OmegaConf.update(config, override.key_or_group, override.value())
        _, values = read_values(plain_values(config))
        return values

    def _is_plain_key(self, override: Override) -> bool:
        """Say whether an override only sets a key that the configuration has."""
        return (
            override.type is OverrideType.CHANGE
            and override.package is None
            and "/" not in override.key_or_group
            and OmegaConf.select(self._launch.master, override.key_or_group) is not None
            and not self._is_group(override.key_or_group)
        )

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            options = self._launch.context.config_loader.get_group_options(key)
            self._groups[key] = bool(options)
        return self._groups[key]

    def _base(self, others: tuple[str, ...]) -> DictConfig:
        """Return the unresolved configuration with some overrides."""
        if others not in self._composed:
            config = self._launch.context.config_loader.load_sweep_config(
                self._launch.master, [*self._fixed, *others]
            )
            with open_dict(config):
                del config["hydra"]
                config.pop("sweep", None)
            config.home = str(self._launch.home)
            config.targets = config.targets or list(_TARGETS)
            if self._one_thread and config.train.threads == "auto":
                config.train.threads = 1
            self._composed[others] = config
        return self._composed[others]


def _is_aside(override: Override) -> bool:
    """Say whether an override is about the sweep, not about its trials."""
    key = override.key_or_group
    return key == "sweep" or key.startswith("sweep.")
