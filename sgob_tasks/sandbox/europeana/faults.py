"""Misbehaviour on demand, and counts of what was asked: both outside the real API, under ``/_control/``.

The middleware is the outermost layer, so that a fault can let the call take effect and lose the answer: the case that
makes a careless client publish twice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = ("status", "status_after", "cut", "cut_after", "cut_body", "delay", "delay_after")


@dataclass
class Fault:
    """One order to misbehave.

    Attributes:
        path: calls whose path begins with this.
        method: only this method; empty is any.
        kind: ``status`` (answer with ``status``, without effect), ``status_after`` (the same, after the effect),
            ``cut`` (drop the connection, without effect), ``cut_after`` (drop it after the effect, before the
            answer), ``cut_body`` (drop it half way through the answer), ``delay`` and ``delay_after`` (wait
            ``delay_s`` before or after the effect).
        count: how many calls are hit.
        skip: how many calls are left alone first.
        status: HTTP status to answer with.
        retry_after_s: ``t=`` of the RateLimit header with 429.
        delay_s: how long to wait.
    """

    path: str
    kind: str
    method: str = ""
    count: int = 1
    skip: int = 0
    status: int = 503
    retry_after_s: int = 1
    delay_s: float = 1.0
    id: int = field(default_factory=itertools.count(1).__next__)

    def problem(self) -> str | None:
        """Return what is wrong with this order, or None."""
        if self.kind not in KINDS:
            return f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}"
        return None if self.path.startswith("/") else f"path must begin with /, not {self.path!r}"


def error_response(fault: Fault) -> Response:
    """Return an answer as it comes from the API (429, 423) or from the gateway before it (5xx, in HTML)."""
    if fault.status == 429:
        body = {
            "code": "429_limit_project",
            "error": "Project key client has reached the limit of 10000 requests per 60 minutes",
        }
        headers = {
            "RateLimit-Policy": '"project";q=10000;w=3600',
            "RateLimit": f'"project";r=0;t={fault.retry_after_s}',
        }
        return JSONResponse(body, 429, headers=headers)
    if fault.status in {502, 503, 504}:
        return HTMLResponse(f"<html><head><title>{fault.status} Gateway</title></head></html>", fault.status)
    return JSONResponse({"success": False, "error": "Injected error", "status": fault.status}, fault.status)


@dataclass
class RateLimiter:
    """Counts calls in windows that lie fixed on the clock (KC ApiKeyValidationService)."""

    limit: int | None = None
    window_s: int = 3600
    _window: int = -1
    _used: int = 0

    def take(self) -> tuple[bool, dict[str, str]]:
        """Count one call; return whether it may pass, and the headers to send with its answer."""
        if self.limit is None:
            return True, {}
        now = time.time()
        if int(now // self.window_s) != self._window:
            self._window, self._used = int(now // self.window_s), 0
        self._used += 1
        left_s = max(1, math.ceil(self.window_s - now % self.window_s))
        headers = {
            "RateLimit-Policy": f'"project";q={self.limit};w={self.window_s}',
            "RateLimit": f'"project";r={max(0, self.limit - self._used)};t={left_s}',
        }
        return self._used <= self.limit, headers


class FaultMiddleware:
    """Counts calls, applies the rate limit and carries out faults."""

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self._app = app
        self.limiter = limiter
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        if scope["type"] != "http" or scope["path"].startswith("/_control/"):
            await self._app(scope, receive, send)
            return
        path, method = str(scope["path"]), str(scope["method"])
        name = f"{method} {_group(path)}"
        self.calls[name] += 1
        extra: dict[str, str] = {}
        if path.startswith(("/record/", "/api/v2/", "/annotation")):
            allowed, extra = self.limiter.take()
            if not allowed:
                body = {"code": "429_limit_project", "error": "Project key client has reached the limit"}
                await JSONResponse(body, 429, headers=extra)(scope, receive, self._counting(send, name, {}))
                return
        counting = self._counting(send, name, extra)
        fault = self._due(path, method)
        if fault is None:
            await self._app(scope, receive, counting)
        else:
            await self._carry_out(fault, scope, receive, counting, transport=getattr(send, "__self__", None))

    def _due(self, path: str, method: str) -> Fault | None:
        for fault in self.faults:
            if path.startswith(fault.path) and fault.method in {"", method}:
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def _counting(self, send: Send, name: str, extra: dict[str, str]) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[f"{name} {message['status']}"] += 1
                added = [(key.lower().encode(), value.encode()) for key, value in extra.items()]
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        return counted

    async def _carry_out(self, fault: Fault, scope: Scope, receive: Receive, send: Send, transport: Any) -> None:
        if fault.kind == "status":
            await error_response(fault)(scope, receive, send)
        elif fault.kind == "cut":
            await _drop(transport)
        elif fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
            await self._app(scope, receive, send)
        else:
            messages = await self._run(scope, receive)
            if fault.kind == "status_after":
                await error_response(fault)(scope, receive, send)
            elif fault.kind == "cut_after":
                await _drop(transport)
            elif fault.kind == "delay_after":
                await asyncio.sleep(fault.delay_s)
                for message in messages:
                    await send(message)
            else:
                body = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")
                await send(messages[0])
                await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
                await asyncio.sleep(0.05)  # let the half reach the client before the connection goes
                await _drop(transport)

    async def _run(self, scope: Scope, receive: Receive) -> list[Message]:
        """Let the call take effect and keep its answer back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages

    def snapshot(self) -> dict[str, Any]:
        """Return the counts since the start or the last reset."""
        return {"calls": dict(self.calls), "statuses": dict(self.statuses), "faults": [asdict(f) for f in self.faults]}

    def reset(self) -> None:
        """Forget counts and faults."""
        self.calls.clear()
        self.statuses.clear()
        self.faults.clear()


async def _drop(cycle: Any) -> None:
    """Drop the connection at once; ``cycle`` is the server's request object, whose ``send`` the middleware has."""
    if not hasattr(cycle, "transport"):
        raise RuntimeError("connections can only be dropped under uvicorn")
    cycle.transport.abort()
    await asyncio.sleep(0)  # the server notices before this call returns without an answer


def _group(path: str) -> str:
    """Return the kind of call a path belongs to, so that counts stay few."""
    if path.startswith("/annotation/") and path not in {"/annotation/", "/annotation/search"}:
        return "/annotation/{id}"
    for prefix in ("/provider", "/media", "/thumbnail", "/auth"):
        if path.startswith(prefix + "/"):
            return prefix
    if path.startswith("/record/") and not path.endswith("search.json"):
        return "/record/{id}.json"
    return path


def parse_fault(data: bytes) -> Fault:
    """Return the fault that a JSON body describes.

    Raises:
        ValueError: it describes none.
    """
    given = json.loads(data)
    try:
        fault = Fault(**given)
    except TypeError as error:
        raise ValueError(str(error)) from error
    problem = fault.problem()
    if problem is not None:
        raise ValueError(problem)
    return fault
