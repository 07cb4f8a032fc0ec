"""Search over annotations: ``GET /annotation/search``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from sgob_tasks.sandbox.europeana.annotation_refusal import RefusedError
from sgob_tasks.sandbox.europeana.annotation_store import AnnotationStore, Stored
from sgob_tasks.sandbox.europeana.query import Lookup, QueryError, compile_query

MAX_PAGE = {"minimal": 10_000, "standard": 100}
DEFAULT_PAGE = 10
_ONE_RECORD = re.compile(r'target_record_id:"([^"]+)"')


def _agent_uri(agent: object) -> list[str]:
    if isinstance(agent, Mapping):
        return [str(agent["id"])] if "id" in agent else []
    return [str(agent)] if agent else []


def _uris(value: object) -> list[str]:
    if isinstance(value, list):
        return [uri for entry in value for uri in _uris(entry)]
    if isinstance(value, Mapping):
        return [str(value[name]) for name in ("scope", "source", "id") if name in value]
    return [str(value)] if value else []


def _lookup(stored: Stored, records: Sequence[str]) -> Lookup:
    document = stored.document
    body = document.get("body")
    text = document.get("bodyValue") or (body.get("value") if isinstance(body, Mapping) else None)
    language = body.get("language") if isinstance(body, Mapping) else None
    fields = {
        "motivation": [str(document["motivation"])],
        "anno_uri": [stored.uri],
        "anno_id": [str(stored.number)],
        "generator_uri": _agent_uri(document.get("generator")),
        "creator_uri": _agent_uri(document.get("creator")),
        "created": [stored.generated + "+00:00"],
        "modified": [stored.modified + "+00:00"],
        "body_value": [str(text)] if text else [],
        "body_uri": _uris(body) if not text else [],
        "target_uri": _uris(document.get("target")),
        "target_record_id": list(records),
        "text": [str(text)] if text else [],
    }
    if text and language:
        fields[f"body_value.{language}"] = [str(text)]
    # Queries have had https rewritten to http; what is searched is treated alike.
    plain = {name: [value.replace("https://", "http://") for value in values] for name, values in fields.items()}
    return lambda name: plain.get(name, [])


def search(store: AnnotationStore, request: Request, base_url: str) -> dict[str, Any]:
    """Return an AnnotationPage.

    Raises:
        RefusedError: 400 for a missing query, a bad page or page size, or an unreadable query.
    """
    given = request.query_params
    query = given.get("query")
    if not query:
        raise RefusedError("Missing parameter! query")
    words = set((given.get("profile") or "standard").replace(",", " ").lower().split())
    profile = "minimal" if "minimal" in words else "standard"
    page, size = _number(given.get("page"), 0), _number(given.get("pageSize"), DEFAULT_PAGE)
    if size > MAX_PAGE[profile]:
        raise RefusedError(f"Invalid parameter value! pageSize: {size}")
    filters = [text for text in given.getlist("qf") if text]
    only = next((m[1] for m in map(_ONE_RECORD.fullmatch, (query, *filters)) if m), None)
    try:
        predicates = [compile_query(text) for text in (query, *filters)]
    except QueryError as error:
        raise RefusedError(f"Invalid query! {error}") from error
    found = [
        stored
        for stored, records in store.indexed(only)
        if all(predicate(_lookup(stored, records)) for predicate in predicates)
    ]
    if given.get("sort") in {"created", "generated", "modified"}:
        found.sort(
            key=lambda stored: stored.modified if given.get("sort") == "modified" else stored.generated,
            reverse=(given.get("sortOrder") or "desc").lower() == "desc",
        )
    shown = found[page * size : (page + 1) * size]
    link = _links(request, base_url)
    answer: dict[str, Any] = {
        "@context": "https://www.w3.org/ns/anno.jsonld",
        "id": link(page),
        "type": "AnnotationPage",
        "partOf": {"id": link(None), "total": len(found)},
        "total": len(shown),
        "items": [stored.uri if profile == "minimal" else stored.view() for stored in shown],
    }
    if page > 0:
        answer["prev"] = link(page - 1)
    if (page + 1) * size < len(found):
        answer["next"] = link(page + 1)
    return answer


def _links(request: Request, base_url: str) -> Any:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "page"]

    def link(page: int | None) -> str:
        parameters = kept if page is None else [*kept, ("page", str(page))]
        return f"{base_url}/annotation/search?{urlencode(parameters)}"

    return link


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal():
        raise RefusedError(f"Invalid parameter value! {text}")
    return int(text)
