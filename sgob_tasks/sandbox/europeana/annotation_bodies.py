"""What the Annotation API accepts as the body of an annotation, by motivation, and which bodies make duplicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.parsers import expat  # well-formedness only; entity declarations are refused below

from sgob_tasks.sandbox.europeana.annotation_refusal import RefusedError, cannot_parse, is_url, missing
from sgob_tasks.sandbox.europeana.rights import accepted_for_full_text

MAX_TAG = 64
_BODY_KEPT = frozenset({"@context", "@graph", "type", "value", "language", "format", "edmRights", "source", "id"})
_TEXT_FORMATS = (
    "text/plain",
    "text/html",
    "application/alto+xml",
    "application/vnd.prima.page+xml",
    "application/page+xml",
)
_SUBTITLE_FORMATS = ("text/vtt", "application/x-subrip", "application/ttml+xml", "application/ebuttd+xml")


def tag_text(value: object) -> str:
    """Return the trimmed text of a plain tag.

    Raises:
        RefusedError: it is empty, too long or a URL.
    """
    if not isinstance(value, str) or not value.strip():
        raise missing("tag.body.value")
    text = value.strip().strip('"').strip()
    if is_url(text):
        raise RefusedError(f"Invalid tag format. A tag can't contain URLs! tag.format: {text}")
    if len(text) > MAX_TAG:
        raise RefusedError(f"Invalid tag size. Must be shorter then {MAX_TAG} characters! tag.size: {len(text)}")
    return text


BodyRule = Callable[[dict[str, Any], tuple[str, ...], "str | None"], list[str]]


def _tagging(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    body = document.get("body")
    if isinstance(body, str):
        if not is_url(body):
            raise cannot_parse()
        return [f"tag|{record}|{body}" for record in records]
    if not isinstance(body, Mapping):
        raise cannot_parse()
    if str(body.get("type")) in _ENTITY_RULES:
        _ENTITY_RULES[str(body["type"])](body)
        return []
    kept = document["body"] = {name: value for name, value in body.items() if name in _BODY_KEPT}
    if "source" in kept or "id" in kept:
        uri = kept.get("source", kept.get("id"))
        if not is_url(uri):
            raise RefusedError(
                f"Invalid tag format The source of a SpecificResource must be an URL! tag.body.source: {uri}"
            )
        return [f"tag|{record}|{uri}" for record in records]
    kept["value"] = tag_text(kept.get("value"))
    kept.setdefault("type", "TextualBody")
    return [f"tag|{record}|{kept['value'].casefold()}|{kept.get('language', '')}" for record in records]


def _place(body: Mapping[str, Any]) -> None:
    for name in ("lat", "long"):
        if not body.get(name):
            raise missing(f"tag.body.{name}")
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", str(body[name]).strip()):
            raise RefusedError(f"Invalid property value! tag.body.{name}: {body[name]}")


def _address(body: Mapping[str, Any]) -> None:
    for name in ("streetAddress", "locality", "countryName"):
        if not str(body.get(name, "")).strip():
            raise missing(f"tag.body.address.{name}")


def _agent(body: Mapping[str, Any]) -> None:
    if not body.get("prefLabel"):
        raise missing("agent.body.prefLabel")


_ENTITY_RULES: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "Place": _place,
    "Address": _address,
    "Agent": _agent,
}


def _object_body(document: dict[str, Any]) -> dict[str, Any]:
    body = document.get("body")
    if not isinstance(body, Mapping):
        raise cannot_parse()
    document["body"] = {name: value for name, value in body.items() if name in _BODY_KEPT}
    kept: dict[str, Any] = document["body"]
    return kept


def _describing(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    body = _object_body(document)
    if body.get("type") not in {"TextualBody", "Text"}:
        raise missing("tag.body.type")
    if not str(body.get("value") or "").strip():
        raise missing("tag.body.value")
    if body["type"] == "TextualBody" and not str(body.get("language") or "").strip():
        raise missing("tag.body.language")
    return []  # the server never looks for duplicates of descriptions


def _linking(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    if "body" in document and "@graph" not in _object_body(document):
        raise cannot_parse()
    if "body" not in document and len(records) < 2:
        raise missing("body")
    return []


def _link_for_contributing(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    body = document.get("body")
    uri = body if isinstance(body, str) else None
    if isinstance(body, Mapping):
        kept = _object_body(document)
        uri = kept.get("source", kept.get("id"))
    if not is_url(uri):
        raise RefusedError(f"Invalid property value! body.source must be a url: {uri}")
    return [f"linkForContributing|{record}" for record in records]


def _full_text(body: dict[str, Any], source: str | None, formats: tuple[str, ...]) -> str:
    if body.get("type", "FullTextResource") != "FullTextResource":
        raise RefusedError("Invalid property value! transcription.body.type: FullTextResource")
    for name in ("language", "value"):
        if not str(body.get(name) or "").strip():
            raise missing(f"transcription.body.{name}")
    if not str(body.get("edmRights") or "").strip():
        raise missing("body.edmRights")
    if not accepted_for_full_text(str(body["edmRights"])):
        raise RefusedError(f"Invalid property value! body.edmRights: {body['edmRights']}")
    if source is None:
        raise missing("target.source")
    media_type = str(body.get("format", "")).split(";")[0].strip()
    if media_type not in formats:
        raise RefusedError(f"Media format not supported: {media_type}", 415)
    return media_type


def _transcribing(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    body = _object_body(document)
    media_type = _full_text(body, source, _TEXT_FORMATS)
    if media_type.endswith("xml") and not _well_formed(str(body["value"])):
        raise RefusedError(f"Invalid property value! body.value: not well-formed {media_type}")
    return [f"{document['motivation']}|{source}|{body['language']}"]


def _subtitles(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    body = _object_body(document)
    media_type = _full_text(body, source, _SUBTITLE_FORMATS)
    value = str(body["value"])
    if media_type.endswith("xml"):
        readable = _well_formed(value)
    else:
        readable = "-->" in value and (media_type != "text/vtt" or value.lstrip().startswith("WEBVTT"))
    if not readable:
        raise RefusedError(f"Invalid property value! body.value: not {media_type}")
    keys = [f"subtitle|{source}|{body['language']}"]
    return [*keys, f"caption|{source}"] if document["motivation"] == "captioning" else keys


def _highlighting(document: dict[str, Any], records: tuple[str, ...], source: str | None) -> list[str]:
    if not is_url(document.get("body")):
        raise cannot_parse()
    return []


def _well_formed(text: str) -> bool:
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("entity declarations are not accepted")

    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.strip().encode(), True)
    except (expat.ExpatError, ValueError):
        return False
    return True


BODY_RULES: dict[str, BodyRule] = {
    "tagging": _tagging,
    "describing": _describing,
    "linking": _linking,
    "linkForContributing": _link_for_contributing,
    "transcribing": _transcribing,
    "translating": _transcribing,
    "captioning": _subtitles,
    "subtitling": _subtitles,
    "highlighting": _highlighting,
}
"""By motivation: checks and trims the body in place, given the records and the web resource; returns duplicate keys."""
