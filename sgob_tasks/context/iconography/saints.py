"""The saints that Iconclass lists with attributes: ``saints.csv`` and their names in titles, ``saint_names.csv``.

Notations and attributes are facts from Iconclass (github.com/iconclass/data, CC0); ``implied`` is what an office brings
with it (a bishop's mitre, a martyr's palm). ``prior`` is how often paintings show the saint: for the ten with the most
paintings in Wikidata the count of those with this notation (github.com/llm-art/ai-recognize-saints, data set
description, 2024), for the others an estimate in three steps. Wikidata ids were found in two public lists and, like
those of the class table, not looked up at wikidata.org.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.context.documents import read_rows
from sgob_tasks.errors import InputError

SAINTS_CSV = Path(__file__).parent / "saints.csv"
SAINT_NAMES_CSV = Path(__file__).parent / "saint_names.csv"
TITLE_LANGUAGES = ("en", "de", "fr", "it", "es", "ca", "nl", "pt", "la", "pl")
_COLUMNS = ("notation", "key", "wikidata", "prior", "attributes", "implied", "words")


@dataclass(frozen=True)
class Saint:
    """A saint.

    Attributes:
        notation: Iconclass, such as ``11H(GEORGE)``.
        key: the name within it.
        wikidata: item id; empty where none is known.
        prior: how often paintings show the saint, relative to the others.
        attributes: classes that may stand beside the saint.
        implied: classes that the saint's office brings with it.
        words: other attributes, in English; a detector does not know them, a text may name them.
    """

    notation: str
    key: str
    wikidata: str
    prior: float
    attributes: tuple[str, ...]
    implied: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def label(self) -> str:
        """The name in English, ``Saint George``."""
        small = {"of", "the", "de"}
        names = [part if part in small else part.title() for part in self.key.lower().split(" ")]
        prefix = "Saints" if "&" in self.key else "Saint"
        return f"{prefix} {' '.join(names)}".replace("&", "and").replace(" Ix", " IX").replace(" Ii", " II")


@functools.lru_cache(maxsize=2)
def load_saints(path: Path = SAINTS_CSV) -> Mapping[str, Saint]:
    """Read the table of saints, by notation.

    Raises:
        InputError: the table cannot be read, a notation is there twice, or a prior is no number above 0.
    """
    saints: dict[str, Saint] = {}
    for row in read_rows(path, _COLUMNS):
        notation = row["notation"]
        if notation in saints or not notation:
            raise InputError(path, "notation", notation, "is missing or there twice")
        try:
            prior = float(row["prior"])
        except ValueError:
            prior = 0.0
        if not 0.0 < prior < float("inf"):
            raise InputError(path, f"{notation}, prior", row["prior"], "must be a number above 0")
        parts = {name: tuple(filter(None, row[name].split("|"))) for name in ("attributes", "implied", "words")}
        saints[notation] = Saint(notation, row["key"], row["wikidata"], prior, **parts)
    return saints


@functools.lru_cache(maxsize=2)
def load_saint_names(path: Path = SAINT_NAMES_CSV) -> Mapping[str, tuple[str, ...]]:
    """Read the names by which titles call saints, by key; a name that begins with ``!`` needs no "Saint" before it.

    Raises:
        InputError: the table cannot be read, or a key is there twice.
    """
    names: dict[str, tuple[str, ...]] = {}
    for row in read_rows(path, ("key", *TITLE_LANGUAGES)):
        if row["key"] in names:
            raise InputError(path, "key", row["key"], "is there twice")
        forms = (form for language in TITLE_LANGUAGES for form in row[language].split("|"))
        names[row["key"]] = tuple(dict.fromkeys(filter(None, forms)))
    return names
