"""Judges the sentences of a CSV file of any size."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path
from typing import Any

from sgob_tasks.captions.classifier.model import CaptionClassifier
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.progress import track

LABEL, SCORE = "label", "score"
GIVEN = "_given"
"""Added to the name of a column of the input that has the name of one of the output."""


@dataclass(frozen=True)
class TableCounts:
    """What was judged.

    Attributes:
        rows: lines below the header.
        captions: rows labelled ``caption``.
        renamed: columns of the input whose name the output needs, and what they are called there.
    """

    rows: int
    captions: int
    renamed: dict[str, str] = field(default_factory=dict)


def classify_table(model_dir: Path, source: Path, out: Path, *, text_column: str = "text") -> TableCounts:
    """Judge each row of a CSV file; write it with the columns ``label`` and ``score`` added.

    All columns of the input are kept as they are; one that is called ``label`` or ``score`` is kept as ``label_given``
    or ``score_given``. Rows are read and written one after the other, so that memory does not grow with the file, and
    ``out`` appears, whole, when all is done. It may be the input itself.

    Args:
        model_dir: folder of a model made by ``train_classifier``.
        source: UTF-8 CSV with a header; each row's text is judged as one sentence.
        out: file to write.
        text_column: the column to judge.

    Raises:
        InputError: no usable model; the file does not fit: names file, line, column and value.
        PermanentError: the file cannot be written.
    """
    classifier = CaptionClassifier(model_dir)
    try:
        file = source.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(source, "file", str(error), "cannot be read") from error
    captions = rows = 0
    with file:
        reader = csv.reader(file, strict=True)
        lines = _lines(source, reader)
        header = next(lines, [])
        place, renamed = _columns(source, header, text_column)
        kept, judged = tee(_rows(source, reader, lines, header))
        judgements = classifier.judge(row[place] for row in judged)
        with _replacing(out) as part, part.open("w", encoding="utf-8", newline="") as output:
            writer = csv.writer(output, lineterminator="\n")
            writer.writerow([*(renamed.get(name, name) for name in header), LABEL, SCORE])
            for row, probability in track(zip(kept, judgements, strict=True), "Classifying sentences"):
                writer.writerow([*row, classifier.label(probability), f"{probability:.6f}"])
                captions += classifier.is_caption(probability)
                rows += 1
    return TableCounts(rows, captions, renamed)


def _lines(source: Path, reader: Any) -> Iterator[list[str]]:
    """Yield the rows as they stand in the file.

    Raises:
        InputError: the file is no CSV in UTF-8; names the line.
    """
    try:
        yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        field = f"line {reader.line_num + isinstance(error, UnicodeDecodeError)}"
        raise InputError(source, field, str(error), "cannot be read as CSV in UTF-8") from error


def _columns(source: Path, header: list[str], text_column: str) -> tuple[int, dict[str, str]]:
    """Return the place of the text, and the new names of columns whose names are needed."""
    if header.count(text_column) != 1:
        raise InputError(source, "header", header, f"needs one column {text_column}")
    renamed = {name: name + GIVEN for name in (LABEL, SCORE) if name in header}
    for name in renamed.values():
        if name in header:
            raise InputError(source, "header", name, "is the name that a column of the input would get; rename one")
    return header.index(text_column), renamed


def _rows(source: Path, reader: Any, lines: Iterator[list[str]], header: list[str]) -> Iterator[list[str]]:
    for row in lines:
        if not row:
            continue  # an empty line
        if len(row) != len(header):
            reason = f"has {len(row)} columns, the header {len(header)}"
            raise InputError(source, f"line {reader.line_num}", ",".join(row), reason)
        yield row


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Give a file beside ``out`` that takes its place when all is written, and vanishes when it is not.

    Raises:
        PermanentError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
        os.close(handle)
        part = Path(name)
        try:
            yield part
            part.chmod(0o666 & ~_umask())
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise PermanentError(f"{out}: cannot be written: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
