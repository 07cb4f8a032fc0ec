"""A polite client of Europeana's Search and Record APIs: one request at a time, never faster than agreed.

The key goes into the ``X-Api-Key`` header and nowhere else; what comes back is scrubbed of it before anybody sees it.

API pages: Search API https://europeana.atlassian.net/wiki/spaces/EF/pages/2385739812, access and limits
https://europeana.atlassian.net/wiki/spaces/EF/pages/2462351393.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import requests

from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.harvest.clean import scrub, scrub_text
from sgob_tasks.harvest.query import check_query
from sgob_tasks.harvest.windows import Window

log = logging.getLogger(__name__)

ROWS = 100
"""Items of a page; Europeana cuts anything larger to this without a word."""

ATTEMPTS = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
MAX_BODY_BYTES = 64 * 2**20
START = "*"

_BUSY = frozenset({408, 423, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class KeyRefusedError(PermanentError):
    """Europeana does not accept our key: nothing will work until a person has looked."""


class BadCursorError(PermanentError):
    """Europeana does not accept the cursor (400-SC): the walk has to begin again."""


@dataclass(frozen=True)
class Page:
    """One page of a cursor walk.

    Attributes:
        items: the items, scrubbed, at most ``ROWS``.
        next_cursor: where the next page is; None at the end of the walk.
        total: number of records in the whole window, as announced with this page.
    """

    items: tuple[Any, ...]
    next_cursor: str | None
    total: int


@dataclass(frozen=True)
class Gone:
    """The Record API does not know the record any more.

    Attributes:
        id: the id that was asked for.
        status: 404, or 410 where Europeana says that it was there once.
    """

    id: str
    status: int


class _NotFound(Exception):  # noqa: N818 - an outcome on its way to ``record``, not an error
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def rate_limit_wait(headers: Mapping[str, str], now: datetime) -> float:
    """Return how many seconds to wait after a 429.

    Europeana sends no ``Retry-After`` but ``RateLimit: "personal";r=0;t=1234`` (IETF draft 10). A gateway may swallow
    it: the limits are windows on the clock, so the wait is then until the next full hour.

    Args:
        headers: of the answer.
        now: the present.
    """
    found = re.search(r"\bt=(\d{1,6})\b", headers.get("RateLimit", ""))
    if found:
        return float(found[1]) + 1.0
    if headers.get("Retry-After", "").strip().isdigit():
        return float(headers["Retry-After"]) + 1.0
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return (hour - now).total_seconds() + 1.0


class EuropeanaClient:
    """Asks Europeana, one request at a time; not for use by several threads."""

    def __init__(
        self,
        settings: EuropeanaSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        longest_wait_s: float = 3700.0,
    ) -> None:
        """Make a client.

        Args:
            settings: address, key, query and manners.
            sleep: how to wait; tests replace it.
            clock: seconds, monotonic.
            longest_wait_s: a rate limit that lasts longer ends the call with ``TransientError``.

        Raises:
            InputError: the query or a filter has a value that Europeana would silently ignore.
            KeyRefusedError: there is no key.
        """
        check_query(settings)
        key = settings.api_key.get_secret_value()
        if not key:
            raise KeyRefusedError("no Europeana API key is set (europeana.api_key)")
        self._key = key
        self._settings = settings
        self._sleep, self._clock = sleep, clock
        self._longest_wait_s = longest_wait_s
        self._not_before = clock()
        self._session = requests.Session()
        self._session.headers.update(
            {"X-Api-Key": key, "User-Agent": settings.user_agent, "Accept": "application/json"}
        )
        self.requests = 0

    def __enter__(self) -> EuropeanaClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def count(self, window: Window) -> int:
        """Return how many records the window holds at this moment."""
        return _total(self._search(window, rows=0))

    def search_page(self, window: Window, cursor: str = START) -> Page:
        """Return one page of the window, in the order of the ids.

        Args:
            window: span of update time.
            cursor: ``*`` for the first page, then ``next_cursor`` of the page before.

        Raises:
            BadCursorError: the cursor is not accepted (any more).
            KeyRefusedError: the key is not accepted; stop the run.
            PermanentError: the request is wrong; the message has Europeana's code.
            TransientError: it did not work out within ``ATTEMPTS`` attempts.
        """
        answer = self._search(window, rows=ROWS, cursor=cursor)
        following = answer.get("nextCursor")
        # The server leaves nextCursor out when it equals the one sent; a last full page may lead to an empty one.
        more = isinstance(following, str) and following and following != cursor and answer["items"]
        return Page(tuple(answer["items"]), following if more else None, _total(answer))

    def record(self, record_id: str) -> dict[str, Any] | Gone:
        """Return the ``object`` of a record; its ``about`` differs from the id asked for after a merge.

        Args:
            record_id: ``/dataset/local``.

        Raises:
            KeyRefusedError: the key is not accepted; stop the run.
            PermanentError: the request is wrong.
            TransientError: it did not work out within ``ATTEMPTS`` attempts.
        """
        path = "/record/v2" + quote(record_id, safe="/") + ".json"
        try:
            answer = self._get(path, {}, _check_record)
        except _NotFound as outcome:
            return Gone(record_id, outcome.status)
        found: dict[str, Any] = answer["object"]
        return found

    def _search(self, window: Window, rows: int, cursor: str | None = None) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "query": self._settings.query,
            "qf": [*self._settings.filters, window.filter],
            "reusability": self._settings.reusability or None,
            "media": "true",
            "thumbnail": "true",
            "profile": "rich" if rows else "minimal",
            "rows": rows,
        }
        if cursor is not None:
            parameters |= {"cursor": cursor, "sort": "europeana_id asc"}
        try:
            return self._get("/record/v2/search.json", parameters, lambda answer: _check_search(answer, rows))
        except _NotFound as outcome:
            raise PermanentError(f"there is no Search API at {self._settings.api_url}") from outcome

    def _get(self, path: str, parameters: Mapping[str, Any], check: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Ask until there is a sound answer, a final refusal, or no patience left."""
        failures = waits = 0
        while True:
            try:
                answer = self._once(path, parameters)
                check(answer)
            except TransientError as error:
                if error.retry_after_s is not None:  # the rate limit: not a failure of this request
                    waits += 1
                    pause = error.retry_after_s
                    if waits > 2 or pause > self._longest_wait_s:
                        raise
                else:
                    failures += 1
                    if failures >= ATTEMPTS:
                        raise TransientError(f"{path}: gave up after {failures} attempts: {error}") from error
                    pause = min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S)
                    pause *= random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, guards nothing
                log.warning("%s: %s; next attempt in %.0f s", path, error, pause)
                self._sleep(pause)
            else:
                return answer

    def _once(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one request and return the scrubbed body of a 200."""
        early = self._not_before - self._clock()
        if early > 0:
            self._sleep(early)
        self.requests += 1
        try:
            # Redirects are not followed: requests would carry X-Api-Key to wherever they point.
            with self._session.get(
                self._settings.api_url.rstrip("/") + path,
                params=parameters,
                timeout=self._settings.timeout_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._read(response)
        except requests.RequestException as error:
            # The library's text holds the whole address; its class says what happened.
            raise TransientError(f"no answer ({type(error).__name__})") from error
        finally:
            self._not_before = self._clock() + self._settings.min_interval_s
        answer = _json(body)
        if response.status_code == 200 and isinstance(answer, dict):
            clean: dict[str, Any] = scrub(answer, self._key)
            if clean.get("success") is False:
                raise TransientError(f"status 200, but not successful: {self._told(clean)}")
            self._heed(response.headers)
            return clean
        raise self._refused(response, answer)

    def _read(self, response: requests.Response) -> bytes:
        """Return the whole body, within the time and size that any sound answer keeps to."""
        deadline = self._clock() + self._settings.timeout_s
        parts, size = [], 0
        for part in response.iter_content(2**16):
            parts.append(part)
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise PermanentError(f"answer larger than {MAX_BODY_BYTES} bytes")
            if self._clock() > deadline:
                raise TransientError(f"answer not complete after {self._settings.timeout_s:.0f} s")
        return b"".join(parts)

    def _heed(self, headers: Mapping[str, str]) -> None:
        """When this was the last request of the rate-limit window, let the next one wait for the new window."""
        found = re.search(r"\br=(\d+)\b.*\bt=(\d{1,6})\b", headers.get("RateLimit", ""))
        if found and found[1] == "0" and float(found[2]) <= self._longest_wait_s:
            self._not_before = max(self._not_before, self._clock() + float(found[2]))

    def _refused(self, response: requests.Response, answer: Any) -> Exception:
        """Turn an answer that is no answer into the error that says what to do."""
        status = response.status_code
        told = self._told(answer)
        if status == 200:
            return TransientError("status 200, but the body is not a JSON object")
        if status in (401, 403):
            return KeyRefusedError(f"Europeana refuses our key ({status} {told})")
        if status in (404, 410):
            return _NotFound(status)
        if status == 429:
            wait = rate_limit_wait(response.headers, datetime.now(timezone.utc))
            return TransientError(f"rate limit reached ({told})", retry_after_s=wait)
        if status in _BUSY or status > 500:
            return TransientError(f"server busy ({status} {told})")
        if status == 400 and isinstance(answer, dict) and answer.get("code") == "400-SC":
            return BadCursorError(f"cursor not accepted ({told})")
        if 300 <= status < 400:
            return PermanentError(f"{self._settings.api_url} answers with a redirect ({status}): set europeana.api_url")
        return PermanentError(f"Europeana refuses the request ({status} {told})")

    def _told(self, answer: Any) -> str:
        """Return code and text of an error body, without the key."""
        if not isinstance(answer, dict):
            return "no JSON"
        words = [answer.get(name) for name in ("code", "error", "message")]
        text = ": ".join(dict.fromkeys(word.strip() for word in words if isinstance(word, str) and word.strip()))
        return scrub_text(text, self._key)[:300] or "no explanation"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _total(answer: dict[str, Any]) -> int:
    return int(answer["totalResults"])


def _check_search(answer: dict[str, Any], rows: int) -> None:
    """Check what a search answer promises about itself; a cut or mixed-up answer is asked for again."""
    answer.setdefault("items", [])
    items, total, announced = answer["items"], answer.get("totalResults"), answer.get("itemsCount")
    if not isinstance(items, list) or not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise TransientError("search answer without items or totalResults")
    if announced is not None and announced != len(items):
        raise TransientError(f"search answer announces {announced} items and holds {len(items)}")
    if len(items) > rows:
        raise TransientError(f"search answer holds {len(items)} items where {rows} were asked for")


def _check_record(answer: dict[str, Any]) -> None:
    if not isinstance(answer.get("object"), dict):
        raise TransientError("record answer without an object")
