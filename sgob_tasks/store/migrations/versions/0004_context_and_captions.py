"""What context and captions know beyond a label: the evidence, relations' reasons, subjects, generated captions.

Revision: 0004
Follows: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    evidence = "what detector, time and language each said, and their weights"
    op.add_column("detections", sa.Column("label_evidence", postgresql.JSONB(), nullable=True, comment=evidence))
    versions = "versions of bounds, priors, language model and fusion that gave the label"
    op.add_column("detections", sa.Column("context_version", sa.Text(), nullable=True, comment=versions))

    why = "what in geometry, classes and texts speaks for it"
    op.add_column("relations", sa.Column("reason", sa.Text(), nullable=True, comment=why))
    by = "of the rules and the language model that found it"
    op.add_column("relations", sa.Column("version", sa.Text(), nullable=True, comment=by))
    op.create_index("ix_relations_object_id", "relations", ["object_id"])

    op.create_table(
        "subjects",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="picture that shows it"),
        sa.Column("rank", sa.Integer(), nullable=False, comment="from 1, the likeliest"),
        sa.Column("notation", sa.Text(), nullable=False, comment="Iconclass"),
        sa.Column("wikidata", sa.Text(), nullable=True, comment="Wikidata item, Q and a number"),
        sa.Column("label", sa.Text(), nullable=False, comment="the saint's or the scene's name in English"),
        sa.Column("score", sa.Float(), nullable=False, comment="probability, between 0 and 1"),
        sa.Column("reason", sa.Text(), nullable=False, comment="which attributes, relations and words speak for it"),
        sa.Column(
            "evidence",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="what each of them adds, in nats",
        ),
        sa.Column("version", sa.Text(), nullable=False, comment="of the tables and rules that ranked it"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_subjects_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
        sa.UniqueConstraint("record_id", "sha256", "notation", name=op.f("uq_subjects_record_id_sha256_notation")),
    )
    op.create_index("ix_subjects_notation", "subjects", ["notation"])

    of = "picture a generated caption is of; null for a sentence of the metadata"
    op.add_column("captions", sa.Column("sha256", sa.Text(), nullable=True, comment=of))
    where = "of a generated caption: weights over the picture's boxes, word by word"
    op.add_column("captions", sa.Column("attention", postgresql.JSONB(), nullable=True, comment=where))
    judge = "version of what judged the sentence, or generated it"
    op.alter_column("captions", "classifier", existing_type=sa.Text(), existing_nullable=False, comment=judge)
    op.drop_constraint("uq_captions_record_id_text_hash_classifier", "captions")
    op.create_index(
        "uq_captions_sentence",
        "captions",
        ["record_id", "text_hash", "classifier"],
        unique=True,
        postgresql_where=sa.text("sha256 IS NULL"),
    )
    op.create_index(
        "uq_captions_generated",
        "captions",
        ["record_id", "sha256", "classifier"],
        unique=True,
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("DELETE FROM captions WHERE sha256 IS NOT NULL")  # the old key has no place for them
    op.drop_index("uq_captions_generated", table_name="captions")
    op.drop_index("uq_captions_sentence", table_name="captions")
    op.create_unique_constraint(
        "uq_captions_record_id_text_hash_classifier", "captions", ["record_id", "text_hash", "classifier"]
    )
    op.alter_column("captions", "classifier", existing_type=sa.Text(), existing_nullable=False, comment=None)
    op.drop_column("captions", "attention")
    op.drop_column("captions", "sha256")
    op.drop_table("subjects")
    op.drop_index("ix_relations_object_id", table_name="relations")
    op.drop_column("relations", "version")
    op.drop_column("relations", "reason")
    op.drop_column("detections", "context_version")
    op.drop_column("detections", "label_evidence")
