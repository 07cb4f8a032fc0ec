"""Every submission of a Slurm job, with what it used; what the ledger has so far becomes its first rows.

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slurm_submissions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False, comment="number of the submission of the job, from 1"),
        sa.Column("job_id", sa.Text(), nullable=True, comment="Slurm's id; null until it is known"),
        sa.Column("state", sa.Text(), server_default="intended", nullable=False),
        sa.Column("slurm_state", sa.Text(), nullable=True, comment="Slurm's own word, last seen"),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why it stands so, ended or was followed by another submission",
        ),
        sa.Column(
            "owner", sa.Text(), server_default="", nullable=False, comment="who waited for it: DAG, run and task"
        ),
        sa.Column("tasks", sa.Integer(), server_default="1", nullable=False, comment="number of indices submitted"),
        sa.Column("indices", sa.Text(), server_default="0", nullable=False, comment="indices submitted, as in 0-2,5"),
        sa.Column("checkpoint", sa.Text(), nullable=True, comment="newest checkpoint when it ended"),
        sa.Column("intended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nodes", sa.Integer(), nullable=True, comment="allocated to one task"),
        sa.Column("cpus", sa.Integer(), nullable=True, comment="allocated to one task, on all its nodes"),
        sa.Column("gpus", sa.Integer(), nullable=True, comment="allocated to one task, on all its nodes"),
        sa.Column("elapsed_s", sa.Float(), nullable=True, comment="from the first task's start to the last one's end"),
        sa.Column("queue_wait_s", sa.Float(), nullable=True, comment="from submission to the first task's start"),
        sa.Column("node_seconds", sa.Float(), nullable=True, comment="allocated, sum over tasks"),
        sa.Column("gpu_seconds", sa.Float(), nullable=True, comment="allocated, sum over tasks"),
        sa.Column("cpu_seconds", sa.Float(), nullable=True, comment="allocated, sum over tasks"),
        sa.Column("cpu_used_seconds", sa.Float(), nullable=True, comment="used (Slurm's TotalCPU), sum over tasks"),
        sa.Column("max_rss_bytes", sa.BigInteger(), nullable=True, comment="largest resident set of any step"),
        sa.Column(
            "usage_source",
            sa.Text(),
            nullable=True,
            comment="where the figures are from: sacct, markers, none; null until they are asked",
        ),
        sa.Column("usage_note", sa.Text(), nullable=True, comment="why they are not from sacct"),
        sa.CheckConstraint(
            "state IN ('intended', 'submitted', 'running', 'succeeded', 'failed', 'cancelled', 'lost')",
            name=op.f("ck_slurm_submissions_state"),
        ),
        sa.CheckConstraint(
            "usage_source IN ('sacct', 'markers', 'none')", name=op.f("ck_slurm_submissions_usage_source")
        ),
        sa.ForeignKeyConstraint(["key"], ["slurm_jobs.key"], name=op.f("fk_slurm_submissions_key"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "generation", name=op.f("pk_slurm_submissions")),
    )
    op.create_index("ix_slurm_submissions_ended_at", "slurm_submissions", ["ended_at"])
    # The ledger knows the last submission of each job only; its indices are in the details where it was resubmitted.
    op.execute(
        """
        INSERT INTO slurm_submissions (key, generation, job_id, state, slurm_state, reason, owner, tasks, indices,
                                       intended_at, submitted_at, ended_at)
        SELECT key, generation, job_id, state, slurm_state, reason, owner,
               CASE WHEN jsonb_typeof(details -> 'indices') = 'array'
                    THEN jsonb_array_length(details -> 'indices') ELSE tasks END,
               CASE WHEN jsonb_typeof(details -> 'indices') = 'array'
                    THEN array_to_string(ARRAY(SELECT jsonb_array_elements_text(details -> 'indices')), ',')
                    WHEN tasks > 1 THEN '0-' || (tasks - 1) ELSE '0' END,
               intended_at, submitted_at, ended_at
        FROM slurm_jobs
        """
    )


def downgrade() -> None:
    op.drop_index("ix_slurm_submissions_ended_at", table_name="slurm_submissions")
    op.drop_table("slurm_submissions")
