"""Connect to the store and bring its tables up to date."""

from __future__ import annotations

import functools
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from sgob_tasks.config import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


@functools.lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=10)


def open_store(settings: Settings | None = None) -> sa.Engine:
    """Return the engine of the configured server, or of the embedded server (started when it is not running).

    The tables are not touched: ``migrate`` brings them up to date.
    """
    settings = settings or Settings()
    if settings.database_url is not None:
        return _engine(settings.database_url.get_secret_value())
    from sgob_tasks.store.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(settings.home / "postgres")
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
