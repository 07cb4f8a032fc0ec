"""Addresses of concepts at Wikidata and Iconclass."""

from __future__ import annotations

import re
from urllib.parse import quote

from sgob_tasks.detection.classes import ClassTable

WIKIDATA = "http://www.wikidata.org/entity/"
"""Wikidata's concept URIs begin with http, see https://www.wikidata.org/wiki/Wikidata:Data_access."""
ICONCLASS = "https://iconclass.org/"
_QID = re.compile(r"Q[1-9]\d*")
_NOTATION = re.compile(r"\d\S*( \S+)*")


def wikidata_uri(qid: str) -> str:
    """Return the concept URI of a Wikidata item: ``Q726`` -> ``http://www.wikidata.org/entity/Q726``.

    Raises:
        ValueError: it is no item id.
    """
    if not _QID.fullmatch(qid):
        raise ValueError(f"not a Wikidata item id: {qid!r}")
    return WIKIDATA + qid


def iconclass_uri(notation: str) -> str:
    """Return the URI of a notation: ``11H(GEORGE)41`` -> ``https://iconclass.org/11H%28GEORGE%2941``.

    Raises:
        ValueError: it does not begin with one of Iconclass's ten divisions.
    """
    if not _NOTATION.fullmatch(notation):
        raise ValueError(f"not an Iconclass notation: {notation!r}")
    return ICONCLASS + quote(notation, safe="")


def concept_uris(label: str, table: ClassTable | None = None) -> list[str]:
    """Return the URIs of a class, Wikidata's first; empty where none is known for certain."""
    entry = (table or ClassTable.load()).get(label)
    if entry is None:
        return []
    uris = [wikidata_uri(entry.wikidata_qid)] if entry.wikidata_qid else []
    return uris + ([iconclass_uri(entry.iconclass)] if entry.iconclass else [])
