"""What the Annotation API accepts, what it drops without a word, and what it calls a duplicate.

After AnnotationLdParser, BaseAnnotationValidator and SolrAnnotationServiceImpl of europeana/annotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from sgob_tasks.sandbox.europeana.annotation_bodies import BODY_RULES, tag_text
from sgob_tasks.sandbox.europeana.annotation_refusal import RefusedError, cannot_parse, is_url, missing

DATA = "http://data.europeana.eu/"
ITEM = DATA + "item/"
KEPT = (
    "@context",
    "type",
    "motivation",
    "created",
    "generated",
    "creator",
    "generator",
    "bodyValue",
    "body",
    "target",
    "canonical",
    "via",
    "equivalentTo",
)
MOTIVATIONS = frozenset(
    {
        "tagging",
        "linking",
        "describing",
        "transcribing",
        "translating",
        "subtitling",
        "captioning",
        "linkForContributing",
        "highlighting",
    }
)
_TARGET_KEPT = frozenset({"type", "scope", "source", "id"})
_LINK_HOSTS = ("data.europeana.eu", "wikidata.org", "www.wikidata.org", "dbpedia.org")


@dataclass(frozen=True)
class Accepted:
    """An annotation that passed.

    Attributes:
        document: what is kept of it; creator, generator and times are set by the caller.
        records: ids of the records it is about, ``/dataset/local``.
        duplicate_keys: two annotations that share one are duplicates.
    """

    document: dict[str, Any]
    records: tuple[str, ...]
    duplicate_keys: tuple[str, ...]


def accept(given: object, motivation: str | None = None, *, create: bool = True) -> Accepted:
    """Validate an annotation as the server does.

    Args:
        given: the parsed JSON body.
        motivation: demanded by the path of the call (``/annotation/tag``).
        create: an id is refused; without it (batch, update) the id is left to the caller.

    Raises:
        RefusedError: with the server's status and text.
    """
    if not isinstance(given, Mapping):
        raise cannot_parse()
    if create and (is_url(given.get("id")) or isinstance(given.get("id"), int)):
        # A bare text as id passes (the server's own test input has "1" there): only a readable identifier counts.
        raise RefusedError(f"Annotation identifier must not be provided upon creation! identifier: {given['id']}")
    document = {name: given[name] for name in KEPT if name in given}
    motivation = _motivation(document, motivation)
    _check_agents_and_times(document)
    document["target"], records, source = _target(document.get("target"), motivation)
    keys: list[str]
    if "bodyValue" in document and motivation == "tagging":
        document.pop("body", None)
        document["bodyValue"] = tag_text(document["bodyValue"])
        keys = [f"tag|{record}|{document['bodyValue'].casefold()}|" for record in records]
    else:
        document.pop("bodyValue", None)
        keys = BODY_RULES[motivation](document, records, source)
    document["@context"] = "http://www.w3.org/ns/anno.jsonld"
    document["type"] = "Annotation"
    return Accepted(document, records, tuple(keys))


def _motivation(document: dict[str, Any], demanded: str | None) -> str:
    found = document.get("motivation", demanded)
    if not isinstance(found, str) or found.strip() not in MOTIVATIONS or (demanded and found.strip() != demanded):
        raise cannot_parse()
    document["motivation"] = found.strip()
    return found.strip()


def _check_agents_and_times(document: dict[str, Any]) -> None:
    for name in ("creator", "generator"):
        agent = document.get(name)
        if isinstance(agent, Mapping) and "id" in agent and not is_url(agent["id"]):
            raise RefusedError(f"Invalid property value! {name}.id: {agent['id']}")
    for name in ("created", "generated"):
        if name in document:
            document[name] = _time(document[name])


def _time(value: object) -> str:
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError as error:
        raise cannot_parse() from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _record_of(uri: str) -> str:
    """Return ``/dataset/local`` of an item URI; the path of any other entity."""
    path = uri.split(ITEM, 1)[1] if ITEM in uri else urlsplit(uri).path.lstrip("/")
    return "/" + path.split("#")[0].strip("/")


def _target(target: object, motivation: str) -> tuple[Any, tuple[str, ...], str | None]:
    """Return what is kept of the target, the records it names, and its web resource."""
    if motivation == "highlighting":
        parts = target if isinstance(target, list) else [target]
        return target, tuple({_record_of(_highlight_source(part)): None for part in parts}), None
    if isinstance(target, list):
        if motivation != "linking" or not target:
            raise cannot_parse()
        return target, tuple(_record_of(_plain_target(part, motivation)) for part in target), None
    if isinstance(target, Mapping):
        kept = {name: value for name, value in target.items() if name in _TARGET_KEPT}  # selectors vanish here
        if "scope" not in kept and "source" not in kept and "id" in kept:
            return kept, (_record_of(_plain_target(kept["id"], motivation)),), None
        if motivation == "linkForContributing":
            raise RefusedError("Invalid property value! target: a specific resource is not allowed")
        if "scope" not in kept:
            raise missing("target.scope")
        _plain_target(kept["scope"], motivation)
        if "source" not in kept and motivation == "tagging":  # the tagging validator is laxer than the others
            return kept, (_record_of(kept["scope"]),), None
        if not is_url(kept.get("source")):
            raise RefusedError(f"Invalid annotation target source (must be a url)! target.source: {kept.get('source')}")
        return kept, (_record_of(kept["scope"]),), str(kept["source"])
    if target is None:
        raise missing("target")
    return target, (_record_of(_plain_target(target, motivation)),), None


def _plain_target(target: object, motivation: str) -> str:
    if motivation == "linking":
        if not is_url(target) or urlsplit(str(target)).hostname not in _LINK_HOSTS:
            raise RefusedError(f"Invalid annotation target base url, which should contain: {ITEM} target: {target}")
        return str(target)
    base = DATA if motivation == "tagging" else ITEM  # tags may point to Europeana's entities as well
    if not isinstance(target, str) or base not in target:
        raise RefusedError(f"Invalid annotation target base url, which should contain: {ITEM} target: {target}")
    return target


def _highlight_source(part: object) -> str:
    if not isinstance(part, Mapping) or not is_url(part.get("source")):
        raise RefusedError("Invalid annotation target source (must be a url)!")
    selector = part.get("selector")
    if not isinstance(selector, Mapping) or selector.get("type") != "RDFStatementSelector":
        raise cannot_parse()
    if not selector.get("hasPredicate"):
        raise missing("target.selector.hasPredicate")
    return str(part["source"])
