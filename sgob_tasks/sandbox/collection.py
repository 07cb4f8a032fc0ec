"""A folder of pictures with a CSV, as the records that the stand-in Europeana serves."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sgob_tasks.errors import InputError

PUBLIC_DOMAIN = "http://creativecommons.org/publicdomain/mark/1.0/"
IN_COPYRIGHT = "http://rightsstatements.org/vocab/InC/1.0/"

METADATA_FAULTS = ("no_title", "no_date", "no_rights", "in_copyright", "no_image")
"""Faults of a record; :class:`Collection` applies them."""
MEDIA_FAULTS = ("truncated", "huge", "html", "not_image", "missing")
"""Faults of a picture; whoever serves the media applies them."""
FAULTS = METADATA_FAULTS + MEDIA_FAULTS

_COLUMNS: dict[str, tuple[str, ...]] = {
    "file": ("file", "file_name", "filename", "image"),
    "title": ("title",),
    "creator": ("creator", "artist"),
    "year": ("year", "date", "dated", "date_text"),
    "description": ("description",),
    "language": ("language", "lang"),
    "rights": ("rights", "licence", "license"),
    "fault": ("fault",),
}
"""What we call a column, and what others call it."""

_FIRST_UPDATE = datetime(2026, 1, 1, tzinfo=timezone.utc)
_UPDATE_SPAN = timedelta(days=30)


@dataclass(frozen=True)
class CollectionItem:
    """One record.

    Attributes:
        record_id: ``/{dataset}/{local}``, the way Europeana writes ids.
        file: name of the picture as the CSV has it.
        path: the picture; None if the record has none, or if fetching it is to fail.
        title: title, may be empty.
        creator: creator, may be empty.
        date_text: date as the CSV has it, may be empty.
        description: description, may be empty.
        language: language of title and description, a two-letter code.
        rights: URI of the rights statement, may be empty.
        fault: one of :data:`FAULTS`, or empty.
        extra: all further columns.
        updated_at: when the record was last updated; the same row always says the same.
    """

    record_id: str
    file: str
    path: Path | None
    title: str
    creator: str
    date_text: str
    description: str
    language: str
    rights: str
    fault: str
    updated_at: datetime
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def media_fault(self) -> str:
        """What is wrong with the served picture, or empty."""
        return self.fault if self.fault in MEDIA_FAULTS else ""

    @property
    def has_image(self) -> bool:
        """Whether the record names a picture at all (it may still fail to be served)."""
        return self.fault != "no_image"


@dataclass(frozen=True)
class Problem:
    """What is odd about a row.

    Attributes:
        row: number of the line in the CSV, counting from 1 with the header.
        field: column.
        value: the value as read.
        reason: what is wrong.
        served: whether the record is served all the same.
    """

    row: int
    field: str
    value: str
    reason: str
    served: bool


@dataclass(frozen=True)
class Collection:
    """All records of a folder.

    Attributes:
        folder: where they were read from.
        dataset: Europeana dataset id, the first part of all record ids.
        items: the records, in the order of the CSV.
        problems: rows that were left out or are odd.
    """

    folder: Path
    dataset: str
    items: tuple[CollectionItem, ...]
    problems: tuple[Problem, ...]

    def __iter__(self) -> Iterator[CollectionItem]:
        """Go through the records in the order of the CSV."""
        return iter(self.items)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.items)

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        dataset: str = "2048128",
        csv_file: Path | None = None,
        language: str = "en",
        rights: str = PUBLIC_DOMAIN,
    ) -> Collection:
        """Read a folder.

        The pictures are looked for in ``images/`` and beside the CSV. A row without its picture, a second row for the
        same picture and a file name that leads out of the folder are left out and listed in :attr:`problems`; an empty
        title is listed and served, since Europeana has such records.

        Args:
            folder: holds the CSV and the pictures.
            dataset: Europeana dataset id: digits, then perhaps letters.
            csv_file: the CSV; found if omitted (``collection.csv``, or the only CSV with a file column).
            language: for rows without one.
            rights: for rows without a statement.

        Raises:
            InputError: no folder, no CSV or more than one that fits, no file column, unreadable text, an unknown fault,
                a bad dataset id, or not one record to serve.
        """
        if not re.fullmatch(r"[0-9]+[A-Za-z]*", dataset):
            raise InputError("collection", "dataset", dataset, "digits, then perhaps letters, expected")
        if not folder.is_dir():
            raise InputError(folder, "folder", str(folder), "no such folder")
        table = csv_file or _find_csv(folder)
        header, rows = _read_csv(table)
        columns = _columns(header)
        if "file" not in columns:
            raise InputError(table, "header", ",".join(header), "no column that names the picture (file) found")
        reader = _Reader(table, folder, dataset, columns, language, rights)
        for number, row in rows:
            reader.add(number, row)
        if not reader.items:
            raise InputError(table, "rows", len(rows), "no record with a picture found")
        return cls(folder, dataset, tuple(reader.items), tuple(reader.problems))


def local_id(file_name: str) -> str:
    """Return a file's Europeana local id: its name without ending, all but letters, digits and ``_`` made ``_``.

    Europeana keeps ASCII letters only; its ids never hold anything else.
    """
    return re.sub(r"[^A-Za-z0-9_]", "_", Path(file_name).stem)


def update_time(record_id: str) -> datetime:
    """Return the time of a record's last update.

    It follows from the id and is spread over a month, so that a harvest's window holds part of a collection.
    """
    share = int.from_bytes(hashlib.sha256(record_id.encode()).digest()[:4], "big")
    return _FIRST_UPDATE + timedelta(seconds=share % int(_UPDATE_SPAN.total_seconds()))


class _Reader:
    """Turns rows into records one by one, and keeps what has been seen."""

    def __init__(
        self, table: Path, folder: Path, dataset: str, columns: Mapping[str, str], language: str, rights: str
    ) -> None:
        self.items: list[CollectionItem] = []
        self.problems: list[Problem] = []
        self._table, self._folder, self._dataset, self._columns = table, folder, dataset, columns
        self._language, self._rights = language, rights
        self._files: set[str] = set()
        self._ids: set[str] = set()

    def add(self, number: int, row: Mapping[str, str]) -> None:
        """Add a row's record, or the reason why there is none."""

        def value(name: str) -> str:
            return row.get(self._columns.get(name, ""), "").strip()

        file, fault = value("file"), value("fault")
        if fault and fault not in FAULTS:
            raise InputError(f"{self._table}:{number}", "fault", fault, f"one of {', '.join(FAULTS)} expected")
        path, reason = self._locate(file, fault)
        if reason:
            self.problems.append(Problem(number, "file", file, reason, served=False))
            return
        self._files.add(file)
        title = "" if fault == "no_title" else value("title")
        if not title and fault != "no_title":
            self.problems.append(Problem(number, "title", "", "empty", served=True))
        record_id = self._record_id(file)
        known = set(self._columns.values())
        self.items.append(
            CollectionItem(
                record_id=record_id,
                file=file,
                path=path,
                title=title,
                creator=value("creator"),
                date_text="" if fault == "no_date" else value("year"),
                description=value("description"),
                language=value("language") or self._language,
                rights=self._rights_of(fault, value("rights")),
                fault=fault,
                updated_at=update_time(record_id),
                extra={name: text for name, text in row.items() if name not in known},
            )
        )

    def _locate(self, file: str, fault: str) -> tuple[Path | None, str]:
        """Return the picture, or the reason why the row cannot be served."""
        if not file:
            return None, "empty: the record's id comes from it"
        if file in self._files:
            return None, "the picture stands in an earlier row"
        if Path(file).is_absolute() or ".." in Path(file).parts:
            return None, "leads out of the folder"
        if fault in {"no_image", "missing"}:
            return None, ""
        for folder in (self._folder / "images", self._folder, self._table.parent):
            if (folder / file).is_file():
                return folder / file, ""
        return None, "no such picture"

    def _record_id(self, file: str) -> str:
        """Return the record's id; names that differ only in characters Europeana drops are told apart by a hash."""
        record_id = f"/{self._dataset}/{local_id(file)}"
        if record_id in self._ids:
            record_id += f"_{hashlib.sha256(file.encode()).hexdigest()[:8]}"
        self._ids.add(record_id)
        return record_id

    def _rights_of(self, fault: str, given: str) -> str:
        if fault == "no_rights":
            return ""
        return IN_COPYRIGHT if fault == "in_copyright" else given or self._rights


def _columns(header: Iterable[str]) -> dict[str, str]:
    """Return our column names and what the header calls them."""
    lower = {name.strip().lower(): name for name in reversed(list(header))}
    return {
        ours: next(lower[n] for n in names if n in lower)
        for ours, names in _COLUMNS.items()
        if lower.keys() & set(names)
    }


def _find_csv(folder: Path) -> Path:
    preferred = folder / "collection.csv"
    if preferred.is_file():
        return preferred
    found = [path for path in sorted(folder.glob("*.csv")) if "file" in _columns(_read_csv(path)[0])]
    if not found:
        raise InputError(folder, "csv", "*.csv", "no CSV with a file column found in the folder")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(
            folder, "csv", names, "more than one CSV with a file column: say which, or name it collection.csv"
        )
    return found[0]


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return a CSV's header and its rows with their line numbers; separated by commas, semicolons or tabs."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, "encoding", error.object[error.start : error.start + 4], "UTF-8 expected") from error
    except OSError as error:
        raise InputError(path, "csv", str(path), f"cannot be read: {error.strerror}") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, restval="")
    rows = []
    try:
        header = list(reader.fieldnames or [])
        for row in reader:
            if row.pop(None, None):
                raise InputError(
                    f"{path}:{reader.line_num}", "row", next(iter(row.values())), "more cells than the header has"
                )
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}", "row", str(error), "not a well-formed CSV") from error
    return header, rows
