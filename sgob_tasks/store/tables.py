"""The tables, as SQLAlchemy Core. Migrations under ``migrations/`` make them; a test compares the two.

Conventions: times are UTC with zone; years are integers; boxes are COCO ``x, y, width, height`` in pixels of the stored
picture; states are words, checked by the database. Every table has a natural key on which writes are idempotent.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _time(name: str, *, now: bool = False, nullable: bool = True) -> Column[object]:
    return Column(
        name,
        DateTime(timezone=True),
        server_default=func.now() if now else None,
        nullable=nullable and not now,
    )


def _state(*words: str) -> tuple[Column[str], CheckConstraint]:
    allowed = ", ".join(f"'{word}'" for word in words)
    column = Column("state", Text, nullable=False, server_default=words[0])
    return column, CheckConstraint(f"state IN ({allowed})", name="state")


runs = Table(
    "runs",
    metadata,
    Column(
        "id",
        Text,
        primary_key=True,
        comment="Airflow run id of the enrichment, or one made by the command line",
    ),
    Column("kind", Text, nullable=False, comment="enrich, train, ..."),
    _time("started_at", now=True),
    _time("ended_at"),
    Column("summary", JSONB, nullable=False, server_default="{}", comment="counts by step, with reasons"),
)

harvests = Table(
    "harvests",
    metadata,
    _id(),
    Column("query_hash", Text, nullable=False, comment="hash of query, filters and reusability"),
    _time("window_from", nullable=False),
    _time("window_to", nullable=False),
    *_state("open", "done", "split", "failed"),
    Column("cursor", Text, comment="cursor of the next page; committed with the page before it"),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("total", BigInteger, comment="totalResults that Europeana announced"),
    Column(
        "counts",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="records new, changed, same, refused by reason",
    ),
    Column("error", Text),
    _time("started_at", now=True),
    _time("updated_at", now=True),
    UniqueConstraint("query_hash", "window_from", "window_to"),
)

records = Table(
    "records",
    metadata,
    Column("id", Text, primary_key=True, comment="Europeana id, /dataset/local"),
    *_state("active", "refused", "gone"),
    Column("reason", Text, comment="why it is refused or gone"),
    Column("title", Text),
    Column("creator", Text),
    Column("description", Text, comment="all description texts of the metadata, joined by line breaks"),
    Column("language", Text),
    Column("date_text", Text, comment="the date as the metadata has it"),
    Column("year_from", Integer),
    Column("year_to", Integer),
    Column("rights", Text, comment="rights statement URI of the record"),
    Column("data_provider", Text),
    Column("image_url", Text, comment="edm:isShownBy"),
    Column("landing_url", Text, comment="edm:isShownAt"),
    _time("timestamp_update"),
    Column("content_hash", Text, nullable=False, comment="SHA-256 of the raw record without volatile fields"),
    Column("raw", JSONB, nullable=False, comment="the item as Europeana sent it, API key removed"),
    _time("harvested_at", now=True),
    _time("checked_at", now=True),
    Index("ix_records_checked_at", "checked_at"),
)

media = Table(
    "media",
    metadata,
    _id(),
    Column("record_id", Text, ForeignKey("records.id"), nullable=False),
    Column("url", Text, nullable=False),
    *_state("pending", "fetched", "failed", "refused"),
    Column("reason", Text, comment="why it failed (retried later) or is refused (never retried)"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _time("next_attempt_at"),
    Column("sha256", Text, comment="address of the file in the media folder"),
    Column("mime_type", Text),
    Column("bytes", BigInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("rights", Text, comment="rights of the web resource, where they differ from the record's"),
    _time("fetched_at"),
    UniqueConstraint("record_id", "url"),
    Index("ix_media_state", "state", "next_attempt_at"),
    Index("ix_media_sha256", "sha256"),
)

models = Table(
    "models",
    metadata,
    Column("id", Text, primary_key=True, comment="name-version, such as detector-3"),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    *_state("candidate", "champion", "retired"),
    Column("path", Text, nullable=False, comment="folder below the models folder"),
    Column("sha256", Text, nullable=False, comment="of the weights file"),
    Column("config", JSONB, nullable=False, comment="classes, preset, image size: all that inference needs"),
    Column("scores", JSONB, nullable=False, comment="AP, AP50 by class, before and after time context"),
    Column("training", JSONB, nullable=False, comment="summary of the training: images, epochs, ranks, seconds"),
    Column("data_sha256", Text, comment="of the data it was trained on: annotations and pictures"),
    Column("held_out_sha256", Text, comment="of the held-out annotations: models with the same one are comparable"),
    Column("revision", Text, comment="git revision of the code that trained it; or unknown, and why"),
    Column("job_key", Text, comment="the training job; slurm_submissions has what its chain took"),
    Column("plan", JSONB, comment="nodes, GPUs, hours and links as they were planned"),
    Column("decision", JSONB, comment="comparison with the champion of the time, and what follows from it"),
    Column("run_id", Text),
    _time("created_at", now=True),
    UniqueConstraint("name", "version"),
    UniqueConstraint("name", "sha256"),
    # Whatever the code does, and however many do it at once: a name has one champion.
    Index("uq_models_champion", "name", unique=True, postgresql_where=text("state = 'champion'")),
)

model_changes = Table(
    "model_changes",
    metadata,
    Column("model_id", Text, ForeignKey("models.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="of this model's changes, from 1"),
    Column("state_before", Text, nullable=False),
    Column("state_after", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="who: a person, or the rule of promotion"),
    Column("reason", Text, nullable=False),
    Column("decision", JSONB, comment="comparison that it rests on"),
    Column("run_id", Text),
    _time("changed_at", now=True),
    CheckConstraint(
        "(state_before, state_after) IN (('candidate', 'champion'), ('candidate', 'retired'), "
        "('champion', 'retired'), ('retired', 'champion'))",
        name="transition",
    ),
)

batches = Table(
    "batches",
    metadata,
    Column(
        "id",
        Text,
        primary_key=True,
        comment="made from run, model and pictures: the same batch has the same id",
    ),
    Column("run_id", Text, nullable=False),
    Column("model_id", Text, ForeignKey("models.id"), nullable=False),
    *_state("planned", "submitted", "loaded", "failed"),
    Column("shards", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    _time("created_at", now=True),
    _time("ended_at"),
)

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.id"), primary_key=True),
    Column("sha256", Text, primary_key=True, comment="of the picture"),
    Column("shard", Integer, nullable=False),
    *_state("planned", "loaded", "failed"),
    Column("reason", Text),
    Index("ix_batch_items_sha256", "sha256"),
)

slurm_jobs = Table(
    "slurm_jobs",
    metadata,
    Column("key", Text, primary_key=True, comment="Slurm job name, derived from what the job does"),
    Column("cluster", Text, nullable=False),
    Column("owner", Text, nullable=False, comment="who waits for it: DAG run and task, or the command line"),
    *_state("intended", "submitted", "running", "succeeded", "failed", "cancelled", "lost"),
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("job_id", Text, comment="Slurm's id; null until it is known"),
    Column("run_dir", Text, nullable=False, comment="job directory on the cluster"),
    Column("tasks", Integer, nullable=False, server_default="1", comment="size of the array"),
    Column("slurm_state", Text, comment="Slurm's own word, last seen"),
    Column("reason", Text),
    Column("details", JSONB, nullable=False, server_default="{}", comment="exit codes, failed indices, resources"),
    _time("intended_at", now=True),
    _time("submitted_at"),
    _time("ended_at"),
)

slurm_submissions = Table(
    "slurm_submissions",
    metadata,
    Column("key", Text, ForeignKey("slurm_jobs.key", ondelete="CASCADE"), primary_key=True),
    Column("generation", Integer, primary_key=True, comment="number of the submission of the job, from 1"),
    Column("job_id", Text, comment="Slurm's id; null until it is known"),
    *_state("intended", "submitted", "running", "succeeded", "failed", "cancelled", "lost"),
    Column("slurm_state", Text, comment="Slurm's own word, last seen"),
    Column("reason", Text, comment="why it stands so, ended or was followed by another submission"),
    Column("owner", Text, nullable=False, server_default="", comment="who waited for it: DAG, run and task"),
    Column("tasks", Integer, nullable=False, server_default="1", comment="number of indices submitted"),
    Column("indices", Text, nullable=False, server_default="0", comment="indices submitted, as in 0-2,5"),
    Column("checkpoint", Text, comment="newest checkpoint when it ended"),
    _time("intended_at", now=True),
    _time("submitted_at"),
    _time("started_at"),
    _time("ended_at"),
    Column("nodes", Integer, comment="allocated to one task"),
    Column("cpus", Integer, comment="allocated to one task, on all its nodes"),
    Column("gpus", Integer, comment="allocated to one task, on all its nodes"),
    Column("elapsed_s", Float, comment="from the first task's start to the last one's end"),
    Column("queue_wait_s", Float, comment="from submission to the first task's start"),
    Column("node_seconds", Float, comment="allocated, sum over tasks"),
    Column("gpu_seconds", Float, comment="allocated, sum over tasks"),
    Column("cpu_seconds", Float, comment="allocated, sum over tasks"),
    Column("cpu_used_seconds", Float, comment="used (Slurm's TotalCPU), sum over tasks"),
    Column("max_rss_bytes", BigInteger, comment="largest resident set of any step"),
    Column("usage_source", Text, comment="where the figures are from: sacct, markers, none; null until they are asked"),
    Column("usage_note", Text, comment="why they are not from sacct"),
    CheckConstraint("usage_source IN ('sacct', 'markers', 'none')", name="usage_source"),
    Index("ix_slurm_submissions_ended_at", "ended_at"),
)

detections = Table(
    "detections",
    metadata,
    _id(),
    Column("record_id", Text, ForeignKey("records.id"), nullable=False),
    Column("sha256", Text, nullable=False, comment="picture the box refers to"),
    Column("model_id", Text, ForeignKey("models.id"), nullable=False),
    Column("ordinal", Integer, nullable=False, comment="rank by raw score within the picture"),
    Column("class_name", Text, nullable=False, comment="what the detector said"),
    Column("score", Float, nullable=False),
    Column("x", Float, nullable=False),
    Column("y", Float, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("mask", JSONB, comment="COCO run-length encoding {size, counts}"),
    Column("candidates", JSONB, nullable=False, server_default="{}", comment="class scores of the same box"),
    Column("label", Text, comment="class after context; null until context has run"),
    Column("label_score", Float),
    Column("label_reason", Text, comment="why label or score differ from the detector's; null where they do not"),
    Column("label_evidence", JSONB, comment="what detector, time and language each said, and their weights"),
    Column(
        "context_version", Text, comment="versions of bounds, priors, language model and fusion that gave the label"
    ),
    UniqueConstraint("record_id", "sha256", "model_id", "ordinal"),
    Index("ix_detections_label", "label"),
)

captions = Table(
    "captions",
    metadata,
    _id(),
    Column("record_id", Text, ForeignKey("records.id"), nullable=False),
    Column("source", Text, nullable=False, comment="metadata field or generator it came from"),
    Column("ordinal", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("text_hash", Text, nullable=False),
    Column("language", Text),
    Column("is_caption", Boolean, nullable=False),
    Column("score", Float, nullable=False, comment="probability that the sentence says what is depicted"),
    Column("classifier", Text, nullable=False, comment="version of what judged the sentence, or generated it"),
    Column("sha256", Text, comment="picture a generated caption is of; null for a sentence of the metadata"),
    Column("attention", JSONB, comment="of a generated caption: weights over the picture's boxes, word by word"),
    Column("inputs", Text, comment="of a generated caption: fingerprint of what it was written from"),
    # A sentence is judged once by a classifier; a picture of a record gets one caption of a generator.
    Index(
        "uq_captions_sentence",
        "record_id",
        "text_hash",
        "classifier",
        unique=True,
        postgresql_where=text("sha256 IS NULL"),
    ),
    Index(
        "uq_captions_generated",
        "record_id",
        "sha256",
        "classifier",
        unique=True,
        postgresql_where=text("sha256 IS NOT NULL"),
    ),
)

relations = Table(
    "relations",
    metadata,
    _id(),
    Column("subject_id", BigInteger, ForeignKey("detections.id", ondelete="CASCADE"), nullable=False),
    Column("predicate", Text, nullable=False),
    Column("object_id", BigInteger, ForeignKey("detections.id", ondelete="CASCADE"), nullable=False),
    Column("score", Float, nullable=False),
    Column("reason", Text, comment="what in geometry, classes and texts speaks for it"),
    Column("version", Text, comment="of the rules and the language model that found it"),
    UniqueConstraint("subject_id", "predicate", "object_id"),
    Index("ix_relations_object_id", "object_id"),
)

subjects = Table(
    "subjects",
    metadata,
    _id(),
    Column("record_id", Text, ForeignKey("records.id"), nullable=False),
    Column("sha256", Text, nullable=False, comment="picture that shows it"),
    Column("rank", Integer, nullable=False, comment="from 1, the likeliest"),
    Column("notation", Text, nullable=False, comment="Iconclass"),
    Column("wikidata", Text, comment="Wikidata item, Q and a number"),
    Column("label", Text, nullable=False, comment="the saint's or the scene's name in English"),
    Column("score", Float, nullable=False, comment="probability, between 0 and 1"),
    Column("reason", Text, nullable=False, comment="which attributes, relations and words speak for it"),
    Column("evidence", JSONB, nullable=False, server_default="{}", comment="what each of them adds, in nats"),
    Column("version", Text, nullable=False, comment="of the tables and rules that ranked it"),
    UniqueConstraint("record_id", "sha256", "notation"),
    Index("ix_subjects_notation", "notation"),
)

step_inputs = Table(
    "step_inputs",
    metadata,
    Column("step", Text, primary_key=True, comment="context, scenes or captions"),
    Column("subject", Text, primary_key=True, comment="record id; for captions the picture's SHA-256"),
    Column("fingerprint", Uuid, nullable=False, comment="of all that the step read of it, and of the step's version"),
)

annotations = Table(
    "annotations",
    metadata,
    Column("key", Text, primary_key=True, comment="SHA-256 of record, motivation and body: the natural key"),
    Column("record_id", Text, ForeignKey("records.id"), nullable=False),
    Column("motivation", Text, nullable=False),
    *_state("proposed", "approved", "published", "rejected", "invalid", "superseded"),
    Column("reason", Text),
    Column("document", JSONB, nullable=False, comment="the Web Annotation as it is sent"),
    Column("score", Float, nullable=False),
    Column("detection_id", BigInteger, ForeignKey("detections.id", ondelete="SET NULL")),
    Column("caption_id", BigInteger, ForeignKey("captions.id", ondelete="SET NULL")),
    Column("run_id", Text),
    _time("created_at", now=True),
    Index("ix_annotations_state", "state"),
    Index("ix_annotations_record_id", "record_id"),
)

judgments = Table(
    "judgments",
    metadata,
    _id(),
    Column("annotation_key", Text, ForeignKey("annotations.key"), nullable=False),
    Column("campaign", Text, nullable=False),
    Column("judge", Text, nullable=False, comment="hash of the platform's user name"),
    Column("verdict", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default="{}"),
    _time("judged_at", now=True),
    UniqueConstraint("annotation_key", "campaign", "judge"),
)

publications = Table(
    "publications",
    metadata,
    _id(),
    Column("destination", Text, nullable=False, comment="europeana, s3, ..."),
    Column("subject", Text, nullable=False, comment="annotation key, or data set and version"),
    *_state("intended", "published", "failed", "ambiguous"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("external_id", Text, comment="what the destination calls it"),
    Column("etag", Text),
    Column("verified", Boolean, nullable=False, server_default="false", comment="read back and found equal"),
    Column("response", JSONB),
    Column("error", Text),
    Column("run_id", Text),
    _time("intended_at", now=True),
    _time("ended_at"),
    UniqueConstraint("destination", "subject"),
    Index("ix_publications_state", "destination", "state"),
)
