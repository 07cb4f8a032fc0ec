"""Makes annotations from what the store has: labelled boxes become tags, captions become descriptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sgob_tasks.annotations.model import (
    DESCRIBING,
    TAGGING,
    Detection,
    Proposal,
    Sentence,
    descriptions,
    tags,
)
from sgob_tasks.annotations.validation import problems
from sgob_tasks.progress import track
from sgob_tasks.store import annotations as store

CHUNK = 500


@dataclass(frozen=True)
class ComposeCounts:
    """What ``compose_annotations`` did.

    Attributes:
        records: records looked at.
        new: annotations that were not there before.
        changed: annotations whose document, score or origin changed, or that are wanted again.
        same: annotations that stayed as they were, published ones included.
        invalid: annotations that must not be sent; among the new, changed and same.
        superseded: unpublished annotations that are no longer wanted.
        no_concept: detections by label that have no concept URI.
    """

    records: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    invalid: int = 0
    superseded: int = 0
    no_concept: Mapping[str, int] = field(default_factory=dict)


def compose_annotations(
    engine: sa.Engine,
    concepts: Mapping[str, str],
    *,
    record_ids: Sequence[str] | None = None,
    run_id: str | None = None,
    min_score: float = 0.5,
    describe: bool = True,
    min_caption_score: float = 0.0,
    model_id: str | None = None,
) -> ComposeCounts:
    """Write the annotations that detections and captions call for. Run twice, it changes nothing the second time.

    A detection counts once time context has given it a label; when context changes its mind, the tag follows: the old
    one is superseded unless it is published.

    Args:
        engine: of the store.
        concepts: label -> URI at Wikidata or Iconclass. Labels without one are counted and make no tag.
        record_ids: only these records; None is all.
        run_id: the run that proposes them.
        min_score: least score of a label.
        describe: make descriptions as well.
        min_caption_score: least score of a caption; what is one is decided by the classifier's own threshold.
        model_id: detections of this model; None takes for each picture the champion, or, where it has not looked at the
            picture yet, the model that looked last.

    Returns:
        Counts, with what was left out.
    """
    counts: Counter[str] = Counter()
    no_concept: Counter[str] = Counter()
    chunks = store.record_chunks(engine, record_ids, CHUNK)
    total = -(-store.count_records(engine, record_ids) // CHUNK)
    for ids in track(chunks, "Composing annotations", total):
        with engine.begin() as connection:
            rows = store.labelled_detections(connection, ids, min_score, model_id)
            no_concept.update(row.label for row in rows if row.label not in concepts)
            proposals = tags(_detection(row, concepts[row.label]) for row in rows if row.label in concepts)
            if describe:
                sentences = store.caption_sentences(connection, ids, min_caption_score)
                proposals += descriptions(map(_sentence, sentences))
            written = [_row(proposal, run_id) for proposal in proposals]
            counts.update(store.upsert_annotations(connection, written))
            motivations = (TAGGING, DESCRIBING)
            counts["superseded"] += store.supersede(connection, ids, [row["key"] for row in written], motivations)
        counts["records"] += len(ids)
        counts["invalid"] += sum(row["state"] == "invalid" for row in written)
    counts["superseded"] += store.supersede_inactive(engine)
    return ComposeCounts(**counts, no_concept=dict(no_concept.most_common()))


def _detection(row: store.DetectionRow, concept: str) -> Detection:
    size = (row.image_width, row.image_height) if row.image_width and row.image_height else None
    box = (row.x, row.y, row.width, row.height)
    return Detection(row.id, row.record_id, concept, row.score, row.image_url, box, size)


def _sentence(row: store.CaptionRow) -> Sentence:
    return Sentence(row.id, row.record_id, row.text, (row.language or "").lower(), row.score, row.image_url)


def _row(proposal: Proposal, run_id: str | None) -> dict[str, Any]:
    """Return the columns of an annotation; one that would be refused is kept, with the reason, and never sent."""
    wrong = problems(proposal.document)
    return {
        "key": proposal.key,
        "record_id": proposal.record_id,
        "motivation": proposal.motivation,
        "state": "invalid" if wrong else "proposed",
        "reason": "; ".join(wrong) or None,
        "document": proposal.document,
        "score": proposal.score,
        "detection_id": proposal.detection_id,
        "caption_id": proposal.caption_id,
        "run_id": run_id,
    }
