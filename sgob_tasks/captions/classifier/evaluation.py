"""Measures a caption classifier on labelled sentences, and looks at its errors."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.captions.classifier.explain import Driver, drivers
from sgob_tasks.captions.classifier.measures import (
    Bin,
    Point,
    Scores,
    calibration_error,
    precision_recall,
    reliability,
    score,
)
from sgob_tasks.captions.classifier.model import CaptionClassifier, CaptionModelInfo
from sgob_tasks.captions.training_data import CAPTION, OTHER, Labelled, read_labelled

ERRORS_EXPLAINED = 60


@dataclass(frozen=True)
class Misjudged:
    """A sentence with the wrong label.

    Attributes:
        row: the sentence and its true label.
        score: probability of ``caption``.
        found: the label it got.
        drivers: the words that moved the judgement most; empty beyond the most confident errors.
    """

    row: Labelled
    score: float
    found: str
    drivers: tuple[Driver, ...] = ()


@dataclass(frozen=True)
class ClassifierEvaluation:
    """What was measured.

    Attributes:
        model: the classifier.
        data: name of the file of labelled sentences.
        scores: over all sentences.
        confusion: number of sentences by true and found label.
        by_source: by the column ``source``; by language where there are several.
        calibration_error: expected calibration error.
        reliability: bins of the reliability diagram.
        curve: precision and recall by threshold.
        misjudged: the errors, the most confident first.
    """

    model: CaptionModelInfo
    data: str
    scores: Scores
    confusion: dict[tuple[str, str], int]
    by_source: dict[str, Scores]
    calibration_error: float
    reliability: list[Bin]
    curve: list[Point]
    misjudged: list[Misjudged]


def evaluate_classifier(model_dir: Path, data: Path, *, text_column: str = "text") -> ClassifierEvaluation:
    """Judge labelled sentences and compare.

    Args:
        model_dir: folder of a model made by ``train_classifier``.
        data: CSV as ``read_labelled`` reads it, of one sentence or more for each label.
        text_column: another name of the column ``text``.

    Raises:
        InputError: no usable model; the file does not fit.
    """
    rows = read_labelled(data, text_column=text_column, minimum=1)
    classifier = CaptionClassifier(model_dir)
    scores = classifier.probabilities([row.text for row in rows])
    truth = [row.label == CAPTION for row in rows]
    found = [classifier.label(value) for value in scores]
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    several = len({row.language for row in rows}) > 1
    for row, label in zip(rows, found, strict=True):
        groups[row.source or data.name].append((row.label, label))
        if several:
            groups[f"language {row.language}"].append((row.label, label))
    pairs = [(row.label, label) for row, label in zip(rows, found, strict=True)]
    counts = Counter(pairs)
    wrong = [
        Misjudged(row, value, label)
        for row, value, label in zip(rows, scores, found, strict=True)
        if row.label != label
    ]
    threshold = classifier.info.calibration.threshold
    wrong.sort(key=lambda one: (-abs(one.score - threshold), one.row.text))
    explained = [
        Misjudged(one.row, one.score, one.found, tuple(drivers(classifier, one.row.text)))
        for one in wrong[:ERRORS_EXPLAINED]
    ]
    return ClassifierEvaluation(
        model=classifier.info,
        data=data.name,
        scores=score(pairs),
        confusion={(true, label): counts[true, label] for true in (CAPTION, OTHER) for label in (CAPTION, OTHER)},
        by_source={name: score(group) for name, group in sorted(groups.items())},
        calibration_error=calibration_error(scores, truth),
        reliability=reliability(scores, truth),
        curve=precision_recall(scores, truth),
        misjudged=explained + wrong[ERRORS_EXPLAINED:],
    )
