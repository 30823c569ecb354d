"""Fixtures shared by all tests."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from pipeline.records import RunRecord

# No deadline: speed is measured elsewhere, and machines differ.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Have Ctrl-C interrupt, also where tests run in the background of a shell.

    A shell without job control has what it starts with `&` ignore it, and all that
    those processes start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20030531)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the public corpora and word lists that are not shipped."""
    folder = Path(os.environ.get("W2V_SHARED", ROOT.parent / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the corpora in {folder} (set W2V_SHARED)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for compiled code: each kernel is compiled once in all."""
    folder = common_folder(tmp_path_factory, "numba")
    os.environ["W2V_KERNEL_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Folder for matplotlib's list of fonts: it is made once in all."""
    os.environ["MPLCONFIGDIR"] = str(common_folder(tmp_path_factory, "matplotlib"))


def common_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder that all workers share."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_run(kernel_cache: Path) -> Callable[..., RunRecord]:
    """Run the pipeline in this process: `make_run(home, "train.dim=8", ...)`."""
    from hydra import compose, initialize_config_dir

    from pipeline.config import read_config
    from pipeline.run import run_pipeline

    def run(home: Path, *overrides: str) -> RunRecord:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            composed = compose("config", [f"home={home}", *overrides])
        config, values = read_config(composed)
        return run_pipeline(config, values, overrides, on_end=lambda _: None)

    return run


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a window, which logs all that it asks for."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs chromium and chromedriver on the path")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = webdriver.ChromeService(executable_path=driver)
    session = webdriver.Chrome(options=options, service=service)
    yield session
    session.quit()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.getoption("--run-slow"):
        skip = pytest.mark.skip(reason="slow: run with --run-slow")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how much was tried: the sums of what tests recorded as `... tried`."""
    counts: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, value in report.user_properties:
                    if name.endswith(" tried"):
                        counts[name] = counts.get(name, 0) + value
    if counts:
        terminalreporter.section("tried")
    for name, count in sorted(counts.items()):
        terminalreporter.write_line(f"{name}: {count:,}")
