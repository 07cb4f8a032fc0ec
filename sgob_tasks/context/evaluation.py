"""Evaluation and fitting from files: the function behind ``sgob context evaluate`` and ``fit``."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from sgob_tasks.context.ablation import RESAMPLES, ablate
from sgob_tasks.context.fusion_data import observations
from sgob_tasks.context.fusion_fit import fit_weights
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.errors import InputError


def evaluate_context(
    models: ContextModels,
    truth: Path | None = None,
    results: Path | None = None,
    *,
    records: Path | None = None,
    picture: Path | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure what each kind of evidence is worth.

    Args:
        models: all evidence that there is.
        truth: COCO data set with titles and dates.
        results: the detector's on it.
        records: works with subjects, for the ranking test; needs no model: it trains on its own part of them.
        picture: PNG to draw the table to.
        resamples: of the intervals.
        seed: of the draws.

    Returns:
        ``version`` of the models; ``pictures``: a table for each set; ``records``: rows of the ranking test.

    Raises:
        InputError: a file or a field does not fit.
    """
    found: dict[str, Any] = {"version": models.version, "weights": dataclasses.asdict(models.weights)}
    if truth is not None and results is not None:
        tables = ablate(truth, results, models, resamples=resamples, seed=seed)
        found["pictures"] = [table.to_json() for table in tables]
        if picture is not None:
            from sgob_tasks.context.ablation_figure import draw_ablation  # matplotlib takes a second to import

            found["picture"] = str(draw_ablation(tables, picture))
    if records is not None:
        from sgob_tasks.context.language.evaluate import evaluate_language_model

        rows = evaluate_language_model(records)
        scores = {row.method: dataclasses.asdict(row.scores) for row in rows}
        found["records"] = {"trials": rows[0].scores.trials, "rows": scores}
    return found


def fit_to_file(models: ContextModels, truth: Path, results: Path, out: Path, version: str = "") -> dict[str, Any]:
    """Fit the fusion's weights and write them.

    Args:
        models: whose evidence is weighed.
        truth: COCO data set that neither detector nor language model was trained on.
        results: the detector's on it.
        out: file to write.
        version: name of the weights; empty for a hash of them.

    Raises:
        InputError: a file or a field does not fit, or there are too few boxes.
    """
    found = fit_weights(observations(truth, results, models), version=version, source=str(truth))
    if not version:
        values = repr((found.detector, found.prior, found.language))
        found = dataclasses.replace(found, version=hashlib.sha256(values.encode()).hexdigest()[:8])
    try:
        found.save(out)
    except OSError as error:
        raise InputError("fit", "out", str(out), error.strerror or str(error)) from error
    return dataclasses.asdict(found) | {"out": str(out)}
