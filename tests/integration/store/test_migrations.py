"""The migrations make exactly the tables that the code describes, and can go back."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sgob_tasks.store.embedded import EmbeddedPostgres
from sgob_tasks.store.engine import migrate
from sgob_tasks.store.tables import metadata

pytestmark = pytest.mark.integration


def test_migrations_and_tables_agree(store: sa.Engine) -> None:
    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_twice_changes_nothing(store: sa.Engine) -> None:
    migrate(store)
    assert set(metadata.tables) <= set(sa.inspect(store).get_table_names())


def test_unknown_state_is_refused_by_the_database(store: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="ck_records_state"), store.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO records (id, state, content_hash, raw) VALUES ('/1/a', 'odd', 'x', '{}')")
        )


def test_embedded_server_is_found_running(postgres: EmbeddedPostgres) -> None:
    again = EmbeddedPostgres(postgres.folder)
    assert again.running()
    assert again.pid() == postgres.pid()
    again.start()
    assert again.url("sgob") == postgres.url("sgob")
