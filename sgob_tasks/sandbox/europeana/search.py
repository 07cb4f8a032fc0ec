"""The Search API: ``/record/v2/search.json`` and its aliases.

Quirks on purpose: rows above 100 are cut without a word, an unknown reusability is ignored, the key is echoed, a cursor
that lost its ``+`` is refused.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sgob_tasks.sandbox.europeana.auth import Guard
from sgob_tasks.sandbox.europeana.catalogue import Catalogue, CursorError, Sort, encode_cursor, parse_sort
from sgob_tasks.sandbox.europeana.query import QueryError
from sgob_tasks.sandbox.europeana.rights import REUSABILITIES

MAX_ROWS = 100
DEFAULT_ROWS = 12
MAX_RESULTS = 1000
THEMES = frozenset(
    {
        "archaeology",
        "art",
        "fashion",
        "industrial",
        "manuscript",
        "map",
        "migration",
        "music",
        "nature",
        "newspaper",
        "photography",
        "sport",
        "ww1",
    }
)
DEFAULT_FACETS = (
    "TYPE",
    "LANGUAGE",
    "YEAR",
    "PROVIDER",
    "DATA_PROVIDER",
    "COUNTRY",
    "RIGHTS",
    "REUSABILITY",
    "MIME_TYPE",
)
_PROFILES = {"minimal", "standard", "rich"}


class BadRequestError(Exception):
    """The call is wrong; carries the API's code and text."""

    def __init__(self, error: str, code: str | None = None, message: str | None = None) -> None:
        super().__init__(error)
        self.body = {"success": False, "error": error, "message": message, "code": code}

    def response(self, key: str) -> Response:
        """Return the answer, with the key echoed."""
        body = {name: value for name, value in self.body.items() if value is not None}
        return JSONResponse({"apikey": key, **body}, 400)


class Parameters:
    """Parameters of a search, from the query string or a JSON body; names may repeat."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    @classmethod
    async def read(cls, request: Request) -> Parameters:
        """Read them from the query string and, for POST, the body (which wins).

        Raises:
            BadRequestError: the body is no JSON object.
        """
        values: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            values.setdefault(name, []).append(value)
        if request.method == "POST":
            try:
                body = json.loads(await request.body() or b"{}")
            except ValueError as error:
                raise BadRequestError("Cannot parse the request body") from error
            if not isinstance(body, dict):
                raise BadRequestError("Cannot parse the request body")
            for name, value in body.items():
                values[name] = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        return cls(values)

    def all(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return self._values.get(name, [])

    def one(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of a parameter."""
        return self._values.get(name, [default])[0]

    def integer(self, name: str, default: int) -> int:
        """Return a parameter as a whole number.

        Raises:
            BadRequestError: it is none.
        """
        text = self.one(name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError as error:
            raise BadRequestError(f"Parameter {name} must be a number", message=f"{name}={text}") from error


class SearchApi:
    """Answers searches."""

    def __init__(self, catalogue: Catalogue, guard: Guard) -> None:
        self._catalogue, self._guard = catalogue, guard

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter()
        for path in ("/record/v2/search.json", "/record/search.json", "/api/v2/search.json"):
            router.add_api_route(path, self.search, methods=["GET", "POST"])
        return router

    async def search(self, request: Request) -> Response:
        """Answer one search."""
        key = self._guard.reader(request)
        try:
            return JSONResponse(self._answer(await Parameters.read(request), key))
        except BadRequestError as error:
            return error.response(key)
        except QueryError as error:
            return BadRequestError("Invalid query parameter.", "400-SA", str(error)).response(key)

    def _answer(self, given: Parameters, key: str) -> dict[str, Any]:
        query = given.one("query")
        if query is None:
            raise BadRequestError("Required parameter 'query' missing")
        if not query.strip():
            raise BadRequestError("Empty query parameter", "400-SE", "Please provide a non-empty query")
        filters = [text for text in given.all("qf") if text.strip()] + _media_filters(given)
        rows, start, cursor = _paging(given)
        _check_theme(given)
        sort = parse_sort(",".join(given.all("sort")))
        if cursor is not None and not any(s.field == "europeana_id" for s in sort):
            sort.append(Sort("europeana_id", descending=False))
        matches = self._catalogue.matches(query, filters, _reusability(given), sort)
        if cursor is None:
            page, end = matches[start - 1 : start - 1 + rows], 0
        else:
            by_id = not sort or sort == [Sort("europeana_id", descending=False)]
            try:
                page, end = self._catalogue.page_after(matches, cursor, rows, by_id=by_id)
            except CursorError as error:
                raise BadRequestError(
                    "Invalid cursor value. Please make sure you encode the cursor value", "400-SC"
                ) from error
        words = {w for text in given.all("profile") for w in text.replace(",", " ").lower().split()}
        profile = words & _PROFILES or {"standard"}
        items = [self._catalogue.source.at(place) for place in page]
        answer: dict[str, Any] = {
            "apikey": key,
            "success": True,
            "requestNumber": 999,
            "itemsCount": len(items),
            "totalResults": len(matches),
        }
        if cursor is not None and items:
            # Solr's rule: the mark only stays the same on an empty page, so the last page carries one as well.
            answer["nextCursor"] = encode_cursor(end, items[-1].record_id)
        views = self._catalogue.views
        answer["items"] = [views.search_item(item, self._catalogue.updated(item), profile, key) for item in items]
        if "facets" in words:
            answer["facets"] = self._facets(given, matches)
        if "params" in words:
            answer["params"] = {"query": query, "rows": rows, "start": start, "profile": " ".join(sorted(words))}
        return answer

    def _facets(self, given: Parameters, matches: Any) -> list[dict[str, Any]]:
        names = [name for text in given.all("facet") for name in text.split(",") if name.strip()]
        facets = []
        for name in names or DEFAULT_FACETS:
            named = name in names  # a limit counts only where its facet is asked for by name
            limit = given.integer(f"f.{name}.facet.limit", 50) if named else 50
            offset = given.integer(f"f.{name}.facet.offset", 0) if named else 0
            facets.append(self._catalogue.facet(matches, name, limit, offset))
        return [facet for facet in facets if facet["fields"]]


def _paging(given: Parameters) -> tuple[int, int, str | None]:
    rows = min(given.integer("rows", DEFAULT_ROWS), MAX_ROWS)
    start, cursor = given.integer("start", 1), given.one("cursor")
    if rows < 0 or start < 1:
        raise BadRequestError("Parameters rows and start must not be negative", "400-SR")
    if cursor is not None and start > 1:
        raise BadRequestError("Parameters 'start' and 'cursor' cannot be used together", "400-SD")
    if cursor is None and start + rows > MAX_RESULTS:
        message = f"It is not possible to paginate beyond the first {MAX_RESULTS} search results. Use a cursor"
        raise BadRequestError("Pagination limit reached", "400-SL", message)
    return rows, start, cursor


def _media_filters(given: Parameters) -> list[str]:
    asked = ((name, given.one(name)) for name in ("media", "thumbnail"))
    return [f"{name.upper()}:{value}" for name, value in asked if value in {"true", "false"}]


def _reusability(given: Parameters) -> frozenset[str]:
    """Return the known classes asked for; none of them known means no filter at all, without an error."""
    asked = {word.strip() for text in given.all("reusability") for word in text.split(",")}
    return frozenset(asked & set(REUSABILITIES))


def _check_theme(given: Parameters) -> None:
    themes = given.all("theme")
    if len(themes) > 1:
        raise BadRequestError("More than one theme given", "400-SU")
    if themes and themes[0] not in THEMES:
        raise BadRequestError(f"Theme {themes[0]} is not known", "400-ST")
