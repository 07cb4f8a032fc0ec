"""A classifier trained on the package's sentences in seconds: few epochs, two folds."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.captions.classifier import CaptionModelInfo, TrainingPlan, train_classifier

QUICK = TrainingPlan(epochs=6, folds=2)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CaptionModelInfo]:
    folder = tmp_path_factory.mktemp("models") / "captions"
    return folder, train_classifier(None, folder, plan=QUICK)
