"""The page of the caption classifier's errors as files: ``index.html``, ``errors.csv`` and ``metrics.json``."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from sgob_tasks.captions.classifier.evaluation import ClassifierEvaluation
from sgob_tasks.captions.training_data import LABELS
from sgob_tasks.errors import PermanentError
from sgob_tasks.report import classifier_page as page
from sgob_tasks.report.assets import asset, environment, policy


def _style() -> Markup:
    return asset("style.css", "classifier.css")


def classifier_policy() -> str:
    """Return the policy of the page: it has no script."""
    return policy(_style(), Markup(""))


def render_classifier(evaluation: ClassifierEvaluation) -> str:
    """Render the page."""
    threshold = evaluation.model.calibration.threshold
    cards = page.error_cards(evaluation.misjudged)
    return environment().get_template("classifier.html.j2").render(
        evaluation=evaluation,
        labels=LABELS,
        threshold=threshold,
        summary=page.description(evaluation),
        dots=page.reliability_dots(evaluation.reliability),
        curve=page.curve_line(evaluation.curve),
        operating=page.operating_dot(evaluation.curve, threshold),
        ticks=[(label, *page.place(label, label)) for label in (0, 0.25, 0.5, 0.75, 1)],
        side=page.SIDE,
        margin=page.MARGIN,
        cards=cards,
        called=sum(card.kind == "false" for card in cards),
        policy=classifier_policy(),
        css=_style(),
    )  # fmt: skip


def write_classifier_page(evaluation: ClassifierEvaluation, folder: Path) -> Path:
    """Write the page, all errors as a table, and the figures. Return the page.

    Raises:
        PermanentError: the folder cannot be written.
    """
    figures = {
        "model": evaluation.model.name,
        "data": evaluation.data,
        "scores": asdict(evaluation.scores),
        "confusion": {true: {found: evaluation.confusion[true, found] for found in LABELS} for true in LABELS},
        "by_source": {name: asdict(scores) for name, scores in evaluation.by_source.items()},
        "threshold": evaluation.model.calibration.threshold,
        "calibration_error": evaluation.calibration_error,
        "reliability": [asdict(part) for part in evaluation.reliability],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "errors.csv", _errors_table(evaluation))
        _write(folder / "metrics.json", json.dumps(figures, indent=2) + "\n")
        return _write(folder / "index.html", render_classifier(evaluation))
    except OSError as error:
        raise PermanentError(f"{folder}: cannot be written: {error}") from error


def _errors_table(evaluation: ClassifierEvaluation) -> str:
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(["text", "label", "found", "score", "language", "source", "drivers"])
    for one in evaluation.misjudged:
        drivers = "; ".join(f"{driver.words} {driver.weight:+.2f}" for driver in one.drivers)
        row = one.row
        writer.writerow([row.text, row.label, one.found, f"{one.score:.6f}", row.language, row.source, drivers])
    return output.getvalue()


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)
