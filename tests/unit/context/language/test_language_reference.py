"""On a part of the reference records, where they exist: far better than frequency, and better than naive Bayes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.context.language.embedding_training import Recipe
from sgob_tasks.context.language.evaluate import evaluation_rows
from sgob_tasks.context.language.records import TEST, read_records, split_of
from sgob_tasks.context.language.training import fit_language_model
from tests.reference import reference_files

TRAINING_RECORDS, HELD_OUT_RECORDS = 3000, 800


@pytest.mark.parametrize("path", reference_files("data/tate/subjects.csv.gz"), ids=lambda path: path.parent.name)
def test_a_floor_on_real_records(path: Path) -> None:
    records = [record for record in read_records(path) if len(record.labels) > 1]
    training = [record for record in records if split_of(record.id) != TEST][:: len(records) // TRAINING_RECORDS]
    held_out = [record for record in records if split_of(record.id) == TEST][:HELD_OUT_RECORDS]
    model = fit_language_model(training, recipe=Recipe(dimensions=32, epochs=3))
    top = {row.method: row.scores.top1 for row in evaluation_rows(model, held_out)}
    assert top["frequency"] < 0.25
    assert top["language model"] > 0.6
    assert top["language model"] > top["naive Bayes, both and date"]
