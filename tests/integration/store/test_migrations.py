"""The migrations make exactly the tables that the code describes, and can go back."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from sgob_tasks.context.refine import apply_time_context
from sgob_tasks.store.embedded import EmbeddedPostgres
from sgob_tasks.store.engine import MIGRATIONS, migrate
from sgob_tasks.store.tables import metadata

pytestmark = pytest.mark.integration


def test_migrations_and_tables_agree(store: sa.Engine) -> None:
    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_twice_changes_nothing(store: sa.Engine) -> None:
    migrate(store)
    assert set(metadata.tables) <= set(sa.inspect(store).get_table_names())


def test_the_history_of_jobs_begins_with_what_the_ledger_knew(store: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        for key, tasks, details in (("a", 5, '{"indices": [1, 4]}'), ("b", 3, "{}"), ("c", 1, '{"indices": null}')):
            connection.execute(
                sa.text(
                    "INSERT INTO slurm_jobs (key, cluster, owner, state, generation, job_id, run_dir, tasks, details) "
                    "VALUES (:key, 'test', 'd/r/t', 'failed', 2, '7', '/r', :tasks, CAST(:details AS jsonb))"
                ),
                {"key": key, "tasks": tasks, "details": details},
            )
    migrate(store)
    with store.connect() as connection:
        found = connection.execute(
            sa.text("SELECT key, generation, state, owner, tasks, indices FROM slurm_submissions ORDER BY key")
        ).all()
    assert [tuple(row) for row in found] == [
        ("a", 2, "failed", "d/r/t", 2, "1,4"),
        ("b", 2, "failed", "d/r/t", 3, "0-2"),
        ("c", 2, "failed", "d/r/t", 1, "0"),
    ]


def test_what_was_there_before_fingerprints_is_due_once(store: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        assert "step_inputs" not in sa.inspect(connection).get_table_names()
        assert "inputs" not in {column["name"] for column in sa.inspect(connection).get_columns("captions")}
        connection.execute(sa.text("INSERT INTO records (id, content_hash, raw) VALUES ('/1/a', 'x', '{}')"))
        connection.execute(
            sa.text(
                "INSERT INTO captions "
                "(record_id, source, ordinal, text, text_hash, is_caption, score, classifier, sha256) VALUES "
                "('/1/a', 'generator', 0, 't', 'h', true, 0.5, 'generator-1', 'p')"
            )
        )
    migrate(store)
    with store.connect() as connection:
        assert connection.execute(sa.text("SELECT inputs FROM captions")).scalars().all() == [None]
        assert connection.execute(sa.text("SELECT count(*) FROM step_inputs")).scalar() == 0
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert apply_time_context(store).records == 1
    assert apply_time_context(store).records == 0


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
