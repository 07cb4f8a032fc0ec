"""The data set's own description: README with the front matter that data hubs read, and the licence's text."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from sgob_tasks.errors import InputError
from sgob_tasks.store.scores import score_table

_LICENCES = {
    "publicdomain/zero/1.0": ("cc0-1.0", "CC0 1.0 Universal"),
    "licenses/by/4.0": ("cc-by-4.0", "Creative Commons Attribution 4.0 International"),
    "licenses/by-sa/4.0": ("cc-by-sa-4.0", "Creative Commons Attribution-ShareAlike 4.0 International"),
}


def licence_name(uri: str) -> tuple[str, str]:
    """Return the identifier that data hubs use and the full name of a licence.

    Raises:
        InputError: it is none of the licences under which these data may be shared.
    """
    for part, names in _LICENCES.items():
        if re.fullmatch(rf"https?://creativecommons\.org/{re.escape(part)}/?", uri):
            return names
    raise InputError("publish", "licence", uri, "use CC0 1.0, CC BY 4.0 or CC BY-SA 4.0 of creativecommons.org")


def licence_text(uri: str) -> str:
    """Return the LICENSE file: what is covered, and the legal code where it is short enough to ship."""
    identifier, name = licence_name(uri)
    head = (
        "The labels, boxes, masks, scores, written captions and annotations of this data set\n"
        "are made available under\n"
        f"{name}\n{uri}\n\n"
        "The pictures are not part of it. Each has the rights statement that stands beside it in\n"
        "pictures.csv. Titles, creators, dates and the captions that were found in\n"
        "descriptions are metadata of Europeana, which are CC0.\n"
    )
    if identifier != "cc0-1.0":
        return f"{head}\nThe legal code is at {uri.rstrip('/')}/legalcode\n"
    code = resources.files("sgob_tasks.sharing").joinpath("licences/CC0-1.0.md").read_text(encoding="utf-8")
    return f"{head}\n{'-' * 72}\n\n{code}"


def _size_category(count: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if count < limit:
            return name
    return "1M<n<10M" if count < 10_000_000 else "n>10M"


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 - Markdown of our own numbers and names, no HTML
        loader=jinja2.PackageLoader("sgob_tasks.sharing", ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("README.md.j2")


def readme(
    name: str, version: str, licence: str, counts: Mapping[str, int], scores: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the data set card.

    Args:
        name: of the data set.
        version: of the data set.
        licence: URI.
        counts: rows by kind: pictures, detections, corrected, categories, annotations, captions.
        scores: scores by model, as the model registry has them.
    """
    identifier, licence_title = licence_name(licence)
    return _template().render(
        name=name,
        version=version,
        licence=licence,
        identifier=identifier,
        licence_title=licence_title,
        counts=counts,
        size_category=_size_category(counts["pictures"]),
        scores=[(model, one) for model, values in scores.items() for one in score_table(values).overall],
    )
