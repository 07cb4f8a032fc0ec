"""The language model beside its baselines, and what each kind of evidence adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.language.bags import Bags, Floats
from sgob_tasks.context.language.components import Components
from sgob_tasks.context.language.encoder import DATE, EVIDENCE, LABELS, PRIOR, TITLE
from sgob_tasks.context.language.measures import Measured, measured
from sgob_tasks.context.language.model import CONTEXTS_AT_ONCE, LanguageModel
from sgob_tasks.context.language.protocol import Trial, make_trials
from sgob_tasks.context.language.records import TEST, Record, read_records, split_of
from sgob_tasks.context.language.training import SEED, fit_language_model
from sgob_tasks.errors import InputError

EVERYTHING = (*EVIDENCE, PRIOR)
_NAMES = {TITLE: "title", LABELS: "other labels", DATE: "date"}


@dataclass(frozen=True)
class Row:
    """One row of the table of an evaluation: a method and how well it did."""

    method: str
    scores: Measured


def evaluate_language_model(path: Path, *, seed: int = SEED) -> list[Row]:
    """Train on four fifths of a file of records and measure on the fifth that ``split_of`` holds out.

    Args:
        path: see ``records``.
        seed: of training, hidden labels and distractors.

    Returns:
        Rows in the order of a table: baselines, the model, with one kind of evidence, without one.

    Raises:
        InputError: the file does not fit, or holds too little to measure on.
    """
    records = read_records(path)
    training = [record for record in records if split_of(record.id) != TEST]
    held_out = [record for record in records if split_of(record.id) == TEST]
    model = fit_language_model(training, source=path, seed=seed)
    return evaluation_rows(model, held_out, seed=seed, source=path)


def evaluation_rows(
    model: LanguageModel, held_out: Sequence[Record], *, seed: int = SEED, source: Path | str = "records"
) -> list[Row]:
    """Measure a model on records that it was not trained on; see ``evaluate_language_model``."""
    parts = model.components
    counts: Mapping[str, int] = dict(zip(parts.encoder.labels.names, parts.counts.tolist(), strict=True))
    trials = make_trials(held_out, counts, seed)
    if not trials:
        raise InputError(source, "labels", len(held_out), "records give no question to measure on")
    truths = [trial.truth for trial in trials]
    rows = [Row(name, measured(scores, truths)) for name, scores in _baselines(parts, trials).items()]
    ways: dict[str, tuple[str, ...]] = {"language model": EVERYTHING}
    ways |= {f"language model, {name} only": (kind, PRIOR) for kind, name in _NAMES.items()}
    ways |= {
        f"language model, without {name}": tuple(other for other in EVERYTHING if other != kind)
        for kind, name in {**_NAMES, PRIOR: "prior"}.items()
    }
    contexts, candidates = [trial.context for trial in trials], [trial.candidates for trial in trials]
    return rows + [
        Row(name, measured(model.log_probs(contexts, candidates, kinds), truths)) for name, kinds in ways.items()
    ]


def _baselines(parts: Components, trials: Sequence[Trial]) -> dict[str, list[npt.NDArray[np.float64]]]:
    """Return scores of the baselines: frequency, and naive Bayes with the log-frequency as its prior."""
    found: dict[str, list[npt.NDArray[np.float64]]] = {}
    for start in range(0, len(trials), CONTEXTS_AT_ONCE):
        chunk = trials[start : start + CONTEXTS_AT_ONCE]
        encoded = parts.encoder.encode([trial.context for trial in chunk])
        pairs = parts.pairs([trial.candidates for trial in chunk])
        frequency = np.log(parts.counts[pairs.labels])

        def bayes(name: str, bags: Bags) -> Floats:
            return parts.bayes[name].score(bags, pairs.rows, pairs.labels)  # noqa: B023 - called in this turn

        title = bayes("words", encoded.words[TITLE])
        labels, date = bayes("labels", encoded.labels), bayes("quarters", encoded.quarters)
        scores = {
            "frequency": frequency,
            "naive Bayes, other labels": labels + frequency,
            "naive Bayes, title": title + frequency,
            "naive Bayes, both and date": title + labels + date + frequency,
        }
        for name, values in scores.items():
            found.setdefault(name, []).extend(np.split(values, len(chunk)))
    return found


def render_rows(rows: Sequence[Row]) -> str:
    """Return a table for a terminal."""
    width = max(len(row.method) for row in rows)
    lines = [f"{'':<{width}}  {'top-1':<21}  mean reciprocal rank"]
    for row in rows:
        one = row.scores
        tops = f"{one.top1:.3f} ({one.top1_low:.3f}-{one.top1_high:.3f})"
        reciprocals = f"{one.mrr:.3f} ({one.mrr_low:.3f}-{one.mrr_high:.3f})"
        lines.append(f"{row.method:<{width}}  {tops:<21}  {reciprocals}")
    return "\n".join([*lines, f"{rows[0].scores.trials} questions of ten candidates; 95 % bootstrap intervals"])
