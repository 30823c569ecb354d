"""The sweeper of `w2v run -m`, where Hydra looks for it.

Hydra takes sweepers from this namespace package only and imports all that is in it
whenever it composes a configuration: what the sweeper does lies in `pipeline.sweep`
and is imported when a sweep begins.
"""

from collections.abc import Sequence

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LedgerSweeper(Sweeper):
    """Run a sweep over a ledger of its trials (see `pipeline.sweep.sweeper`)."""

    def setup(
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
    ) -> None:
        """Take what Hydra has composed so far."""
        self._given = (hydra_context, task_function, config)

    def sweep(self, arguments: Sequence[str]) -> None:
        """Run what is missing of the sweep that the overrides describe.

        Raises:
            ConfigError: if the overrides do not describe a sweep, or one that
                differs from the one of its name.
            SweepError: if trials failed.
            StoppedError: if trials stopped at their time budget.
        """
        from pipeline.commands.sweep import print_stopped, print_summary
        from pipeline.errors import StoppedError
        from pipeline.sweep.launch import HydraLaunch
        from pipeline.sweep.sweeper import run_sweep

        launch = HydraLaunch(*self._given)
        try:
            print_summary(run_sweep(launch, tuple(arguments)))
        except StoppedError as stop:
            print_stopped(stop)
            raise
