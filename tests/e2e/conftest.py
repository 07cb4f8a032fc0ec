"""A whole platform of the tests' own: painted scenes, Slurm, PostgreSQL, the stand-ins, Airflow."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from sgob_tasks.cluster.connect import configured_site
from sgob_tasks.config import Settings
from sgob_tasks.sandbox import slurm
from sgob_tasks.sandbox.night import TRAIN, TRAIN_CAPTIONS, TRAININGS, NightDriver
from sgob_tasks.sandbox.platform import Platform
from sgob_tasks.store.engine import open_store

TRAINING = {"budget_s": 170, "epochs": 1000}
# Chromium's own calls to the world are refused where there is no network, and cost time.
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those come last that put another champion in the place of the first night's: the others expect that one."""
    items.sort(key=lambda item: "asked" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Start the platform with a small collection; leave Slurm as it was found."""
    slurm_ran = any(slurm.status().values())
    with tempfile.TemporaryDirectory(prefix="sgob-e2e-", ignore_cleanup_errors=True) as folder:
        monkey = pytest.MonkeyPatch()
        monkey.setenv("SGOB_HOME", folder)
        platform = Platform(Path(folder), painted={"collection": 60, "train": 240, "held_out": 32})
        try:
            platform.up()
            yield platform
        finally:
            platform.down(keep_slurm=slurm_ran)
            monkey.undo()


@pytest.fixture(scope="session")
def engine(platform: Platform) -> sa.Engine:
    """The platform's store."""
    return open_store(Settings(home=platform.home))


@pytest.fixture(scope="session")
def driver(platform: Platform) -> NightDriver:
    """Runs nights on the platform."""
    return NightDriver(platform.airflow(platform.state()).client())


@pytest.fixture(scope="session")
def first_night(driver: NightDriver) -> dict[str, str]:
    """Train a detector and a caption generator and run a night; return the run ids by DAG."""
    conf = {TRAIN: TRAINING, TRAIN_CAPTIONS: {"budget_s": 60}}
    return driver.run(train=TRAININGS, conf=conf).run_ids


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in CHROMIUM:
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def slurm_queue(platform: Platform) -> Callable[[], set[str]]:
    """Asks Slurm itself for the names of the jobs that wait or run."""

    def names() -> set[str]:
        site = configured_site(Settings(home=platform.home))
        environment = {**os.environ, "SLURM_CONF": site.environment["SLURM_CONF"]}
        command = ["squeue", "--noheader", "--states=PENDING,RUNNING", "--format=%j"]
        return set(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split())

    return names
