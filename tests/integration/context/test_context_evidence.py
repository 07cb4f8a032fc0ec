"""All context in the store: evidence and version are kept, and written again only when something is new."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from sgob_tasks.context.evidence import LanguageEvidence, Work
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.context.refine import apply_context, apply_time_context
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.store.detections import load_results
from sgob_tasks.store.tables import detections
from tests.integration.context.test_inference_to_captions import BICYCLE, add_batch, add_record, line, rows


class Judge:
    """A language model that believes in horses where the title has a rider."""

    version = "horses"

    def judge(self, work: Work, labels: Sequence[str], candidates: Sequence[str]) -> LanguageEvidence:
        found = {"horse": 2.0} if "Rider" in work.title else {}
        return LanguageEvidence(found, {"title": found}, {"horse": ["rider"]})


def test_evidence_and_version_are_kept_and_written_once(store: sa.Engine, tmp_path: Path) -> None:
    add_record(store, "/1/old", "old", title="The Rider", date_text="1503-1504")
    add_record(store, "/1/new", "new", title="", date_text="1950")
    add_batch(store, "batch", "run", "old", "new")
    (tmp_path / "0000.jsonl").write_text(line("old", BICYCLE) + line("new", BICYCLE), "utf-8")
    load_results(store, "batch", tmp_path)
    models = ContextModels(ClassTable.load(), language=Judge())
    counts = apply_context(store, models)
    assert (counts.detections, counts.relabelled, counts.changed) == (2, 1, 4)
    found = {row["record_id"]: row for row in rows(store, detections)}
    assert found["/1/old"]["label"] == "horse"
    assert found["/1/new"]["label"] == "bicycle"
    for row in found.values():
        assert row["context_version"] == models.version
        assert row["label_evidence"]["detector"]["bicycle"] == 0.6
    assert found["/1/old"]["label_evidence"]["time"]["weights"] == {"bicycle": 0.0}
    assert apply_context(store, models, ["/1/old", "/1/new"]).changed == 0
    assert apply_context(store, models).records == 0
    changed = dataclasses.replace(models, language=None)
    assert apply_context(store, changed).records == 2  # labelled by another version
    assert {row["context_version"] for row in rows(store, detections)} == {changed.version}
    assert apply_time_context(store).records == 0  # the same version
