"""What steps made their output from, so that they do again only what has changed. What is there is done once more.

Revision: 0005
Follows: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step_inputs",
        sa.Column("step", sa.Text(), nullable=False, comment="context, scenes or captions"),
        sa.Column("subject", sa.Text(), nullable=False, comment="record id; for captions the picture's SHA-256"),
        sa.Column(
            "fingerprint",
            sa.Uuid(),
            nullable=False,
            comment="of all that the step read of it, and of the step's version",
        ),
        sa.PrimaryKeyConstraint("step", "subject", name=op.f("pk_step_inputs")),
    )
    of = "of a generated caption: fingerprint of what it was written from"
    op.add_column("captions", sa.Column("inputs", sa.Text(), nullable=True, comment=of))


def downgrade() -> None:
    op.drop_column("captions", "inputs")
    op.drop_table("step_inputs")
