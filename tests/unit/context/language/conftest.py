"""A model trained once, in a second, on made-up works."""

from __future__ import annotations

import pytest

from sgob_tasks.context.language.embedding_training import Recipe
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.context.language.training import fit_language_model
from tests.unit.context.language.language_records import make_records

SMALL = Recipe(dimensions=16, epochs=3, batch=64)


@pytest.fixture(scope="session")
def language_model() -> LanguageModel:
    return fit_language_model(make_records(600), seed=3, recipe=SMALL)
