"""Puts the stand-in together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from sgob_tasks.sandbox.europeana.annotation_api import AnnotationApi, refused_response
from sgob_tasks.sandbox.europeana.annotation_refusal import RefusedError
from sgob_tasks.sandbox.europeana.annotation_store import AnnotationStore
from sgob_tasks.sandbox.europeana.auth import Guard, RefusalError, Tokens
from sgob_tasks.sandbox.europeana.catalogue import Catalogue
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.control import ControlApi
from sgob_tasks.sandbox.europeana.faults import FaultMiddleware, RateLimiter
from sgob_tasks.sandbox.europeana.items import Source, SyntheticSource
from sgob_tasks.sandbox.europeana.media import MediaApi
from sgob_tasks.sandbox.europeana.record import RecordApi
from sgob_tasks.sandbox.europeana.search import SearchApi
from sgob_tasks.sandbox.europeana.state import State
from sgob_tasks.sandbox.europeana.views import Views

TOKEN_PATH = "/auth/realms/europeana/protocol/openid-connect/token"  # noqa: S105 - a path


def make_source(config: StandInConfig) -> Source:
    """Return the records that the configuration asks for.

    Raises:
        ValueError: neither or both of a collection and a number of synthetic records are given.
    """
    if (config.collection is None) == (config.synthetic is None):
        raise ValueError("give either a collection folder or a number of synthetic records")
    if config.collection is not None:
        from sgob_tasks.sandbox.europeana.folder import read_folder

        return read_folder(config.collection)
    return SyntheticSource(config.synthetic or 0)


def create_app(config: StandInConfig, source: Source | None = None) -> FaultMiddleware:
    """Return the ASGI application.

    Args:
        config: how it is run.
        source: the records; by default what ``config`` names.
    """
    state = State(config.state)
    catalogue = Catalogue(source if source is not None else make_source(config), state, Views(config.base_url))
    guard = Guard(config, Tokens(state.token_secret, config.token_expires_s))
    annotations = AnnotationStore(state, config.index_delay_s)
    control = ControlApi(catalogue, annotations)

    app = FastAPI(title="Stand-in for Europeana", openapi_url=None)
    app.include_router(control.router())
    app.include_router(SearchApi(catalogue, guard).router())
    app.include_router(RecordApi(catalogue, guard).router())
    app.include_router(MediaApi(catalogue).router())
    app.include_router(AnnotationApi(annotations, guard, config.base_url).router())
    app.add_api_route(TOKEN_PATH, _token_endpoint(guard), methods=["POST"], response_model=None)
    app.add_exception_handler(RefusalError, _refusal)
    app.add_exception_handler(RefusedError, _refused)

    middleware = FaultMiddleware(app, RateLimiter(config.rate_limit, config.rate_window_s))
    control.middleware = middleware
    return middleware


def _token_endpoint(guard: Guard) -> Callable[[Request], Awaitable[Response]]:
    async def token(request: Request) -> Response:
        return guard.token_response(dict(parse_qsl((await request.body()).decode())))

    return token


async def _refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusalError):
        raise error
    return error.response


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    return refused_response(request, error)
