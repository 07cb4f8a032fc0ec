"""The platform's pages inside Airflow's user interface: an ASGI application that is built when it is first asked.

Every process of Airflow loads the plugins, each task's too; only the API server serves pages. FastAPI and Airflow's
authorisation take two seconds to import, so that waits for the first request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class LazyApp:
    """Stands for the application of ``sgob_airflow.pages.app`` until somebody asks for a page."""

    def __init__(self) -> None:
        self._app: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Build the application if this is the first request, and hand the request on."""
        if self._app is None:
            from sgob_airflow.pages.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)
