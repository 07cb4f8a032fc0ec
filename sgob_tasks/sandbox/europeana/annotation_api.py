"""The Annotation API: create, read, update, delete, batch and report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sgob_tasks.sandbox.europeana.annotation_refusal import RefusedError
from sgob_tasks.sandbox.europeana.annotation_rules import Accepted, accept
from sgob_tasks.sandbox.europeana.annotation_search import search
from sgob_tasks.sandbox.europeana.annotation_store import AnnotationStore, Stored, timestamp
from sgob_tasks.sandbox.europeana.auth import Caller, Guard, given_key

LD_JSON = "application/ld+json"
_LINK = '<http://www.w3.org/ns/ldp#Resource>; rel="type"'
_PATH_MOTIVATIONS = {"tag": "tagging", "link": "linking"}
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class AnnotationApi:
    """Answers calls below ``/annotation`` and ``/annotations``."""

    def __init__(self, store: AnnotationStore, guard: Guard, base_url: str) -> None:
        self._store, self._guard, self._base_url = store, guard, base_url.rstrip("/")

    def router(self) -> APIRouter:
        """Return the routes; the more particular paths stand first."""
        router = APIRouter()
        add = router.add_api_route
        add("/annotation/search", self.search, methods=["GET"])
        add("/annotations/deleted", self.deleted, methods=["GET"])
        for path in ("/annotation/", "/annotation"):
            add(path, self.create, methods=["POST"])
        for path in ("/annotations/", "/annotations"):
            add(path, self.batch, methods=["POST"])
        add("/annotation/{number}/report", self.report, methods=["POST"])
        add("/annotation/{number}/moderationsummary", self.moderation_summary, methods=["GET"])
        add("/annotation/{number}", self.read, methods=["GET"])
        add("/annotation/{number}", self.update, methods=["PUT"])
        add("/annotation/{number}", self.delete, methods=["DELETE"])
        add("/annotation/{number}", self.create_typed_or_enable, methods=["POST"])
        return router

    async def create(self, request: Request) -> Response:
        """Store a new annotation: 201 with what was kept."""
        return await self._create(request, None)

    async def create_typed_or_enable(self, request: Request, number: str) -> Response:
        """Store with the motivation of the path, or bring a deleted annotation back (path with a number)."""
        if not number.isdecimal():
            if number not in _PATH_MOTIVATIONS:
                raise RefusedError(f"Invalid annotation type! {number}")
            return await self._create(request, _PATH_MOTIVATIONS[number])
        self._guard.writer(request)
        stored = self._known(number)
        self._store.set_deleted(stored.number, deleted=False)
        return _annotation_response(stored, 200)

    async def _create(self, request: Request, motivation: str | None) -> Response:
        caller = self._guard.writer(request)
        accepted = _owned(accept(_parse(await request.body()), motivation), caller)
        self._refuse_duplicates(accepted)
        index = request.query_params.get("indexOnCreate", "true").lower() != "false"
        return _annotation_response(self._store.add(accepted, caller.user, index=index), 201)

    def _refuse_duplicates(self, accepted: Accepted, other_than: int | None = None) -> None:
        found = self._store.duplicates(accepted.duplicate_keys, other_than) if accepted.duplicate_keys else []
        if found:
            raise RefusedError(f"Found duplicate annotations with the ids: {','.join(map(str, found))}")

    def _known(self, number: str) -> Stored:
        digits = re.fullmatch(r"(\d+)(\.jsonld)?", number)
        stored = self._store.get(int(digits[1])) if digits else None
        if stored is None:
            raise RefusedError(f"Annotation not found! http://data.europeana.eu/annotation/{number}", 404)
        return stored

    def _present(self, number: str) -> Stored:
        stored = self._known(number)
        if stored.deleted:
            raise RefusedError(f"Annotation is not accessible! {stored.uri}", 410)
        return stored

    async def read(self, request: Request, number: str) -> Response:
        """Return one annotation: 404 unknown, 410 deleted."""
        self._guard.reader(request)
        return _annotation_response(self._present(number), 200)

    async def update(self, request: Request, number: str) -> Response:
        """Overwrite an annotation of one's own; If-Match is compared as a string, quotes included."""
        caller = self._guard.writer(request)
        stored = self._present(number)
        if stored.owner != caller.user:
            raise RefusedError("User is not authorised to update this annotation", 403)
        if_match = request.headers.get("if-match")
        if if_match is not None and if_match != stored.etag:
            raise RefusedError("If-Match header value does not match the current ETag value", 412)
        accepted = _owned(accept(_parse(await request.body()), create=False), caller)
        self._refuse_duplicates(accepted, other_than=stored.number)
        return _annotation_response(self._store.replace(stored, accepted), 200)

    async def delete(self, request: Request, number: str) -> Response:
        """Delete an annotation of one's own softly: 204, afterwards 410."""
        caller = self._guard.writer(request)
        stored = self._present(number)
        if stored.owner != caller.user:
            raise RefusedError("User is not authorised to delete this annotation", 403)
        self._store.set_deleted(stored.number, deleted=True)
        return Response(status_code=204)

    async def report(self, request: Request, number: str) -> Response:
        """Report an annotation: 201, the second time by the same user 405."""
        caller = self._guard.writer(request)
        if not self._store.report(self._present(number).number, caller.user):
            raise RefusedError("A user may report an annotation only once", 405)
        return JSONResponse({"reportSum": 1, "endorseSum": 0}, 201)

    async def moderation_summary(self, request: Request, number: str) -> Response:
        """Return the sums of reports."""
        self._guard.reader(request)
        self._present(number)
        return JSONResponse({"endorseSum": 0, "reportSum": 0, "score": 0})

    async def search(self, request: Request) -> Response:
        """Return a page of annotations."""
        self._guard.reader(request)
        return JSONResponse(search(self._store, request, self._base_url), media_type=LD_JSON)

    async def deleted(self, request: Request) -> Response:
        """Return the URIs of annotations deleted between ``from`` and ``to``."""
        self._guard.reader(request)
        given = request.query_params
        try:
            begin = datetime.strptime(given.get("from", "1970-01-01T00:00:00Z"), _TIME)  # noqa: DTZ007 - UTC by contract
            end = datetime.strptime(given.get("to", "2999-01-01T00:00:00Z"), _TIME)  # noqa: DTZ007 - UTC by contract
            limit, page = int(given.get("limit", "100")), int(given.get("page", "0"))
        except ValueError as error:
            raise RefusedError(f"Invalid parameter value! {error}") from error
        if begin >= end:
            raise RefusedError("Invalid parameter value! from must be before to")
        found = self._store.deleted_since(begin.isoformat(), end.isoformat())
        wanted = given.get("motivation")
        uris = [s.uri for s in found if wanted is None or s.document["motivation"] == wanted]
        return JSONResponse(uris[page * limit : (page + 1) * limit])

    async def batch(self, request: Request) -> Response:
        """Store or update a page of annotations: all or nothing, without duplicate check and without index."""
        caller = self._guard.writer(request)
        page = _parse(await request.body())
        items = page.get("items") if isinstance(page, Mapping) else None
        if not isinstance(items, list):
            raise RefusedError("Cannot parse body to annotation!")
        accepted: list[Accepted] = []
        errors: dict[str, str] = {}
        for place, item in enumerate(items):
            try:
                accepted.append(accept(item, create=False))
            except RefusedError as refused:
                errors[str(place)] = str(refused)
        if errors:
            return _batch_failure(items, errors, "validation", 400)
        known: dict[int, Stored] = {}
        for place, item in enumerate(items):
            if "id" in item:
                stored = self._store.get(_batch_number(item["id"]))
                if stored is None or stored.deleted:
                    errors[str(item["id"])] = f"Annotation does not exist: {item['id']}"
                else:
                    known[place] = stored
        if errors:
            return _batch_failure(items, errors, "check_update_annotations_available", 404)
        results = [
            self._store.replace(known[place], _owned(one, caller, keep=True))
            if place in known
            else self._store.add(_owned(one, caller, keep=True), caller.user, index=False)
            for place, one in enumerate(accepted)
        ]
        body = {
            "@context": "http://www.w3.org/ns/anno.jsonld",
            "type": "AnnotationPage",
            "total": len(results),
            "items": [stored.view() for stored in results],
        }
        return JSONResponse(body, 201, media_type=LD_JSON, headers={"Vary": "Accept", "Link": _LINK, "Allow": "POST"})


def _batch_number(given: object) -> int:
    last = str(given).rsplit("/", 1)[-1]
    return int(last) if last.isdecimal() else -1


def _batch_failure(items: list[Any], errors: dict[str, str], step: str, status: int) -> Response:
    with_id = sum(1 for item in items if isinstance(item, Mapping) and "id" in item)
    report = {
        "successCount": len(items) - len(errors),
        "failureCount": len(errors),
        "totalNumberOfAnnotations": len(items),
        "numberOfAnnotationsWithId": with_id,
        "numberOfAnnotationsWithoutId": len(items) - with_id,
        "step": step,
        "errors": errors,
    }
    return JSONResponse({"action": "/annotations/", "success": False, "operationReport": report}, status)


def _owned(accepted: Accepted, caller: Caller, *, keep: bool = False) -> Accepted:
    """Set creator, generator and times; creator and generator of the input stay in a batch only (``keep``)."""
    document = dict(accepted.document)
    now = timestamp()[: len("2026-01-01T00:00:00")]
    for name, agent in (("creator", caller.creator), ("generator", caller.generator)):
        if not (keep and name in document):
            document[name] = agent
    document.setdefault("created", now)
    document["generated"] = now
    return Accepted(document, accepted.records, accepted.duplicate_keys)


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise RefusedError("Cannot parse body to annotation!") from error


def _annotation_response(stored: Stored, status: int) -> Response:
    headers = {
        "ETag": stored.etag,
        "Link": _LINK,
        "Allow": "POST" if status == 201 else "GET,PUT,DELETE,OPTIONS,HEAD",
        "Vary": "Accept",
    }
    if status == 201:
        headers["Location"] = stored.uri
    return JSONResponse(stored.view(), status, media_type=LD_JSON, headers=headers)


def refused_response(request: Request, refused: RefusedError) -> Response:
    """Return the error body of the Annotation API; the key is echoed only if it came as ``wskey``."""
    body: dict[str, Any] = {"action": request.url.path, "success": False, "error": str(refused)}
    if "wskey" in request.query_params:
        body = {"apikey": given_key(request), **body}
    return JSONResponse(body, refused.status)
