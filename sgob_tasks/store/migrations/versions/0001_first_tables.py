"""The first tables.

Revision: 0001
Follows: none
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "harvests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("query_hash", sa.Text(), nullable=False, comment="hash of query, filters and reusability"),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column(
            "cursor",
            sa.Text(),
            nullable=True,
            comment="cursor of the next page; committed with the page before it",
        ),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True, comment="totalResults that Europeana announced"),
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="records new, changed, same, refused by reason",
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'done', 'split', 'failed')", name=op.f("ck_harvests_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_harvests")),
        sa.UniqueConstraint(
            "query_hash",
            "window_from",
            "window_to",
            name=op.f("uq_harvests_query_hash_window_from_window_to"),
        ),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.Text(), nullable=False, comment="name-version, such as detector-3"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="candidate", nullable=False),
        sa.Column("path", sa.Text(), nullable=False, comment="folder below the models folder"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the weights file"),
        sa.Column(
            "config",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="classes, preset, image size: all that inference needs",
        ),
        sa.Column(
            "scores",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="AP, AP50 by class, before and after time context",
        ),
        sa.Column(
            "training",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="data set, its hash, images, epochs, ranks, seconds",
        ),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('candidate', 'champion', 'retired')", name=op.f("ck_models_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", "sha256", name=op.f("uq_models_name_sha256")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_models_name_version")),
    )
    op.create_table(
        "publications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False, comment="europeana, s3, ..."),
        sa.Column("subject", sa.Text(), nullable=False, comment="annotation key, or data set and version"),
        sa.Column("state", sa.Text(), server_default="intended", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True, comment="what the destination calls it"),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column(
            "verified",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="read back and found equal",
        ),
        sa.Column("response", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("intended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('intended', 'published', 'failed', 'ambiguous')", name=op.f("ck_publications_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publications")),
        sa.UniqueConstraint("destination", "subject", name=op.f("uq_publications_destination_subject")),
    )
    op.create_index("ix_publications_state", "publications", ["destination", "state"], unique=False)
    op.create_table(
        "records",
        sa.Column("id", sa.Text(), nullable=False, comment="Europeana id, /dataset/local"),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is refused or gone"),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("creator", sa.Text(), nullable=True),
        sa.Column(
            "description",
            sa.Text(),
            nullable=True,
            comment="all description texts of the metadata, joined by line breaks",
        ),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("date_text", sa.Text(), nullable=True, comment="the date as the metadata has it"),
        sa.Column("year_from", sa.Integer(), nullable=True),
        sa.Column("year_to", sa.Integer(), nullable=True),
        sa.Column("rights", sa.Text(), nullable=True, comment="rights statement URI of the record"),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True, comment="edm:isShownBy"),
        sa.Column("landing_url", sa.Text(), nullable=True, comment="edm:isShownAt"),
        sa.Column("timestamp_update", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "content_hash",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the raw record without volatile fields",
        ),
        sa.Column(
            "raw",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the item as Europeana sent it, API key removed",
        ),
        sa.Column("harvested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'refused', 'gone')", name=op.f("ck_records_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
    )
    op.create_index("ix_records_checked_at", "records", ["checked_at"], unique=False)
    op.create_table(
        "runs",
        sa.Column(
            "id",
            sa.Text(),
            nullable=False,
            comment="Airflow run id of the enrichment, or one made by the command line",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="enrich, train, ..."),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "summary",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="counts by step, with reasons",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_table(
        "slurm_jobs",
        sa.Column("key", sa.Text(), nullable=False, comment="Slurm job name, derived from what the job does"),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column(
            "owner",
            sa.Text(),
            nullable=False,
            comment="who waits for it: DAG run and task, or the command line",
        ),
        sa.Column("state", sa.Text(), server_default="intended", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True, comment="Slurm's id; null until it is known"),
        sa.Column("run_dir", sa.Text(), nullable=False, comment="job directory on the cluster"),
        sa.Column("tasks", sa.Integer(), server_default="1", nullable=False, comment="size of the array"),
        sa.Column("slurm_state", sa.Text(), nullable=True, comment="Slurm's own word, last seen"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="exit codes, failed indices, resources",
        ),
        sa.Column("intended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('intended', 'submitted', 'running', 'succeeded', 'failed', 'cancelled', 'lost')",
            name=op.f("ck_slurm_jobs_state"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_slurm_jobs")),
    )
    op.create_table(
        "batches",
        sa.Column(
            "id",
            sa.Text(),
            nullable=False,
            comment="made from run, model and pictures: the same batch has the same id",
        ),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("shards", sa.Integer(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('planned', 'submitted', 'loaded', 'failed')", name=op.f("ck_batches_state")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_batches_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_table(
        "captions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="metadata field or generator it came from"),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("is_caption", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False, comment="probability that the sentence says what is depicted"),
        sa.Column("classifier", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_captions_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_captions")),
        sa.UniqueConstraint(
            "record_id", "text_hash", "classifier", name=op.f("uq_captions_record_id_text_hash_classifier")
        ),
    )
    op.create_table(
        "detections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="picture the box refers to"),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="rank by raw score within the picture"),
        sa.Column("class_name", sa.Text(), nullable=False, comment="what the detector said"),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("x", sa.Float(), nullable=False),
        sa.Column("y", sa.Float(), nullable=False),
        sa.Column("width", sa.Float(), nullable=False),
        sa.Column("height", sa.Float(), nullable=False),
        sa.Column(
            "mask",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="COCO run-length encoding {size, counts}",
        ),
        sa.Column(
            "candidates",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="class scores of the same box",
        ),
        sa.Column("label", sa.Text(), nullable=True, comment="class after context; null until context has run"),
        sa.Column("label_score", sa.Float(), nullable=True),
        sa.Column(
            "label_reason",
            sa.Text(),
            nullable=True,
            comment="why label or score differ from the detector's; null where they do not",
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_detections_model_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_detections_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detections")),
        sa.UniqueConstraint(
            "record_id",
            "sha256",
            "model_id",
            "ordinal",
            name=op.f("uq_detections_record_id_sha256_model_id_ordinal"),
        ),
    )
    op.create_index("ix_detections_label", "detections", ["label"], unique=False)
    op.create_table(
        "media",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why it failed (retried later) or is refused (never retried)",
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True, comment="address of the file in the media folder"),
        sa.Column("mime_type", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column(
            "rights",
            sa.Text(),
            nullable=True,
            comment="rights of the web resource, where they differ from the record's",
        ),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'fetched', 'failed', 'refused')", name=op.f("ck_media_state")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_media_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("record_id", "url", name=op.f("uq_media_record_id_url")),
    )
    op.create_index("ix_media_sha256", "media", ["sha256"], unique=False)
    op.create_index("ix_media_state", "media", ["state", "next_attempt_at"], unique=False)
    op.create_table(
        "annotations",
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of record, motivation and body: the natural key",
        ),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("motivation", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "document",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the Web Annotation as it is sent",
        ),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("detection_id", sa.BigInteger(), nullable=True),
        sa.Column("caption_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'approved', 'published', 'rejected', 'invalid', 'superseded')",
            name=op.f("ck_annotations_state"),
        ),
        sa.ForeignKeyConstraint(
            ["caption_id"], ["captions.id"], name=op.f("fk_annotations_caption_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["detection_id"], ["detections.id"], name=op.f("fk_annotations_detection_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_annotations_record_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_annotations")),
    )
    op.create_index("ix_annotations_record_id", "annotations", ["record_id"], unique=False)
    op.create_index("ix_annotations_state", "annotations", ["state"], unique=False)
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the picture"),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('planned', 'loaded', 'failed')", name=op.f("ck_batch_items_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_items_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "sha256", name=op.f("pk_batch_items")),
    )
    op.create_index("ix_batch_items_sha256", "batch_items", ["sha256"], unique=False)
    op.create_table(
        "relations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("predicate", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["object_id"], ["detections.id"], name=op.f("fk_relations_object_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["detections.id"], name=op.f("fk_relations_subject_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relations")),
        sa.UniqueConstraint(
            "subject_id", "predicate", "object_id", name=op.f("uq_relations_subject_id_predicate_object_id")
        ),
    )
    op.create_table(
        "judgments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("annotation_key", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("judge", sa.Text(), nullable=False, comment="hash of the platform's user name"),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["annotation_key"], ["annotations.key"], name=op.f("fk_judgments_annotation_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgments")),
        sa.UniqueConstraint(
            "annotation_key", "campaign", "judge", name=op.f("uq_judgments_annotation_key_campaign_judge")
        ),
    )


def downgrade() -> None:
    op.drop_table("judgments")
    op.drop_table("relations")
    op.drop_index("ix_batch_items_sha256", table_name="batch_items")
    op.drop_table("batch_items")
    op.drop_index("ix_annotations_state", table_name="annotations")
    op.drop_index("ix_annotations_record_id", table_name="annotations")
    op.drop_table("annotations")
    op.drop_index("ix_media_state", table_name="media")
    op.drop_index("ix_media_sha256", table_name="media")
    op.drop_table("media")
    op.drop_index("ix_detections_label", table_name="detections")
    op.drop_table("detections")
    op.drop_table("captions")
    op.drop_table("batches")
    op.drop_table("slurm_jobs")
    op.drop_table("runs")
    op.drop_index("ix_records_checked_at", table_name="records")
    op.drop_table("records")
    op.drop_index("ix_publications_state", table_name="publications")
    op.drop_table("publications")
    op.drop_table("models")
    op.drop_table("harvests")
