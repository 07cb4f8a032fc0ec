"""``/_control/``: how tests and the demo steer the stand-in. No part of the real API."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime, timezone

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sgob_tasks.sandbox.europeana.annotation_store import AnnotationStore
from sgob_tasks.sandbox.europeana.catalogue import Catalogue
from sgob_tasks.sandbox.europeana.faults import FaultMiddleware, parse_fault
from sgob_tasks.sandbox.europeana.query import parse_time
from sgob_tasks.sandbox.europeana.state import ItemState


class ControlApi:
    """Faults, counts, and changes of the collection while the stand-in runs."""

    def __init__(self, catalogue: Catalogue, annotations: AnnotationStore) -> None:
        self._catalogue, self._annotations = catalogue, annotations
        self.middleware: FaultMiddleware | None = None

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        add = router.add_api_route
        add("/_control/health", self.health, methods=["GET"])
        add("/_control/stats", self.stats, methods=["GET"])
        add("/_control/reset", self.reset, methods=["POST"])
        add("/_control/faults", self.add_fault, methods=["POST"])
        add("/_control/faults", self.clear_faults, methods=["DELETE"])
        add("/_control/annotations", self.clear_annotations, methods=["DELETE"])
        add("/_control/rate_limit", self.rate_limit, methods=["POST"])
        add("/_control/items/{dataset}/{local}", self.delete_item, methods=["DELETE"])
        add("/_control/items/{dataset}/{local}/restore", self.restore_item, methods=["POST"])
        add("/_control/items/{dataset}/{local}/touch", self.touch_item, methods=["POST"])
        add("/_control/items/{dataset}/{local}/redirect", self.redirect_item, methods=["POST"])
        return router

    @property
    def _faults(self) -> FaultMiddleware:
        if self.middleware is None:
            raise RuntimeError("the middleware is not there yet")
        return self.middleware

    async def health(self) -> Response:
        """Say that the stand-in is up."""
        return JSONResponse({"status": "up", "items": len(self._catalogue)})

    async def stats(self) -> Response:
        """Return counts of calls, of annotations and of items."""
        counts = {"annotations": self._annotations.counts(), "items": len(self._catalogue)}
        return JSONResponse(self._faults.snapshot() | counts)

    async def reset(self) -> Response:
        """Forget counts and faults."""
        self._faults.reset()
        return Response(status_code=204)

    async def add_fault(self, request: Request) -> Response:
        """Order a fault; the body has the fields of ``faults.Fault``."""
        try:
            fault = parse_fault(await request.body())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        self._faults.faults.append(fault)
        return JSONResponse(asdict(fault), 201)

    async def clear_faults(self) -> Response:
        """Call off all faults."""
        self._faults.faults.clear()
        return Response(status_code=204)

    async def clear_annotations(self) -> Response:
        """Forget every annotation, as if none had ever been sent."""
        self._annotations.clear()
        return Response(status_code=204)

    async def rate_limit(self, request: Request) -> Response:
        """Set ``{"limit": calls or null, "window_s": seconds}``."""
        given = json.loads(await request.body())
        limiter = self._faults.limiter
        limiter.limit, limiter.window_s = given["limit"], int(given.get("window_s", limiter.window_s))
        return Response(status_code=204)

    def _unknown(self, record_id: str) -> Response | None:
        if self._catalogue.source.find(record_id) is None:
            return JSONResponse({"error": f"no item {record_id}"}, 404)
        return None

    async def delete_item(self, dataset: str, local: str) -> Response:
        """Take a record away: Search no longer shows it, the Record API answers 404."""
        record_id = f"/{dataset}/{local}"
        state = replace(self._catalogue.item_state(record_id), deleted=True)
        return self._unknown(record_id) or self._set(record_id, state)

    async def restore_item(self, dataset: str, local: str) -> Response:
        """Bring a record back."""
        record_id = f"/{dataset}/{local}"
        state = replace(self._catalogue.item_state(record_id), deleted=False, redirect=None)
        return self._unknown(record_id) or self._set(record_id, state)

    async def touch_item(self, request: Request, dataset: str, local: str) -> Response:
        """Set ``timestamp_update`` to ``{"updated": time}``, or to now."""
        record_id = f"/{dataset}/{local}"
        body = await request.body()
        text = json.loads(body).get("updated") if body else None
        moment = datetime.now(timezone.utc) if text is None else parse_time(text)
        if moment is None:
            return JSONResponse({"error": f"not a time: {text}"}, 400)
        state = replace(self._catalogue.item_state(record_id), updated=moment)
        return self._unknown(record_id) or self._set(record_id, state)

    async def redirect_item(self, request: Request, dataset: str, local: str) -> Response:
        """Merge a record into ``{"to": id}``: the old id answers with the other record."""
        record_id, target = f"/{dataset}/{local}", str(json.loads(await request.body())["to"])
        state = replace(self._catalogue.item_state(record_id), redirect=target)
        return self._unknown(target) or self._set(record_id, state)

    def _set(self, record_id: str, state: ItemState) -> Response:
        self._catalogue.state.set_item(record_id, state)
        return Response(status_code=204)
