"""Judges the sentences of the records in the store."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sgob_tasks.captions.classifier.model import CaptionClassifier
from sgob_tasks.captions.sentences import language_of, split_sentences, text_hash
from sgob_tasks.progress import track
from sgob_tasks.store import captions as queries
from sgob_tasks.store.detections import RECORDS_AT_ONCE, among, count_records, record_pages
from sgob_tasks.store.tables import records


@dataclass(frozen=True)
class CaptionCounts:
    """What classifying did.

    Attributes:
        records: records looked at.
        sentences: sentences found in them.
        captions: sentences that say what is depicted.
        other_language: sentences left out, because the classifier does not know their language.
        judged: sentences that were classified by this call; the others were known already.
        removed: rows of sentences that their record no longer has.
    """

    records: int
    sentences: int
    captions: int
    other_language: int
    judged: int
    removed: int


def classify_records(engine: sa.Engine, model_dir: Path, record_ids: Collection[str] | None = None) -> CaptionCounts:
    """Judge the sentences of records' descriptions and write them to the store.

    A sentence that the same classifier has judged is not judged again; one that another classifier has judged is judged
    anew in its row; sentences that a record no longer has are removed. Records go page by page, each in a transaction.

    Args:
        engine: the store.
        model_dir: folder of a model made by ``train_classifier``.
        record_ids: records to look at; None for all active ones.

    Raises:
        InputError: there is no usable model.
    """
    classifier = CaptionClassifier(model_dir)
    scope = records.c.state == "active"
    if record_ids is not None:
        scope = sa.and_(scope, among(records.c.id, record_ids))
    columns = (records.c.id, records.c.description, records.c.language)
    total = CaptionCounts(0, 0, 0, 0, 0, 0)
    pages = math.ceil(count_records(engine, scope) / RECORDS_AT_ONCE)
    for page in track(record_pages(engine, columns, scope), "Classifying sentences", pages):
        with engine.begin() as connection:
            counts = _classify(connection, page, classifier)
        total = CaptionCounts(*(a + b for a, b in zip(astuple(total), astuple(counts), strict=True)))
    return total


def _classify(connection: sa.Connection, page: Sequence[sa.Row[Any]], classifier: CaptionClassifier) -> CaptionCounts:
    rows, foreign, sentences = [], 0, 0
    for record in page:
        for ordinal, sentence in enumerate(split_sentences(record.description)):
            sentences += 1
            language = language_of(sentence, record.language)
            if language is not None and language not in classifier.info.languages:
                foreign += 1
                continue
            rows.append(
                {
                    "record_id": record.id,
                    "source": queries.SOURCE,
                    "ordinal": ordinal,
                    "text": sentence,
                    "text_hash": text_hash(sentence),
                    "language": language,
                }
            )
    rows = list({(row["record_id"], row["text_hash"]): row for row in reversed(rows)}.values())[::-1]
    name = classifier.info.name
    known = queries.judged(connection, [record.id for record in page])
    waiting = [row for row in rows if known.get((row["record_id"], row["text_hash"]), (0, "", False))[1] != name]
    for row, probability in zip(waiting, classifier.probabilities([row["text"] for row in waiting]), strict=True):
        row |= {"is_caption": classifier.is_caption(probability), "score": probability, "classifier": name}
    keep = {(row["record_id"], row["text_hash"]) for row in rows}
    removed = queries.remove(connection, [entry[0] for key, entry in known.items() if key not in keep])
    queries.save(connection, waiting, {key: entry[0] for key, entry in known.items()})
    new = {(row["record_id"], row["text_hash"]): row["is_caption"] for row in waiting}
    captions = sum(bool(new.get(key, known.get(key, (0, "", False))[2])) for key in keep)
    return CaptionCounts(len(page), sentences, captions, foreign, len(waiting), removed)
