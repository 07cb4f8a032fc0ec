"""Client of Europeana's Annotation API.

Every failure becomes one of the platform's errors, with the one question in mind that matters to a publisher: may the
annotation have been stored? What was refused was not; what was cut off may have been.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from sgob_tasks.annotations.token import AccessError, Credentials, TokenSource
from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import AmbiguousError, PermanentError, TransientError

__all__ = ["AccessError", "AnnotationClient", "DuplicateError", "NotFoundError", "RefusedError", "StoredAnnotation"]

LD_JSON = "application/ld+json"
USER_URI = "http://data.europeana.eu/user/"
ANNOTATION_URI = "http://data.europeana.eu/annotation/"
PAGE_SIZE = 100
_DUPLICATES = re.compile(r"duplicate annotations with the ids:\s*([\d\s,]+)", re.IGNORECASE)
_TRANSIENT = {408, 423, 425, 429, 503}
_UNKNOWN_EFFECT = {500, 502, 504}  # the server stores before it indexes: a failure in between looks like these


class RefusedError(PermanentError):
    """The API refuses this annotation; others may pass.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class DuplicateError(RefusedError):
    """The API already has this annotation.

    Attributes:
        ids: numbers of the annotations that are there.
    """

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__(f"already there: annotation {', '.join(ids)}", 400)
        self.ids = ids


class NotFoundError(RefusedError):
    """There is no such annotation (404) or it was deleted (410)."""


@dataclass(frozen=True)
class StoredAnnotation:
    """An annotation as the API has it.

    Attributes:
        uri: its id.
        etag: its entity tag, quotes included; empty where none was sent.
        document: its JSON-LD.
    """

    uri: str
    etag: str
    document: Mapping[str, Any]

    @property
    def number(self) -> str:
        """The last part of the id, by which the API is asked for it."""
        return annotation_number(self.uri)


def annotation_number(uri: str) -> str:
    """Return the number of an annotation from its URI; old ones have the provider before it."""
    return uri.rstrip("/").rsplit("/", 1)[-1]


def annotation_uri(number: str) -> str:
    """Return the URI of an annotation from its number."""
    return ANNOTATION_URI + number


class AnnotationClient:
    """Creates, reads, searches and deletes annotations. One call at a time, ``min_interval_s`` apart."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        tokens: TokenSource,
        *,
        timeout_s: float = 60.0,
        min_interval_s: float = 0.5,
        user_agent: str = "SaintGeorgeOnABike",
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = api_url.rstrip("/")
        self._api_key = api_key
        self._tokens = tokens
        self._timeout_s, self._min_interval_s, self._user_agent = timeout_s, min_interval_s, user_agent
        self._session = session or requests.Session()
        self._sleep, self._clock = sleep, clock
        self._last_call = float("-inf")

    @classmethod
    def from_settings(cls, settings: EuropeanaSettings) -> AnnotationClient:
        """Return a client for the service that the settings name."""
        credentials = Credentials(
            settings.client_id,
            settings.client_secret.get_secret_value(),
            settings.username,
            settings.password.get_secret_value(),
        )
        return cls(
            settings.api_url,
            settings.api_key.get_secret_value(),
            TokenSource(settings.token_url, credentials, timeout_s=settings.timeout_s),
            timeout_s=settings.timeout_s,
            min_interval_s=settings.min_interval_s,
            user_agent=settings.user_agent,
        )

    def own_creator(self) -> str | None:
        """Return the URI that the server writes as creator of what we make; None where the token does not say.

        Raises:
            AccessError, TransientError: no token could be had.
        """
        user = self._tokens.user()
        return None if user is None else USER_URI + user

    def create(self, document: Mapping[str, Any]) -> StoredAnnotation:
        """Store a new annotation.

        Returns:
            What the server kept: compare it with what was sent.

        Raises:
            DuplicateError: the server has it already.
            RefusedError: the server does not take it.
            AccessError: we may not write.
            TransientError: it was not stored; later it may be.
            AmbiguousError: it may have been stored.
        """
        answer = self._call("POST", "/annotation/", write=True, json=document)
        return self._stored(answer, AmbiguousError)

    def get(self, uri: str) -> StoredAnnotation:
        """Return an annotation by its URI or number.

        Raises:
            NotFoundError: there is none, or it was deleted.
            AccessError, TransientError: as for ``create``.
        """
        return self._stored(self._call("GET", f"/annotation/{annotation_number(uri)}"), TransientError)

    def search(self, record_id: str) -> list[Mapping[str, Any]]:
        """Return all annotations of a record that the index knows, whoever made them.

        Raises:
            AccessError, TransientError, RefusedError: as for ``create``.
        """
        found: list[Mapping[str, Any]] = []
        page = 0
        while True:
            parameters = {
                "query": f'target_record_id:"{record_id}"',
                "pageSize": str(PAGE_SIZE),
                "page": str(page),
                "profile": "standard",
            }
            body = _json(self._call("GET", "/annotation/search", params=parameters), TransientError)
            items = body.get("items") or []
            found += [item for item in items if isinstance(item, Mapping)]
            # The documentation says partOf, the code isPartOf.
            whole = body.get("partOf") or body.get("isPartOf") or {}
            total = whole.get("total") if isinstance(whole, Mapping) else None
            if not items or (len(found) >= int(total) if total is not None else len(items) < PAGE_SIZE):
                return found
            page += 1

    def delete(self, uri: str) -> None:
        """Delete an annotation of ours.

        Raises:
            NotFoundError: there is none, or it was deleted before.
            AccessError, TransientError, AmbiguousError: as for ``create``.
        """
        self._call("DELETE", f"/annotation/{annotation_number(uri)}", write=True)

    def _stored(self, answer: requests.Response, unreadable: type[AmbiguousError | TransientError]) -> StoredAnnotation:
        body = _json(answer, unreadable)
        if not isinstance(body.get("id"), str):
            raise unreadable(f"{_named(answer)}: the answer has no id")
        return StoredAnnotation(body["id"], answer.headers.get("ETag", ""), body)

    def _call(self, method: str, path: str, *, write: bool = False, **arguments: Any) -> requests.Response:
        answer = self._send(method, path, write=write, **arguments)
        if answer.status_code == 401 and write:
            self._tokens.discard()  # expired or revoked: once more with a new one
            answer = self._send(method, path, write=write, **arguments)
        if 200 <= answer.status_code < 300:
            return answer
        raise _error(answer, write=write)

    def _send(self, method: str, path: str, *, write: bool, **arguments: Any) -> requests.Response:
        headers = {"User-Agent": self._user_agent, "Accept": LD_JSON}
        if write:
            headers["Authorization"] = f"Bearer {self._tokens.token()}"
            headers["Content-Type"] = LD_JSON
        else:
            headers["X-Api-Key"] = self._api_key
        self._pause()
        name = f"{method} {path}"
        try:
            return self._session.request(
                method,
                self._base + path,
                headers=headers,
                timeout=(min(10.0, self._timeout_s), self._timeout_s),
                allow_redirects=False,
                **arguments,
            )
        except requests.RequestException as error:
            if write and not _never_sent(error):
                raise AmbiguousError(f"{name}: {type(error).__name__} after the call was sent") from error
            raise TransientError(f"{name}: {type(error).__name__}") from error

    def _pause(self) -> None:
        wait_s = self._last_call + self._min_interval_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
        self._last_call = self._clock()


def _never_sent(error: requests.RequestException) -> bool:
    """Say whether a failure came before the call left: no connection, no effect."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)


def _named(answer: requests.Response) -> str:
    method = answer.request.method
    return f"{method} {answer.request.path_url.split('?')[0]}: HTTP {answer.status_code}"


def _json(answer: requests.Response, unreadable: type[AmbiguousError | TransientError]) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise unreadable(f"{_named(answer)}: the answer is no JSON") from error
    if not isinstance(body, dict) or body.get("success") is False:
        raise unreadable(f"{_named(answer)}: {_text(answer)}")
    return body


def _text(answer: requests.Response) -> str:
    """Return the error in the API's words, without a body that is no JSON (pages of a gateway)."""
    try:
        body = answer.json()
    except ValueError:
        return "the answer is no JSON"
    if not isinstance(body, dict):
        return "the answer is no object"
    return (
        ": ".join(str(body[name])[:300] for name in ("code", "error", "message") if body.get(name)) or "no reason given"
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait from ``RateLimit: "project";r=0;t=12`` or, from a proxy, ``Retry-After: 12``."""
    match = re.search(r"(?:^|[;,\s])t=(\d+)", headers.get("RateLimit", "")) or re.fullmatch(
        r"\s*(\d+)\s*", headers.get("Retry-After", "")
    )
    return float(match[1]) if match else None


def _error(answer: requests.Response, *, write: bool) -> Exception:
    status, text = answer.status_code, f"{_named(answer)}: {_text(answer)}"
    if status in {401, 403}:
        return AccessError(text)
    if status in _TRANSIENT:
        return TransientError(text, retry_after_s(answer.headers))
    if status in _UNKNOWN_EFFECT or status > 504:
        return AmbiguousError(text) if write else TransientError(text, retry_after_s(answer.headers))
    if status in {404, 410}:
        return NotFoundError(text, status)
    duplicates = _DUPLICATES.search(text) if status == 400 else None
    if duplicates is not None:
        return DuplicateError(tuple(re.findall(r"\d+", duplicates[1])))
    return RefusedError(text, status)
