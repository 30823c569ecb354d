"""Stages that do little, for tests that run them in processes of their own.

Tests put this file into a copy of the package, as one of its stages.
"""

import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pipeline.errors import DataError
from pipeline.fields import Unkeyed
from pipeline.graph import Stage
from pipeline.report import Report

log = logging.getLogger(__name__)

Deed = Literal["work", "meet", "fail", "break", "die", "exit", "hang", "leave"]


@dataclass(frozen=True)
class Numbers:
    values: tuple[int, ...]


@dataclass(frozen=True)
class Total:
    value: int


@dataclass(frozen=True)
class Twice:
    value: int


@dataclass(frozen=True)
class Product:
    value: int


@dataclass(frozen=True)
class CountConfig:
    count: int
    edits: Annotated[bool, Unkeyed()]


@dataclass(frozen=True)
class ToyConfig:
    plus: int
    deed: Annotated[Deed, Unkeyed()]
    notes: Annotated[Path, Unkeyed()]  # a folder that tells what happened


def count(config: CountConfig, *, workspace: Path, report: Report) -> Numbers:
    if config.edits:
        path = Path(__file__)
        path.write_text(path.read_text() + "\n\ndef added():\n    return 1\n")
    return Numbers(tuple(range(1, config.count + 1)))


def add(
    config: ToyConfig, numbers: Numbers, *, workspace: Path, report: Report
) -> Total:
    act(config, "add", "multiply", report)
    return Total(sum(numbers.values) + config.plus)


def double(
    config: ToyConfig, total: Total, *, workspace: Path, report: Report
) -> Twice:
    act(config, "double", "multiply", report)
    return Twice(2 * total.value)


def multiply(
    config: ToyConfig, numbers: Numbers, *, workspace: Path, report: Report
) -> Product:
    act(config, "multiply", "add", report)
    product = 1
    for value in numbers.values:
        product *= value
    return Product(product + config.plus)


def act(config: ToyConfig, name: str, other: str, report: Report) -> None:
    report.start(2, "steps")
    log.info("%s has 100%% begun", name)
    try:
        note(config, name)
        report.metrics({f"{name}/third": 1 / 3}, step=1)
        do(config, name, other)
    except KeyboardInterrupt:
        note(config, f"{name} stopped")
        raise
    report.advance(2, "done")


def do(config: ToyConfig, name: str, other: str) -> None:
    match config.deed:
        case "work":
            pass
        case "meet":  # ends only where both work at once
            wait_for(config.notes / other)
        case "fail":
            raise DataError(f"{name}: expected 1, found 'zwölf'")
        case "break":
            raise KeyError(name)
        case "exit":
            sys.exit(3)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        case "hang":
            time.sleep(60)


def note(config: ToyConfig, name: str) -> None:
    (config.notes / f".{name}").write_text(str(os.getpid()))
    (config.notes / f".{name}").rename(config.notes / name)


def wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.01)
    raise DataError(f"nobody wrote {path}")


STAGES = (
    Stage(count, gives=("numbers",)),
    Stage(add, gives=("total",)),
    Stage(double, gives=("twice",)),
    Stage(multiply, gives=("product",), beside=True),
)
