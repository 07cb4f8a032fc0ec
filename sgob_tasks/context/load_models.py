"""Reads what corrects detections from files, and writes time priors learned from records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sgob_tasks.context.fusion import DEFAULT_WEIGHTS, FusionWeights
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.context.terms import classes_of_terms
from sgob_tasks.context.time_priors import DatedLabels, TimePriors, learn_time_priors
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError


def load_models(language: Path | None = None, priors: Path | None = None, weights: Path | None = None) -> ContextModels:
    """Return the bounds with whatever else there is.

    Args:
        language: folder of a language model.
        priors: file of time priors.
        weights: file of fitted weights.

    Raises:
        InputError: a file cannot be read, or does not fit.
    """
    judge = None
    if language is not None:
        from sgob_tasks.context.language_judge import LanguageJudge  # reads arrays: only where it is asked for

        judge = LanguageJudge.load(language)
    return ContextModels(
        ClassTable.load(),
        None if priors is None else TimePriors.load(priors),
        judge,
        DEFAULT_WEIGHTS if weights is None else FusionWeights.load(weights),
    )


def learn_to_file(data: Path, out: Path) -> dict[str, Any]:
    """Learn time priors from records with labels, and write them.

    Args:
        data: records as ``language.records`` reads them.
        out: file to write.

    Raises:
        InputError: a file cannot be read or written, or no record is dated.
    """
    from sgob_tasks.context.language.records import read_records

    table = ClassTable.load()
    dated = [
        DatedLabels(record.year, record.year, classes_of_terms(record.labels, table))
        for record in read_records(data)
        if record.year is not None and record.labels
    ]
    learned = learn_time_priors(dated, version="", source=data.name)
    text = json.dumps(learned.ratios, sort_keys=True)
    priors = TimePriors(learned.ratios, learned.works, hashlib.sha256(text.encode()).hexdigest()[:8], learned.source)
    try:
        priors.save(out)
    except OSError as error:
        raise InputError("learn-time", "out", str(out), error.strerror or str(error)) from error
    return {"works": priors.works, "classes": len(priors.ratios), "version": priors.version, "out": str(out)}
