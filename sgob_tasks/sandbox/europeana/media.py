"""Pictures at their providers (with what goes wrong there), the media proxy, and both versions of the thumbnail API.

Faults of a picture, named by the collection:

- ``missing`` (404), ``forbidden`` (403), ``flaky`` (503 twice, then good)
- ``html`` (a page that says so), ``not_image`` (text that says it is a JPEG)
- ``truncated`` (the file ends half way, and its length says so), ``cut`` (the connection drops half way)
- ``huge`` (announces and sends 512 MB), ``huge_undeclared`` (sends as much without announcing it), ``bomb`` (a small
  PNG of 900 megapixels)
- ``redirect`` (302 to the picture), ``redirect_loop``, ``redirect_private`` (302 to an address inside)
- ``slow`` (a bit every half second), ``octet_stream`` (a good picture with a meaningless type)
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter
from PIL import Image, ImageDraw
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from sgob_tasks.sandbox.europeana import pictures
from sgob_tasks.sandbox.europeana.catalogue import Catalogue
from sgob_tasks.sandbox.europeana.items import Item
from sgob_tasks.sandbox.europeana.views import mime_type

SLOW_PAUSE_S = 0.5
FLAKY_FAILURES = 2
_V2_SIZES = {"w200": 200, "w400": 400}
_V3_SIZES = {"200": 200, "400": 400}


class MediaApi:
    """Answers everything that is fetched without a key."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._by_md5: dict[str, Item] = {}
        self._by_md5_version = -1
        self._tries: Counter[str] = Counter()

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        add = router.add_api_route
        add("/provider/{dataset}/{local}", self.landing_page, methods=["GET"])
        add("/provider/{dataset}/{local}/moved{suffix}", self.moved, methods=["GET"])
        add("/provider/{dataset}/{local}/full{suffix}", self.picture, methods=["GET"])
        add("/media/{dataset}/{local}", self.proxy_redirect, methods=["GET"])
        add("/media/{dataset}/{local}/{md5}", self.proxy, methods=["GET"])
        for path in ("/thumbnail/v2/url.json", "/api/v2/thumbnail-by-url.json"):
            add(path, self.thumbnail_v2, methods=["GET"])
        add("/thumbnail/v3/{size}/{md5}", self.thumbnail_v3, methods=["GET"])
        return router

    async def landing_page(self, dataset: str, local: str) -> Response:
        """Return the provider's page about a picture."""
        item = self._catalogue.get(f"/{dataset}/{local}")
        if item is None:
            return HTMLResponse("<h1>Not found</h1>", 404)
        return HTMLResponse(f"<!doctype html><title>{dataset}/{local}</title><p>A museum's page.</p>")

    async def moved(self, dataset: str, local: str) -> Response:
        """Serve a picture at its new address, where the fault ``redirect`` leads."""
        item = self._catalogue.get(f"/{dataset}/{local}")
        return Response(status_code=404) if item is None else await self._file(item)

    async def picture(self, request: Request, dataset: str, local: str) -> Response:
        """Serve a picture as its provider does, faults included."""
        item = self._catalogue.get(f"/{dataset}/{local}")
        if item is None:
            return HTMLResponse("<h1>Not found</h1>", 404)
        if item.fault is None:
            return await self._file(item)
        return await self._faulty(item, str(request.url))

    async def _file(self, item: Item, content_type: str | None = None) -> Response:
        if item.path is None:
            return HTMLResponse("<h1>Not found</h1>", 404)
        data = await run_in_threadpool(item.path.read_bytes)
        return Response(data, media_type=content_type or mime_type(item))

    async def _faulty(self, item: Item, url: str) -> Response:  # noqa: C901 - one case for each fault
        match item.fault:
            case "missing":
                return HTMLResponse("<h1>Not found</h1>", 404)
            case "forbidden":
                return HTMLResponse("<h1>No robots</h1>", 403)
            case "html":
                return HTMLResponse("<!doctype html><title>Viewer</title><p>Please accept our cookies.</p>")
            case "not_image":
                return Response(b"This is not a picture.\n" * 50, media_type="image/jpeg")
            case "truncated":
                whole = await self._file(item)
                return Response(bytes(whole.body)[: len(whole.body) // 2], media_type=mime_type(item))
            case "cut":
                whole = await self._file(item)
                # More is announced than is sent: the server drops the connection in the middle.
                headers = {"Content-Length": str(len(whole.body))}
                return StreamingResponse(_half(bytes(whole.body)), media_type=mime_type(item), headers=headers)
            case "huge":
                headers = {"Content-Length": str(pictures.ENDLESS_BYTES)}
                return StreamingResponse(pictures.endless_jpeg(), media_type="image/jpeg", headers=headers)
            case "huge_undeclared":
                return StreamingResponse(pictures.endless_jpeg(), media_type="image/jpeg")
            case "bomb":
                return Response(await run_in_threadpool(_bomb), media_type="image/png")
            case "redirect":
                return RedirectResponse(url.replace("/full", "/moved"), 302)
            case "redirect_loop":
                return RedirectResponse(url, 302)
            case "redirect_private":
                return RedirectResponse("http://169.254.169.254/latest/meta-data/", 302)
            case "slow":
                whole = await self._file(item)
                return StreamingResponse(_drip(bytes(whole.body)), media_type=mime_type(item))
            case "octet_stream":
                return await self._file(item, "application/octet-stream")
            case "flaky":
                self._tries[item.record_id] += 1
                if self._tries[item.record_id] <= FLAKY_FAILURES:
                    return HTMLResponse("<h1>Service unavailable</h1>", 503)
                return await self._file(item)
            case unknown:
                return JSONResponse({"error": f"the stand-in knows no fault named {unknown}"}, 500)

    async def proxy_redirect(self, dataset: str, local: str) -> Response:
        """Redirect to the picture in the media proxy."""
        item = self._catalogue.get(f"/{dataset}/{local}")
        if item is None:
            return Response(status_code=404)
        return RedirectResponse(f"/media/{dataset}/{local}/{self._md5(item)}", 302)

    async def proxy(self, request: Request, dataset: str, local: str, md5: str) -> Response:
        """Stream the provider's file; an answer in HTML becomes a redirect to the provider."""
        item = self._catalogue.get(f"/{dataset}/{local}")
        if item is None or md5 != self._md5(item):
            return Response(status_code=404)
        source = self._catalogue.views.media_url(item)
        answer = await self.picture(request, dataset, local)
        if answer.headers.get("content-type", "").startswith("text/html") and answer.status_code == 200:
            return RedirectResponse(source, 302)
        answer.headers["x-europeana-web-resource"] = source
        return answer

    def _md5(self, item: Item) -> str:
        return hashlib.md5(self._catalogue.views.media_url(item).encode(), usedforsecurity=False).hexdigest()

    def _with_md5(self, md5: str) -> Item | None:
        if self._by_md5_version != self._catalogue.state.version:
            source = self._catalogue.source
            self._by_md5 = {
                self._md5(item): item for item in map(source.at, range(len(source))) if item.path is not None
            }
            self._by_md5_version = self._catalogue.state.version
        return self._by_md5.get(md5)

    async def thumbnail_v2(self, request: Request) -> Response:
        """Serve a thumbnail by the picture's URL; the icon of its type where there is none (a trap)."""
        uri = request.query_params.get("uri")
        if uri is None:
            return JSONResponse({"success": False, "error": "Required parameter 'uri' missing"}, 400)
        item = self._with_md5(hashlib.md5(uri.encode(), usedforsecurity=False).hexdigest())
        width = _V2_SIZES.get(request.query_params.get("size", "w400"), 400)
        picture = await run_in_threadpool(_thumbnail, item.path, width) if item and item.path else None
        if picture is None:
            return Response(_icon(), media_type="image/png")
        return Response(picture, media_type="image/jpeg")

    async def thumbnail_v3(self, size: str, md5: str) -> Response:
        """Serve a thumbnail by the MD5 of the picture's URL: 404 where there is none, 400 for another size."""
        if size not in _V3_SIZES:
            return JSONResponse({"success": False, "error": "Invalid thumbnail size", "status": 400}, 400)
        item = self._with_md5(md5)
        picture = await run_in_threadpool(_thumbnail, item.path, _V3_SIZES[size]) if item and item.path else None
        if picture is None:
            return JSONResponse({"success": False, "error": "Thumbnail not found", "status": 404}, 404)
        return Response(picture, media_type="image/jpeg")


async def _half(data: bytes) -> AsyncIterator[bytes]:
    yield data[: len(data) // 2]


async def _drip(data: bytes) -> AsyncIterator[bytes]:
    step = max(1, len(data) // 200)
    for start in range(0, len(data), step):
        yield data[start : start + step]
        await asyncio.sleep(SLOW_PAUSE_S)


@functools.lru_cache(maxsize=1)
def _bomb() -> bytes:
    return pictures.decompression_bomb()


@functools.lru_cache(maxsize=256)
def _thumbnail(path: Path, width: int) -> bytes | None:
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except OSError:
        return None
    if small.width > width:
        small = small.resize((width, max(1, round(small.height * width / small.width))))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


@functools.lru_cache(maxsize=1)
def _icon() -> bytes:
    """Return the picture that stands for "IMAGE, no thumbnail"."""
    image = Image.new("RGB", (200, 200), (230, 230, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((50, 60, 150, 140), outline=(120, 120, 120), width=6)
    draw.ellipse((70, 75, 90, 95), fill=(120, 120, 120))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
