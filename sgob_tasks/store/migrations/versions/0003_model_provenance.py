"""What a model was made from and by what; who promoted it and why; one champion, by a rule of the database.

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, comment in (
        ("data_sha256", "of the data it was trained on: annotations and pictures"),
        ("held_out_sha256", "of the held-out annotations: models with the same one are comparable"),
        ("revision", "git revision of the code that trained it; or unknown, and why"),
        ("job_key", "the training job; slurm_submissions has what its chain took"),
    ):
        op.add_column("models", sa.Column(name, sa.Text(), nullable=True, comment=comment))
    for name, comment in (
        ("plan", "nodes, GPUs, hours and links as they were planned"),
        ("decision", "comparison with the champion of the time, and what follows from it"),
    ):
        op.add_column("models", sa.Column(name, postgresql.JSONB(), nullable=True, comment=comment))
    op.alter_column("models", "training", comment="summary of the training: images, epochs, ranks, seconds")
    op.create_table(
        "model_changes",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="of this model's changes, from 1"
        ),
        sa.Column("state_before", sa.Text(), nullable=False),
        sa.Column("state_after", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="who: a person, or the rule of promotion"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decision", postgresql.JSONB(), nullable=True, comment="comparison that it rests on"),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state_before, state_after) IN (('candidate', 'champion'), ('candidate', 'retired'), "
            "('champion', 'retired'), ('retired', 'champion'))",
            name=op.f("ck_model_changes_transition"),
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_changes_model_id")),
        sa.PrimaryKeyConstraint("model_id", "number", name=op.f("pk_model_changes")),
    )
    # Two promotions at once could leave two champions; the one of the newest version stays.
    op.execute(
        """
        UPDATE models SET state = 'retired'
        WHERE state = 'champion' AND EXISTS (
            SELECT 1 FROM models AS newer
            WHERE newer.name = models.name AND newer.state = 'champion' AND newer.version > models.version)
        """
    )
    op.create_index(
        "uq_models_champion", "models", ["name"], unique=True, postgresql_where=sa.text("state = 'champion'")
    )
    # What older rows and the ledger know already.
    op.execute(
        """
        UPDATE models SET
            held_out_sha256 = training ->> 'val_sha256',
            job_key = (SELECT min(key) FROM slurm_jobs
                       WHERE split_part(owner, '/', 2) = models.run_id AND key LIKE 'sgob-train-%')
        """
    )


def downgrade() -> None:
    op.drop_index("uq_models_champion", table_name="models")
    op.drop_table("model_changes")
    op.alter_column("models", "training", comment="data set, its hash, images, epochs, ranks, seconds")
    for name in ("data_sha256", "held_out_sha256", "revision", "job_key", "plan", "decision"):
        op.drop_column("models", name)
