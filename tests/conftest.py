"""Fixtures that several folders of tests use."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from sgob_tasks.store.embedded import EmbeddedPostgres
from sgob_tasks.store.engine import migrate

# How long an example takes says more about the machine than about the code; CI draws the same examples every time.
settings.register_profile("sgob", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("sgob-ci", settings.get_profile("sgob"), derandomize=True)
settings.load_profile("sgob")

_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests over reference files that this machine has none of: they are made for what exists."""
    missing = [
        item for item in items if any("empty parameter set" in str(mark.kwargs) for mark in item.iter_markers("skip"))
    ]
    if missing:
        config.hook.pytest_deselected(items=missing)
        items[:] = [item for item in items if item not in missing]


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL of this test run alone, stopped at its end."""
    with tempfile.TemporaryDirectory(prefix="sgob-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "data")
        server.start()
        migrate(sa.create_engine(server.url("sgob"), poolclass=sa.NullPool))
        yield server
        server.stop()


@pytest.fixture
def store(postgres: EmbeddedPostgres) -> Iterator[sa.Engine]:
    """An empty, migrated database, dropped after the test (copied from a template: 50 ms)."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE sgob'))
    engine = sa.create_engine(postgres.url(name))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
