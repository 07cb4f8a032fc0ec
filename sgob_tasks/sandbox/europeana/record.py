"""The Record API: ``/record/v2/{dataset}/{local}.json``."""

from __future__ import annotations

import hashlib
import json
from datetime import timezone
from email.utils import format_datetime, parsedate_to_datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sgob_tasks.sandbox.europeana.auth import Guard
from sgob_tasks.sandbox.europeana.catalogue import Catalogue


class RecordApi:
    """Answers Record API calls; a merged record answers under its new id, without a redirect."""

    def __init__(self, catalogue: Catalogue, guard: Guard) -> None:
        self._catalogue, self._guard = catalogue, guard

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        for prefix in ("/record/v2", "/record", "/api/v2/record"):
            router.add_api_route(prefix + "/{dataset}/{local}.json", self.record, methods=["GET", "HEAD"])
        return router

    async def record(self, request: Request, dataset: str, local: str) -> Response:
        """Answer one record."""
        key = self._guard.reader(request)
        record_id = f"/{dataset}/{local}"
        item = self._catalogue.get(record_id)
        if item is None:
            error = f"Invalid record identifier: {record_id}"
            return JSONResponse({"apikey": key, "success": False, "error": error, "requestNumber": 999}, 404)
        updated = self._catalogue.updated(item).replace(microsecond=0)
        view = self._catalogue.views.record(item, self._catalogue.updated(item))
        etag = 'W/"' + hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()[:32] + '"'
        headers = {"ETag": etag, "Last-Modified": format_datetime(updated.astimezone(timezone.utc), usegmt=True)}
        if_match, if_none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
        if if_match is not None and if_match not in {etag, "*"}:
            return Response(status_code=412, headers=headers)
        if if_none_match is not None:
            if if_none_match in {etag, "*"}:
                return Response(status_code=304, headers=headers)
        elif _not_modified_since(request.headers.get("if-modified-since"), updated.timestamp()):
            return Response(status_code=304, headers=headers)
        body = {"apikey": key, "success": True, "statsDuration": 1, "requestNumber": 999, "object": view}
        return JSONResponse(body, headers=headers)


def _not_modified_since(header: str | None, updated: float) -> bool:
    if header is None:
        return False
    try:
        return updated <= parsedate_to_datetime(header).timestamp()
    except ValueError:
        return False  # an unreadable date is ignored, as HTTP says
