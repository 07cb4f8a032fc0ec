"""Trains a language model on records: ``sgob context train-lm``.

Weights of the evidence are fitted on records that the parts have not seen (a fifth, by hash of the id); then the parts
are trained again on all records, with the weights as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sgob_tasks.context.language.bags import Bags
from sgob_tasks.context.language.bayes import Counts
from sgob_tasks.context.language.blend import Blend, fit_blend
from sgob_tasks.context.language.components import Components
from sgob_tasks.context.language.embedding import LabelFeatures
from sgob_tasks.context.language.embedding_training import Recipe, Trainer
from sgob_tasks.context.language.encoder import DESCRIPTION, TITLE, Context, Encoded, Encoder
from sgob_tasks.context.language.measures import measure
from sgob_tasks.context.language.model import LanguageModel, ModelInfo
from sgob_tasks.context.language.model_files import RECIPE, rounded, save_model, version_of
from sgob_tasks.context.language.protocol import Trial, make_trials
from sgob_tasks.context.language.records import Record, fingerprint, is_validation, read_records
from sgob_tasks.context.language.relation_training import learn_relations
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track

SEED = 7
EMBEDDINGS = 2
DRAWS = 2
MIN_TRIALS = 20
"""Questions from validation records that weights can be fitted on; fewer are too few records."""


def train_language_model(path: Path, out_dir: Path, *, seed: int = SEED) -> ModelInfo:
    """Train on a file of records and write the model to a folder (replaced whole, when all is done).

    Args:
        path: see ``records``.
        out_dir: folder of the model.
        seed: the same records and seed give the same model.

    Raises:
        InputError: the file does not fit, or holds too few records.
    """
    records = read_records(path)
    model = fit_language_model(records, source=path, seed=seed)
    save_model(model, out_dir)
    return model.info


def fit_language_model(
    records: Sequence[Record], *, source: Path | str = "records", seed: int = SEED, recipe: Recipe | None = None
) -> LanguageModel:
    """Train on records; see ``train_language_model``.

    Args:
        records: works with what they depict; of those without, only the texts are read, for relations.
        source: where they are from, for messages and the model's card.
        seed: of everything that is drawn.
        recipe: how the embeddings are trained.

    Raises:
        InputError: there are too few records to fit weights on.
    """
    recipe = recipe or Recipe()
    labelled = [record for record in records if record.labels]
    fitting = [record for record in labelled if not is_validation(record.id)]
    validation = [record for record in labelled if is_validation(record.id)]
    parts = fit_components(fitting, seed=seed, recipe=recipe, label="Training (1 of 2)")
    counts = dict(zip(parts.encoder.labels.names, parts.counts.tolist(), strict=True))
    trials = make_trials(validation, counts, seed, DRAWS)
    if len(trials) < MIN_TRIALS:
        raise InputError(
            source, "labels", len(trials),
            f"give too few questions to fit weights on ({MIN_TRIALS} needed): more records with two labels or more",
        )  # fmt: skip
    blend = fit_on_trials(parts, trials)
    info = ModelInfo("", {}, {}, {}, RECIPE)
    scores = measure(LanguageModel(parts, blend, info), trials)
    whole = rounded(fit_components(labelled, seed=seed, recipe=recipe, label="Training (2 of 2)"))
    read = track(records, "Reading relations")
    relations = learn_relations((record.title, record.description, *record.captions) for record in read)
    data: dict[str, Any] = {
        "source": Path(source).name,
        "sha256": fingerprint(records),
        "records": len(records),
        "with_labels": len(labelled),
        "labels": len(whole.encoder.labels),
        "validation_records": len(validation),
        "relations": relations.told,
        "split": "validation: the fifth with the lowest hash of id; then trained again on all",
    }
    settings = {"seed": seed, "embeddings": EMBEDDINGS, "draws": DRAWS, **asdict(recipe)}
    info = ModelInfo(version_of(whole, blend), data, settings, scores | {"trials": len(trials)}, RECIPE)
    return LanguageModel(whole, blend, info, relations)


def fit_on_trials(parts: Components, trials: Sequence[Trial]) -> Blend:
    """Fit the weights of the evidence on trials of records that the parts have not seen."""
    pairs = parts.pairs([trial.candidates for trial in trials])
    columns = parts.columns(parts.encoder.encode([trial.context for trial in trials]), pairs)
    return fit_blend(columns, parts.rarity(pairs), pairs.rows, np.array([trial.truth for trial in trials]))


def fit_components(records: Sequence[Record], *, seed: int, recipe: Recipe, label: str) -> Components:
    """Train the parts on records with labels."""
    encoder = Encoder.fit(records)
    encoded = encoder.encode([Context.of(record) for record in records])
    label_features = LabelFeatures.fit(encoder.labels)
    trainers = [Trainer(encoder, encoded, label_features, recipe, seed + number) for number in range(EMBEDDINGS)]
    bayes = {
        "words": Counts.of(encoded.labels, _texts(encoded), len(encoder.labels), len(encoder.words)),
        "labels": Counts.of(encoded.labels, encoded.labels, len(encoder.labels), len(encoder.labels), same=True),
        "quarters": Counts.of(encoded.labels, encoded.quarters, len(encoder.labels), len(encoder.dates)),
    }
    steps = sum(trainer.steps for trainer in trainers)
    for _ in track((step for trainer in trainers for step in trainer.train()), label, steps):
        pass
    return Components(encoder, label_features, [trainer.result() for trainer in trainers], bayes)


def _texts(encoded: Encoded) -> Bags:
    """Return the words of title and description together, each once."""
    title, description = encoded.words[TITLE], encoded.words[DESCRIPTION]
    if not len(description.indices):
        return title
    rows = [
        sorted({*title.indices[a:b].tolist(), *description.indices[c:d].tolist()})
        for a, b, c, d in zip(
            title.indptr[:-1], title.indptr[1:], description.indptr[:-1], description.indptr[1:], strict=True
        )
    ]
    return Bags.of(rows)
