"""The classes of a data set, linked to Wikidata and Iconclass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sgob_tasks.detection.classes import ArtClass, ClassTable


@dataclass(frozen=True)
class Category:
    """A class as it is shared.

    Attributes:
        name: lower-case class name.
        supercategory: group of classes, or an empty string.
        wikidata: Wikidata item, such as ``Q726``, or an empty string.
        iconclass: notation, such as ``46C13141``, or an empty string.
    """

    name: str
    supercategory: str = ""
    wikidata: str = ""
    iconclass: str = ""

    @property
    def wikidata_uri(self) -> str | None:
        """Address of the Wikidata entity."""
        return f"http://www.wikidata.org/entity/{self.wikidata}" if self.wikidata else None

    @property
    def iconclass_uri(self) -> str | None:
        """Address of the Iconclass concept."""
        return f"https://iconclass.org/{quote(self.iconclass, safe='')}" if self.iconclass else None


def known_categories(table: Mapping[str, ArtClass] | None = None) -> tuple[Category, ...]:
    """Return the classes of the class table, by default of the one that comes with the platform.

    Raises:
        InputError: the table cannot be read.
    """
    rows = (ClassTable.load() if table is None else table).values()
    return tuple(Category(row.name, row.super_category, row.wikidata_qid, row.iconclass) for row in rows)


def number(known: Sequence[Category], labels: Iterable[str]) -> dict[str, tuple[int, Category]]:
    """Number the classes from 1: all known ones in their order, then labels that are not among them, by name.

    A class keeps its number as long as the table of classes only grows at its end.
    """
    names = {category.name for category in known}
    unknown = [Category(label) for label in sorted(set(labels) - names)]
    return {category.name: (index, category) for index, category in enumerate([*known, *unknown], 1)}
