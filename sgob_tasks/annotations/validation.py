"""Checks an annotation before anything is sent: what Europeana would refuse, and what it would lose without a word.

Structure by JSON Schema, meaning by rules. Stricter than the server on purpose: an unknown property or a selector is an
error here because there it vanishes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from sgob_tasks.annotations.model import CONTEXT, DESCRIBING, ICONCLASS, TAGGING, WIKIDATA

MAX_TAG_CHARACTERS = 64
MAX_TEXT_CHARACTERS = 10_000  # no limit of the server is known; a sentence of this length is a mistake
_ITEM_PATTERN = r"^http://data\.europeana\.eu/item/[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+$"
_REGION = re.compile(r"xywh=(\d+),(\d+),(\d+),(\d+)")

_TEXTUAL_BODY = {
    "type": "object",
    "properties": {
        "type": {"const": "TextualBody"},
        "value": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARACTERS},
        "language": {"type": "string", "pattern": "^[a-z]{2}(-[A-Za-z0-9]+)*$"},
    },
    "required": ["type", "value", "language"],
    "additionalProperties": False,
}
_CONCEPT_BODY = {
    "type": "object",
    "properties": {"type": {"const": "SpecificResource"}, "source": {"type": "string", "minLength": 1}},
    "required": ["type", "source"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "@context": {"const": CONTEXT},
        "type": {"const": "Annotation"},
        "motivation": {"enum": [TAGGING, DESCRIBING]},
        "body": {"type": ["object", "string"]},
        "target": {
            "oneOf": [
                {"type": "string", "pattern": _ITEM_PATTERN},
                {
                    "type": "object",
                    "properties": {
                        "scope": {"type": "string", "pattern": _ITEM_PATTERN},
                        "source": {"type": "string", "minLength": 1},
                    },
                    "required": ["scope", "source"],
                    "additionalProperties": False,
                },
            ]
        },
    },
    "required": ["@context", "type", "motivation", "body", "target"],
    "additionalProperties": False,
    "allOf": [
        {
            "if": {"properties": {"motivation": {"const": DESCRIBING}}},
            "then": {"properties": {"body": _TEXTUAL_BODY}},
            "else": {"properties": {"body": {"oneOf": [_CONCEPT_BODY, _TEXTUAL_BODY]}}},
        }
    ],
}


@functools.lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


def problems(document: object) -> list[str]:
    """Return what is wrong with an annotation, in words for a person; an empty list where nothing is."""
    found = [
        f"{error.json_path.removeprefix('$.')}: {_short(error.message)}"
        for error in sorted(_validator().iter_errors(document), key=lambda error: error.json_path)
    ]
    if found or not isinstance(document, Mapping):
        return found
    return [*_body_problems(document), *_source_problems(document["target"])]


def _short(message: str) -> str:
    return message if len(message) <= 200 else message[:197] + "..."


def _body_problems(document: Mapping[str, Any]) -> list[str]:
    body = document["body"]
    if "source" in body:
        uri = body["source"]
        known = re.fullmatch(re.escape(WIKIDATA) + r"Q[1-9]\d*", uri) or (
            uri.startswith(ICONCLASS) and is_web_url(uri) and len(uri) > len(ICONCLASS)
        )
        return [] if known else [f"body.source: {uri!r} is no URI of a Wikidata item or an Iconclass notation"]
    found = []
    value = body["value"]
    if not value.strip():
        found.append("body.value: is empty")
    if document["motivation"] == TAGGING:
        if len(value.strip()) > MAX_TAG_CHARACTERS:
            found.append(f"body.value: a tag has at most {MAX_TAG_CHARACTERS} characters, not {len(value.strip())}")
        if is_web_url(value.strip()):
            found.append("body.value: a textual tag must not be a URL")
    return found


def _source_problems(target: object) -> list[str]:
    if not isinstance(target, Mapping):
        return []
    source = target["source"]
    if not is_web_url(source):
        return [f"target.source: {source!r} is no http or https URL"]
    fragment = urlsplit(source).fragment
    if not fragment:
        return []
    match = _REGION.fullmatch(fragment)
    if match is None:
        return [f"target.source: the fragment {fragment!r} is no region xywh=x,y,width,height in whole pixels"]
    return [] if int(match[3]) and int(match[4]) else [f"target.source: the region {fragment!r} is empty"]


def is_web_url(text: str) -> bool:
    """Say whether a text is an http or https URL that can be fetched."""
    if re.search(r"[\s<>\"{}|\\^`]", text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
