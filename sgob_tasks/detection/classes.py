"""The table of classes: what they are called elsewhere, since when they exist, and what they are mistaken for.

``classes.csv`` holds the 69 classes of DEArt (doi 10.5281/zenodo.6984525) and the 80 of COCO. Fifteen names mean the
same in both and have one row. ``mouse`` does not: DEArt's is the animal and keeps the name, COCO's is the ``computer
mouse`` here, so a detector that was trained on COCO has to be given the names of ``from_coco``.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sgob_tasks.errors import InputError

CLASSES_CSV = Path(__file__).parent / "classes.csv"
COLUMNS = (
    "name",
    "vocabulary",
    "coco_name",
    "super_category",
    "wikidata_qid",
    "iconclass",
    "first_appearance_year",
    "filter",
    "look_alikes",
)
HARD, SOFT = "hard", "soft"
_QID = re.compile(r"Q[1-9]\d*")


@dataclass(frozen=True)
class ArtClass:
    """One class of the detector.

    Attributes:
        name: lower case; unique.
        vocabulary: ``deart``, ``coco`` or ``both``.
        coco_name: COCO's name, empty for classes that only DEArt has.
        super_category: kind of thing, such as ``animal/quadruped``.
        wikidata_qid, iconclass: identifiers; empty where none is known for certain.
        first_appearance_year: earliest year in which a European picture can show it; None where that is no use.
        filter: ``hard`` (an earlier picture cannot show it), ``soft`` (the year is uncertain) or empty (timeless).
        look_alikes: DEArt classes that a detector may have mistaken for it, the likeliest first.
    """

    name: str
    vocabulary: str
    coco_name: str
    super_category: str
    wikidata_qid: str
    iconclass: str
    first_appearance_year: int | None
    filter: str
    look_alikes: tuple[str, ...]


@dataclass(frozen=True)
class ClassTable(Mapping[str, ArtClass]):
    """All classes by name, in the table's order."""

    classes: Mapping[str, ArtClass]

    @classmethod
    def load(cls, path: Path | None = None) -> ClassTable:
        """Read a table; by default the one that comes with the package.

        Raises:
            InputError: the file is unreadable, or a value does not fit; names file, line and column.
        """
        return _load(path or CLASSES_CSV)

    def __getitem__(self, name: str) -> ArtClass:
        """Return a class by name."""
        return self.classes[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self.classes)

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    def concept_uri(self, name: str) -> str | None:
        """Return the URI by which a class is known: Wikidata, else Iconclass, else None (unknown classes too)."""
        entry = self.classes.get(name)
        if entry is None:
            return None
        if entry.wikidata_qid:
            return f"http://www.wikidata.org/entity/{entry.wikidata_qid}"
        return f"https://iconclass.org/{quote(entry.iconclass, safe='')}" if entry.iconclass else None

    def from_coco(self, coco_name: str) -> str | None:
        """Return our name of a COCO class (``mouse`` is ``computer mouse``); None where COCO has no such name."""
        return next((entry.name for entry in self.classes.values() if entry.coco_name == coco_name), None)


@functools.lru_cache(maxsize=4)
def _load(path: Path) -> ClassTable:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise InputError(path, "header", reader.fieldnames, f"must be {','.join(COLUMNS)}")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", str(error), "cannot be read as CSV in UTF-8") from error
    classes: dict[str, ArtClass] = {}
    for line, row in rows:
        entry = _parse(path, line, row)
        if entry.name in classes:
            raise InputError(path, f"line {line}, name", entry.name, "is there twice")
        classes[entry.name] = entry
    for entry in classes.values():
        for other in entry.look_alikes:
            if other not in classes or other == entry.name:
                raise InputError(path, f"{entry.name}, look_alikes", other, "is no other class of the table")
    return ClassTable(classes)


def _parse(path: Path, line: int, row: Mapping[str | None, str | list[str] | None]) -> ArtClass:
    values: dict[str, str] = {}
    for column in COLUMNS:
        value = row.get(column)
        if not isinstance(value, str):
            raise InputError(path, f"line {line}, {column}", value, "is missing")
        values[column] = value.strip()
    if None in row:
        raise InputError(path, f"line {line}", row[None], "has more values than columns")
    year = values["first_appearance_year"]
    checks = (
        ("name", values["name"] != "" and values["name"] == values["name"].lower(), "must be in lower case"),
        ("vocabulary", values["vocabulary"] in {"deart", "coco", "both"}, "must be deart, coco or both"),
        ("coco_name", (values["coco_name"] == "") == (values["vocabulary"] == "deart"), "does not fit the vocabulary"),
        ("wikidata_qid", not values["wikidata_qid"] or _QID.fullmatch(values["wikidata_qid"]), "must look like Q726"),
        ("first_appearance_year", re.fullmatch(r"(-?\d{1,4})?", year), "must be a year"),
        ("filter", values["filter"] in {HARD, SOFT, ""}, "must be hard, soft or empty"),
        ("filter", (values["filter"] == "") == (year == ""), "needs a year, and a year needs it"),
    )
    for column, fits, reason in checks:
        if not fits:
            raise InputError(path, f"line {line}, {column}", values[column], reason)
    return ArtClass(
        name=values["name"],
        vocabulary=values["vocabulary"],
        coco_name=values["coco_name"],
        super_category=values["super_category"],
        wikidata_qid=values["wikidata_qid"],
        iconclass=values["iconclass"],
        first_appearance_year=int(year) if year else None,
        filter=values["filter"],
        look_alikes=tuple(other.strip() for other in values["look_alikes"].split("|") if other.strip()),
    )
