"""Connect to the store and bring its tables up to date."""

from __future__ import annotations

import functools
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from sgob_tasks.config import Settings, load_settings
from sgob_tasks.errors import PermanentError

MIGRATIONS = Path(__file__).parent / "migrations"


@functools.lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=10)


def open_store(settings: Settings | None = None, *, new: bool = False) -> sa.Engine:
    """Return the engine of the configured server, or of the embedded server (started when it is not running).

    The tables are not touched: ``migrate`` brings them up to date.

    Args:
        settings: the installation's.
        new: whether this may make an embedded server that is not there yet.

    Raises:
        PermanentError: there is no store here yet.
    """
    settings = settings or load_settings()
    if settings.database_url is not None:
        return _engine(settings.database_url.get_secret_value())
    from sgob_tasks.store.embedded import EmbeddedPostgres

    folder = settings.home / "postgres"
    if not new and not (folder / "PG_VERSION").exists():
        raise PermanentError(
            f"there is no store in {settings.home}: name another folder by SGOB_HOME, a server by SGOB_DATABASE_URL, "
            "or make a new one with `sgob migrate`"
        )
    server = EmbeddedPostgres(folder)
    server.start()
    return _engine(server.url("sgob"))


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the tables to ``revision``; two processes at once are serialised by a lock in the database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7021957)"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
