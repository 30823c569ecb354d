"""Options and exit codes that commands share."""

import os
from pathlib import Path

import click

from pipeline.core.files import expanded

EXIT_FAILED, EXIT_USAGE = 1, 2
EXIT_STOPPED = 75  # EX_TEMPFAIL of sysexits.h: the same command will go on

home = click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=lambda: os.environ.get("W2V_HOME", "runs"),
    callback=lambda _context, _option, home: expanded(home).absolute(),
    help="Folder that holds the runs (W2V_HOME, or ./runs).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
