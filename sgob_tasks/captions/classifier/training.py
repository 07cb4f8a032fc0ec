"""Trains the caption classifier, calibrates it on sentences that it has not seen, and says how good it is there."""

from __future__ import annotations

import hashlib
import logging
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.captions.classifier import network
from sgob_tasks.captions.classifier.calibration import Calibration, fit_calibration
from sgob_tasks.captions.classifier.features import Features, one_by_one, sentence_features
from sgob_tasks.captions.classifier.measures import calibration_error, score
from sgob_tasks.captions.classifier.model import RECIPE, CaptionModelInfo, model_recipe, save_model
from sgob_tasks.captions.training_data import (
    CAPTION,
    LABELS,
    OTHER,
    SEED_CSV,
    Labelled,
    assign_folds,
    fingerprint,
    read_labelled,
)
from sgob_tasks.progress import track

log = logging.getLogger(__name__)

MIN_PER_LANGUAGE = 15
"""Captions, and others, that a language needs to be judged."""


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        epochs: passes over the package's sentences.
        batch: sentences of a step.
        rate: Adam's learning rate at the first step; it falls to 0 in a straight line.
        weight_decay: of Adam.
        file_share: of an operator's file, the sentences drawn for each epoch, for each one of the package's: a large
            file of another kind of text does not decide everything, and all of it is seen in time.
        folds: of the cross-validation.
        dropout: share of a sentence's features left out at a step.
    """

    epochs: int = 20
    batch: int = 128
    rate: float = 0.02
    weight_decay: float = 1e-6
    file_share: float = 0.5
    folds: int = 5
    dropout: float = 0.5


def train_classifier(
    csv: Path | None,
    out_dir: Path,
    *,
    with_seed: bool = True,
    random_seed: int = 7,
    plan: TrainingPlan | None = None,
) -> CaptionModelInfo:
    """Train a classifier and write it to ``out_dir`` (replaced whole, when all is done).

    Each sentence is first judged by a classifier that was trained without it and without its group: these judgements
    give the figures, the calibration and the threshold. Then one classifier is trained on all sentences.

    Args:
        csv: labelled sentences of an operator (see ``read_labelled``); None: the package's own alone.
        out_dir: folder of the model.
        with_seed: train on the package's own sentences besides ``csv``.
        random_seed: the same seed and sentences give the same model.
        plan: how to train; the default is the one that the published figures were measured with.

    Raises:
        InputError: the CSV does not fit; names file, line, column and value.
    """
    plan = plan or TrainingPlan()
    sources: dict[str, list[Labelled]] = {}
    if with_seed or not csv:
        sources[SEED_CSV.name] = read_labelled(SEED_CSV)
    if csv:
        known = {row.text.casefold() for row in sources.get(SEED_CSV.name, ())}
        sources[csv.name] = [row for row in read_labelled(csv) if row.text.casefold() not in known]
    names = [name for name, part in sources.items() for _ in part]
    material = _prepare(sources)
    rows = [one.row for one in material]
    raw = _cross_validate(material, plan, random_seed)
    truth = [row.label == CAPTION for row in rows]
    main = [place for place, one in enumerate(material) if one.main]
    calibration = fit_calibration([raw[place] for place in main], [truth[place] for place in main])
    probabilities = [calibration.probability(value) for value in raw]
    pairs = [(row.label, _label(value, calibration)) for row, value in zip(rows, probabilities, strict=True)]
    nlp = _fit(material, plan, random_seed, "Training the caption classifier")
    info = CaptionModelInfo(
        name=f"textcat-{_digest(rows, plan, random_seed)}",
        rows=len(rows),
        languages=_languages(rows),
        scores=score(pairs),
        scores_by_source={
            name: score([pair for pair, of in zip(pairs, names, strict=True) if of == name]) for name in sources
        },
        calibration=calibration,
        calibration_error=calibration_error([probabilities[place] for place in main], [truth[place] for place in main]),
    )
    save_model(nlp, info, out_dir)
    return info


def ensure_model(csv: Path | None, model_dir: Path) -> None:
    """Train a classifier where there is none, or one of another recipe, which this version cannot read.

    Args:
        csv: labelled sentences of an operator; None: the package's own alone.
        model_dir: folder of the model.

    Raises:
        InputError: the folder holds something else; the CSV does not fit.
    """
    if model_dir.exists():
        recipe = model_recipe(model_dir)
        if recipe == RECIPE:
            return
        log.warning("%s: a caption model of recipe %d; training one of recipe %d", model_dir, recipe, RECIPE)
    train_classifier(csv, model_dir)


def _label(probability: float, calibration: Calibration) -> str:
    return CAPTION if probability >= calibration.threshold else OTHER


def _languages(rows: Sequence[Labelled]) -> tuple[str, ...]:
    counts = Counter((row.language, row.label) for row in rows)
    languages = sorted({row.language for row in rows})
    return tuple(one for one in languages if all(counts[one, label] >= MIN_PER_LANGUAGE for label in LABELS))


def _digest(rows: Sequence[Labelled], plan: TrainingPlan, random_seed: int) -> str:
    return hashlib.sha256(f"{RECIPE} {plan} {random_seed} {fingerprint(rows)}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Material:
    """A sentence, its features, and whether it is of the first file, which is seen whole in every epoch."""

    row: Labelled
    features: Features
    main: bool


def _prepare(sources: Mapping[str, Sequence[Labelled]]) -> list[_Material]:
    found: list[_Material] = []
    for number, rows in enumerate(sources.values()):
        features = one_by_one(sentence_features([row.text for row in rows]))
        found += [_Material(row, one, number == 0) for row, one in zip(rows, features, strict=True)]
    return found


def _cross_validate(material: Sequence[_Material], plan: TrainingPlan, random_seed: int) -> list[float]:
    """Return what a network says of each sentence that was trained without it and without its group."""
    folds = assign_folds([one.row for one in material], plan.folds)
    found = [0.0] * len(material)
    for fold in range(plan.folds):
        held_out = [place for place, other in enumerate(folds) if other == fold]
        kept = [one for one, other in zip(material, folds, strict=True) if other != fold]
        nlp = _fit(kept, plan, random_seed, f"Cross-validation {fold + 1} of {plan.folds}")
        judged = network.probabilities(nlp, (material[place].row.text for place in held_out), CAPTION)
        for place, value in zip(held_out, judged, strict=True):
            found[place] = value
    return found


def _fit(material: Sequence[_Material], plan: TrainingPlan, random_seed: int, title: str) -> Any:
    """Train a network and return its pipeline."""
    import spacy
    from spacy.training import Example
    from thinc.api import Adam

    util: Any = spacy.util  # partly typed
    util.fix_random_seed(random_seed)
    nlp = network.blank(LABELS)
    main: list[Any] = []
    more: list[Any] = []
    for one in material:
        doc = network.as_doc(nlp, one.row.text, one.features)
        cats = {label: float(one.row.label == label) for label in LABELS}
        (main if one.main else more).append(Example.from_dict(doc, {"cats": cats}))
    nlp.initialize(lambda: main[:1])
    classifier: Any = nlp.get_pipe("textcat")
    optimizer: Any = Adam(plan.rate, L2=plan.weight_decay, grad_clip=0.0, use_averages=False)
    order = random.Random(random_seed)  # noqa: S311 - shuffling, not cryptography
    batches = list(_batches(main, more, plan, order))
    for step, batch in enumerate(track(batches, title)):
        optimizer.learn_rate = plan.rate * (1 - step / len(batches))
        classifier.update(batch, sgd=optimizer, drop=plan.dropout)
    return nlp


def _batches(main: list[Any], more: list[Any], plan: TrainingPlan, order: random.Random) -> Iterator[list[Any]]:
    """Yield the batches of all epochs: all of ``main`` in each, of ``more`` as much as the plan says, in turn."""
    drawn = min(len(more), math.ceil(plan.file_share * len(main)))
    waiting: list[Any] = []
    for _ in range(plan.epochs):
        if len(waiting) < drawn:
            waiting += order.sample(more, len(more))
        epoch, waiting = main + waiting[:drawn], waiting[drawn:]
        order.shuffle(epoch)
        for first in range(0, len(epoch), plan.batch):
            yield epoch[first : first + plan.batch]
