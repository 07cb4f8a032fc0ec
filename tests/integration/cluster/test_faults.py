"""A quick subset of ``python -m tests.faults``: every fault once or a few times, with the same functions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from sgob_tasks.sandbox.slurm import SlurmSandbox
from sgob_tasks.store.embedded import EmbeddedPostgres
from tests.faults.__main__ import FAULTS
from tests.faults.trials import Tally
from tests.faults.world import World

pytestmark = [
    pytest.mark.integration,
    # A thread of paramiko's ends with the connection that the trial kills.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(scope="module")
def world(slurm: SlurmSandbox, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE faults TEMPLATE sgob"))
    folder = tmp_path_factory.mktemp("faults")
    made = World(slurm, sa.create_engine(postgres.url("faults"), poolclass=sa.NullPool), folder)
    yield made
    made.close()
    with admin.connect() as connection:
        connection.execute(sa.text("DROP DATABASE faults WITH (FORCE)"))


@pytest.fixture(scope="module")
def together(world: World) -> dict[str, Tally]:
    """The faults that no other trial feels, all at once."""
    names = [name for name, fault in FAULTS.items() if not fault.alone]
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: world.run(name, FAULTS[name].quick), names), strict=True))


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if not fault.alone])
def test_every_piece_of_work_is_done_once(together: dict[str, Tally], name: str) -> None:
    assert together[name].clean, together[name]


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.alone])
def test_every_piece_of_work_is_done_once_when_all_feel_it(world: World, name: str) -> None:
    tally = world.run(name, FAULTS[name].quick)
    assert tally.clean, tally
