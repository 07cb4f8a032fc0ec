"""Labelled sentences for the caption classifier."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.errors import InputError

SEED_CSV = Path(__file__).parent / "sentences_seed.csv"
"""Sentences on works of art, written for this project (CC0): a classifier can be trained from the package alone."""

CAPTION, OTHER = "caption", "other"
LABELS = (CAPTION, OTHER)
MIN_PER_LABEL = 20


@dataclass(frozen=True)
class Labelled:
    """A sentence and whether it says what is depicted: ``caption`` or ``other``."""

    text: str
    label: str


def read_labelled(path: Path) -> list[Labelled]:
    """Read a CSV with the columns ``text`` and ``label``; others are ignored. Sentences that repeat count once.

    Raises:
        InputError: names file, line, column and value of what does not fit.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for column in ("text", "label"):
                if column not in (reader.fieldnames or ()):
                    raise InputError(path, "header", reader.fieldnames, f"has no column {column}")
            found: dict[str, Labelled] = {}
            for row in reader:
                entry = _labelled(path, reader.line_num, row)
                known = found.setdefault(entry.text.casefold(), entry)
                if known.label != entry.label:
                    raise InputError(
                        path, f"line {reader.line_num}, label", entry.label, f"the same text is {known.label} above"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", str(error), "cannot be read as CSV in UTF-8") from error
    counts = Counter(entry.label for entry in found.values())
    for label in LABELS:
        if counts[label] < MIN_PER_LABEL:
            raise InputError(path, "label", label, f"needs {MIN_PER_LABEL} sentences at least, has {counts[label]}")
    return list(found.values())


def _labelled(path: Path, line: int, row: dict[str, str | None]) -> Labelled:
    text, label = (row["text"] or "").strip(), (row["label"] or "").strip()
    if not text:
        raise InputError(path, f"line {line}, text", row["text"], "is empty")
    if label not in LABELS:
        raise InputError(path, f"line {line}, label", row["label"], "must be caption or other")
    return Labelled(text, label)


def split(rows: Sequence[Labelled], share: float) -> tuple[list[Labelled], list[Labelled]]:
    """Return training and validation rows; which is which depends on the text alone, the same for every file.

    Args:
        rows: labelled sentences.
        share: of each label that goes to validation, between 0 and 1.
    """
    training: list[Labelled] = []
    validation: list[Labelled] = []
    for label in LABELS:
        ordered = sorted((row for row in rows if row.label == label), key=lambda row: _digest(row.text))
        cut = round(len(ordered) * share)
        validation += ordered[:cut]
        training += ordered[cut:]
    return training, validation


def fingerprint(rows: Iterable[Labelled]) -> str:
    """Return a hash of the sentences and labels, whatever their order."""
    lines = sorted(f"{row.label}\t{row.text}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.casefold().encode()).hexdigest()
