"""A whole platform of the tests' own: painted scenes, Slurm, PostgreSQL, the stand-ins, Airflow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sgob_tasks.sandbox import slurm
from sgob_tasks.sandbox.platform import Platform


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Start the platform with a small collection; leave Slurm as it was found."""
    slurm_ran = any(slurm.status().values())
    with tempfile.TemporaryDirectory(prefix="sgob-e2e-", ignore_cleanup_errors=True) as folder:
        monkey = pytest.MonkeyPatch()
        monkey.setenv("SGOB_HOME", folder)
        platform = Platform(Path(folder), painted={"collection": 16, "train": 96, "held_out": 32})
        try:
            platform.up()
            yield platform
        finally:
            platform.down(keep_slurm=slurm_ran)
            monkey.undo()
