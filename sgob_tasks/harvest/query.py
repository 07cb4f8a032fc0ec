"""What is searched for: checked before it is asked, and told apart in the ledger. Pure."""

from __future__ import annotations

import hashlib
import json
import re

from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import InputError

_REUSABILITY = frozenset({"open", "restricted", "permission"})
# Technical facets become number tags at Europeana: an unknown value finds nothing and raises no error.
_FACET_VALUES = {
    "TYPE": {"IMAGE", "TEXT", "SOUND", "VIDEO", "3D"},
    "IMAGE_SIZE": {"small", "medium", "large", "extra_large"},
    "IMAGE_ASPECTRATIO": {"landscape", "portrait"},
    "IMAGE_COLOUR": {"true", "false"},
    "MEDIA": {"true", "false"},
    "THUMBNAIL": {"true", "false"},
}


def check_query(settings: EuropeanaSettings) -> None:
    """Refuse values that Europeana would ignore (returning everything) or answer with nothing, both without an error.

    Raises:
        InputError: names the setting and the value.
    """
    for word in settings.reusability.split(",") if settings.reusability else ():
        if word.strip() not in _REUSABILITY:
            raise InputError("settings", "europeana.reusability", word, f"not one of {sorted(_REUSABILITY)}")
    for filter_ in settings.filters:
        name, colon, value = filter_.partition(":")
        allowed = _FACET_VALUES.get(name)
        if not colon or not value:
            raise InputError("settings", "europeana.filters", filter_, "not of the form FIELD:value")
        words = re.findall(r"[^\s()\"]+", value)
        if allowed and any(
            w not in ("OR", "AND", "NOT") and w.lower() not in {a.lower() for a in allowed} for w in words
        ):
            raise InputError("settings", "europeana.filters", filter_, f"{name} is one of {sorted(allowed)}")


def query_hash(settings: EuropeanaSettings) -> str:
    """Return what identifies the query in the ledger: another query has a ledger, and a high-water mark, of its own."""
    asked = {"query": settings.query, "filters": sorted(settings.filters), "reusability": settings.reusability}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
