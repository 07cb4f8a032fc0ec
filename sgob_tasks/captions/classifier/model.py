"""A trained caption classifier on disk and in memory."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import tee
from pathlib import Path
from typing import Any

from sgob_tasks.captions.classifier import network
from sgob_tasks.captions.classifier.calibration import Calibration
from sgob_tasks.captions.classifier.features import normalise
from sgob_tasks.captions.classifier.measures import Scores
from sgob_tasks.captions.training_data import CAPTION, OTHER
from sgob_tasks.errors import InputError

RECIPE = 2
"""Counts up when features, network or the package's sentences change: part of the classifier's name."""

_INFO, _PIPELINE = "caption_model.json", "pipeline"


@dataclass(frozen=True)
class CaptionModelInfo:
    """A trained classifier.

    Attributes:
        name: made from the sentences and the recipe; the same training has the same name.
        rows: sentences that it was trained on.
        languages: of the sentences it can judge, ISO 639-1.
        scores: on every sentence by a classifier that was trained without it and its group (cross-validation).
        scores_by_source: the same by file name.
        calibration: fitted on the same judgements.
        calibration_error: expected calibration error there.
        recipe: version of features and network.
    """

    name: str
    rows: int
    languages: tuple[str, ...]
    scores: Scores
    scores_by_source: dict[str, Scores]
    calibration: Calibration
    calibration_error: float
    recipe: int = RECIPE


def save_model(nlp: Any, info: CaptionModelInfo, out_dir: Path) -> None:
    """Write a model; a folder that was there is replaced whole, when all is written."""
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=f".{out_dir.name}-") as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        new.mkdir()
        nlp.to_disk(new / _PIPELINE)
        (new / _INFO).write_text(json.dumps(asdict(info), indent=2) + "\n", "utf-8")
        if out_dir.exists():
            os.replace(out_dir, old)  # noqa: PTH105 - Path.rename does not say that it replaces
        shutil.move(new, out_dir)


def model_recipe(model_dir: Path) -> int:
    """Return the recipe of a trained classifier, whatever its age.

    Raises:
        InputError: the folder holds none.
    """
    return int(_values(model_dir)["recipe"])


def _values(model_dir: Path) -> dict[str, Any]:
    path = model_dir / _INFO
    try:
        values = json.loads(path.read_text("utf-8"))
        int(values["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, "file", str(error), "is no caption model; train one first") from error
    return dict(values)


def model_info(model_dir: Path) -> CaptionModelInfo:
    """Read what is known of a trained classifier.

    Raises:
        InputError: the folder holds none, or one of another recipe.
    """
    path, values = model_dir / _INFO, _values(model_dir)
    if values["recipe"] != RECIPE:
        reason = f"this version reads recipe {RECIPE}; train the model again"
        raise InputError(path, "recipe", values["recipe"], reason)
    try:
        values["languages"] = tuple(values["languages"])
        values["scores"] = Scores(**values["scores"])
        values["scores_by_source"] = {name: Scores(**entry) for name, entry in values["scores_by_source"].items()}
        values["calibration"] = Calibration(**values["calibration"])
        return CaptionModelInfo(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, "file", str(error), "is no caption model; train one first") from error


class CaptionClassifier:
    """A trained classifier, loaded.

    Attributes:
        info: what is known of it.
    """

    def __init__(self, model_dir: Path) -> None:
        """Load a model.

        Raises:
            InputError: the folder holds no model that can be loaded.
        """
        import spacy

        self.info = model_info(model_dir)
        network.register()
        try:
            self._nlp = spacy.load(model_dir / _PIPELINE)
        except (OSError, ValueError) as error:
            raise InputError(model_dir / _PIPELINE, "folder", str(error), "cannot be loaded by spaCy") from error

    def judge(self, sentences: Iterable[str]) -> Iterator[float]:
        """Yield for each sentence the calibrated probability that it says what is depicted.

        A text without any word is no caption: 0. Reads ahead one batch, so that any number of sentences fits.
        """
        kept, judged = tee(sentences)
        for sentence, raw in zip(kept, network.probabilities(self._nlp, judged, CAPTION), strict=True):
            yield self.info.calibration.probability(raw) if normalise(sentence) else 0.0

    def probabilities(self, sentences: Sequence[str]) -> list[float]:
        """Return for each sentence the calibrated probability that it says what is depicted."""
        return list(self.judge(sentences))

    def is_caption(self, probability: float) -> bool:
        """Tell whether a probability is enough for the label ``caption``."""
        return probability >= self.info.calibration.threshold

    def label(self, probability: float) -> str:
        """Return ``caption`` or ``other`` for a probability."""
        return CAPTION if self.is_caption(probability) else OTHER
