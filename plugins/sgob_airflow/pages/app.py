"""The pages: runs and their pictures, the cluster, and the store's counts; all behind Airflow's authorisation."""

from __future__ import annotations

import re
from urllib.parse import quote

import sqlalchemy as sa
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse

from sgob_airflow.pages.cluster import cluster_page, job_log
from sgob_airflow.pages.parts import NOTHING, Configured, Store, headers
from sgob_tasks.errors import PermanentError, SgobError, TransientError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.report.pictures import shrink
from sgob_tasks.report.render import Links, content_security_policy, render_run
from sgob_tasks.store.run_view import picture_size, run_view
from sgob_tasks.store.summary import status

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PICTURE_AGE_S = 30 * 86_400


def _page(engine: sa.Engine, run_id: str | None, root: str) -> HTMLResponse:
    """Render a run's page; ``root`` leads from the page's address to the application's."""
    view = run_view(engine, run_id)
    links = Links(
        picture=lambda sha256: f"{root}pictures/{sha256}",
        run=lambda other: f"{root}runs/{quote(other, safe='')}",
    )
    missing = run_id is not None and view.run is None
    html = render_run(view, links, wanted=run_id)
    return HTMLResponse(html, status_code=404 if missing else 200, headers=headers(content_security_policy()))


def last_run(engine: Store) -> HTMLResponse:
    """Show the newest enrichment."""
    return _page(engine, None, "")


def one_run(engine: Store, run_id: str) -> HTMLResponse:
    """Show the run with this id."""
    return _page(engine, run_id, "../")


def picture(engine: Store, configured: Configured, sha256: str) -> FileResponse:
    """Send the small copy of a picture that the store knows; made when it is first asked for."""
    if not _SHA256.fullmatch(sha256) or (size := picture_size(engine, sha256)) is None:
        raise HTTPException(404, "There is no such picture.")
    copy = configured.home / "thumbnails" / sha256[:2] / f"{sha256}.jpg"
    if not copy.exists():
        try:
            shrink(media_path(configured.media_dir, sha256), copy, size=size)
        except PermanentError as error:
            raise HTTPException(404, "The picture's file cannot be shown.") from error
    # The address is the hash of the content: what a browser has stays right.
    cache = f"private, max-age={_PICTURE_AGE_S}, immutable"
    sent = headers(NOTHING) | {"Cache-Control": cache}
    return FileResponse(copy, media_type="image/jpeg", headers=sent)


def counts(engine: Store) -> JSONResponse:
    """Return what the store holds, in numbers: what ``sgob status --json`` prints."""
    return JSONResponse(status(engine).as_dict(), headers={"Cache-Control": "private, no-cache"})


async def _failed(_: Request, error: Exception) -> PlainTextResponse:
    if isinstance(error, sa.exc.OperationalError | TransientError):
        return PlainTextResponse("The store cannot be reached at the moment. Try again soon.", status_code=503)
    return PlainTextResponse(f"This page cannot be shown: {error}", status_code=500)


def create_app() -> FastAPI:
    """Build the application.

    The authorisation is a dependency of the whole application: plugin applications are anonymous otherwise. FastAPI's
    own pages (documentation, schema) would not be covered by it and are switched off.
    """
    app = FastAPI(
        title="Saint George on a Bike",
        dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.add_api_route("/", last_run, response_class=HTMLResponse)
    app.add_api_route("/runs/{run_id}", one_run, response_class=HTMLResponse)
    app.add_api_route("/pictures/{sha256}", picture, response_class=FileResponse)
    app.add_api_route("/status", counts, response_class=JSONResponse)
    app.add_api_route("/cluster", cluster_page, response_class=HTMLResponse)
    app.add_api_route("/cluster/jobs/{key}/log", job_log, response_class=PlainTextResponse)
    app.add_exception_handler(sa.exc.OperationalError, _failed)
    app.add_exception_handler(SgobError, _failed)
    return app
