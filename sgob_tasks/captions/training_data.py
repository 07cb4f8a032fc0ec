"""Labelled sentences for the caption classifier."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.errors import InputError

SEED_CSV = Path(__file__).parent / "sentences_seed.csv"
"""Sentences on works of art in eight languages, written for this project (CC0): a classifier can be trained from the
package alone. Its column ``group`` says what the sentences were written about, and in which pass."""

CAPTION, OTHER = "caption", "other"
LABELS = (CAPTION, OTHER)
MIN_PER_LABEL = 20
DEFAULT_LANGUAGE = "en"

_LANGUAGE = re.compile(r"[a-z]{2}")


@dataclass(frozen=True)
class Labelled:
    """A sentence and whether it says what is depicted.

    Attributes:
        text: the sentence.
        label: ``caption`` or ``other``.
        language: ISO 639-1 code.
        group: sentences that belong together: a group is held out whole when a training is validated. Empty: none.
        source: where the sentence comes from, as the file says.
    """

    text: str
    label: str
    language: str = DEFAULT_LANGUAGE
    group: str = ""
    source: str = ""


def read_labelled(path: Path, *, text_column: str = "text", minimum: int = MIN_PER_LABEL) -> list[Labelled]:
    """Read a CSV with the columns ``text`` and ``label``, and ``language``, ``group`` and ``source`` where it has them.

    Other columns are ignored. Sentences that repeat count once.

    Args:
        path: UTF-8, with a header.
        text_column: another name of the column ``text``.
        minimum: sentences that each label needs.

    Raises:
        InputError: names file, line, column and value of what does not fit.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for column in (text_column, "label"):
                if column not in (reader.fieldnames or ()):
                    raise InputError(path, "header", reader.fieldnames, f"has no column {column}")
            found: dict[str, Labelled] = {}
            for row in reader:
                entry = _labelled(path, reader.line_num, row, text_column)
                known = found.setdefault(entry.text.casefold(), entry)
                if known.label != entry.label:
                    raise InputError(
                        path, f"line {reader.line_num}, label", entry.label, f"the same text is {known.label} above"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", str(error), "cannot be read as CSV in UTF-8") from error
    counts = Counter(entry.label for entry in found.values())
    for label in LABELS:
        if counts[label] < minimum:
            raise InputError(path, "label", label, f"needs {minimum} sentences at least, has {counts[label]}")
    return list(found.values())


def _labelled(path: Path, line: int, row: dict[str, str | None], text_column: str) -> Labelled:
    text, label = (row[text_column] or "").strip(), (row["label"] or "").strip()
    if not text:
        raise InputError(path, f"line {line}, {text_column}", row[text_column], "is empty")
    if label not in LABELS:
        raise InputError(path, f"line {line}, label", row["label"], "must be caption or other")
    language = (row.get("language") or DEFAULT_LANGUAGE).strip()
    if not _LANGUAGE.fullmatch(language):
        raise InputError(path, f"line {line}, language", row["language"], "must be two small letters (ISO 639-1)")
    return Labelled(text, label, language, (row.get("group") or "").strip(), (row.get("source") or "").strip())


def assign_folds(rows: Sequence[Labelled], folds: int) -> list[int]:
    """Return the fold of each row, for cross-validation.

    A group lies in one fold as a whole, so that no sentence is judged by what its siblings taught; groups fill the
    folds evenly. Sentences without a group are dealt out by a hash of their text, label by label. The order of the
    rows does not matter.

    Args:
        rows: labelled sentences.
        folds: at least 2.
    """
    sizes = Counter(row.group for row in rows if row.group)
    filled = [0] * folds
    of_group: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda entry: (-entry[1], _digest(entry[0]))):
        of_group[group] = filled.index(min(filled))
        filled[of_group[group]] += size
    found = [of_group.get(row.group, 0) for row in rows]
    for label in LABELS:
        places = [place for place, row in enumerate(rows) if row.label == label and not row.group]
        for rank, place in enumerate(sorted(places, key=lambda place: _digest(rows[place].text))):
            found[place] = rank % folds
    return found


def fingerprint(rows: Iterable[Labelled]) -> str:
    """Return a hash of the sentences and labels, whatever their order."""
    lines = sorted(f"{row.label}\t{row.text}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.casefold().encode()).hexdigest()
