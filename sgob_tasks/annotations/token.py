"""Access tokens for the Annotation API (OpenID Connect)."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from sgob_tasks.errors import PermanentError, TransientError

SCOPE = "openid email profile annotations"
REFRESH_AT = 0.8  # of a token's life


class AccessError(PermanentError):
    """Europeana does not let us in (401, 403): nothing more can be published until a person has mended it."""


@dataclass(frozen=True)
class Credentials:
    """What the token endpoint asks for. The grant needs a user: ``client_credentials`` alone must not write.

    Attributes:
        client_id, client_secret: of the project.
        username, password: of its service account.
    """

    client_id: str
    client_secret: str = field(repr=False)
    username: str
    password: str = field(repr=False)


class TokenSource:
    """Gives a valid access token; gets a new one when four fifths of its life have passed."""

    def __init__(
        self,
        token_url: str,
        credentials: Credentials,
        *,
        timeout_s: float = 60.0,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._credentials, self._timeout_s = token_url, credentials, timeout_s
        self._session, self._clock = session or requests.Session(), clock
        self._access = ""
        self._refresh = ""
        self._renew_at = self._refresh_until = float("-inf")

    def token(self) -> str:
        """Return an access token that is good for a while.

        Raises:
            AccessError: the endpoint refuses the credentials.
            TransientError: the endpoint cannot be reached or is busy.
        """
        if self._clock() >= self._renew_at:
            self._get_new()
        return self._access

    def discard(self) -> None:
        """Forget the token: the API called it expired or invalid."""
        self._renew_at = float("-inf")

    def user(self) -> str | None:
        """Return the subject of the token (who we are at Europeana), or None when the token does not say.

        The signature is not checked: the token is only asked who it is for, by the one who was given it.
        """
        parts = self.token().split(".")
        if len(parts) != 3:
            return None
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (binascii.Error, ValueError):
            return None
        subject = claims.get("sub") if isinstance(claims, dict) else None
        return subject if isinstance(subject, str) else None

    def _get_new(self) -> None:
        if self._refresh and self._clock() < self._refresh_until:
            try:
                self._take(self._ask({"grant_type": "refresh_token", "refresh_token": self._refresh}))
            except AccessError:
                self._refresh = ""  # ended by the server before its time: begin again with the password
            else:
                return
        given = self._credentials
        self._take(
            self._ask(
                {"grant_type": "password", "username": given.username, "password": given.password, "scope": SCOPE}
            )
        )

    def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        client = {"client_id": self._credentials.client_id, "client_secret": self._credentials.client_secret}
        try:
            answer = self._session.post(self._url, data=client | form, timeout=self._timeout_s, allow_redirects=False)
        except requests.RequestException as error:
            raise TransientError(f"token endpoint {self._url}: {type(error).__name__}") from None
        if answer.status_code in {408, 425, 429} or answer.status_code >= 500:
            raise TransientError(f"token endpoint {self._url}: HTTP {answer.status_code}")
        body = _json_object(answer)
        if answer.status_code != 200 or "access_token" not in body:
            raise AccessError(f"token endpoint {self._url}: HTTP {answer.status_code} {_reason(body)}".rstrip())
        return body

    def _take(self, body: dict[str, Any]) -> None:
        now = self._clock()
        self._access = str(body["access_token"])
        self._renew_at = now + REFRESH_AT * float(body.get("expires_in", 60))
        self._refresh = str(body.get("refresh_token", ""))
        self._refresh_until = now + REFRESH_AT * float(body.get("refresh_expires_in", 0))


def _json_object(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(body: dict[str, Any]) -> str:
    """Return the error in the endpoint's words; nothing else of the body, which may hold tokens."""
    return ": ".join(str(body[name])[:200] for name in ("error", "error_description") if name in body)
