"""Keys and tokens: who may read, who may write, and how often.

After COMMONS OAuthUtils (order of the key's places) and KC ErrorMessage (codes and texts).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sgob_tasks.sandbox.europeana.config import StandInConfig

_AUDIENCE = "annotations"


@dataclass(frozen=True)
class Caller:
    """Who writes.

    Attributes:
        user: subject of the token.
        client: client id; stands for the public id of the API key.
    """

    user: str
    client: str

    @property
    def creator(self) -> dict[str, str]:
        """The agent that the server puts on an annotation as its creator."""
        return {"id": f"http://data.europeana.eu/user/{self.user}", "type": "Person"}

    @property
    def generator(self) -> dict[str, str]:
        """The agent that the server puts on an annotation as its generator."""
        return {"id": f"https://api.europeana.eu/apikey/{self.client}", "type": "Software"}


class RefusalError(Exception):
    """The call is refused; ``response`` is the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Tokens:
    """Makes and checks JSON Web Tokens (HS256)."""

    def __init__(self, secret: bytes, expires_s: int) -> None:
        self._secret = secret
        self.expires_s = expires_s

    def _sign(self, signed: str) -> str:
        return _b64(hmac.new(self._secret, signed.encode(), hashlib.sha256).digest())

    def issue(self, kind: str, client: str, user: str | None, lifetime_s: float) -> str:
        """Return a signed token; ``user`` is None for the grant that has no user."""
        claims: dict[str, Any] = {"typ": kind, "azp": client, "aud": [_AUDIENCE], "exp": time.time() + lifetime_s}
        if user is not None:
            claims["sub"] = user
            claims["resource_access"] = {_AUDIENCE: {"roles": ["user"]}}
        head = _b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = f"{head}.{_b64(json.dumps(claims).encode())}"
        return f"{signed}.{self._sign(signed)}"

    def claims(self, token: str, kind: str) -> dict[str, Any]:
        """Return the claims of a valid token.

        Raises:
            RefusalError: 401, because the token is no token of ours, is of another kind or has expired.
        """
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            raise RefusalError(_error(401, "401_token_invalid", "Token is invalid"))
        claims: dict[str, Any] = json.loads(_unb64(signed.split(".")[1]))
        if claims["typ"] != kind:
            raise RefusalError(_error(401, "401_token_invalid", "Token is invalid"))
        if claims["exp"] <= time.time():
            raise RefusalError(_error(401, "401_token_expired", "Token has expired"))
        return claims


def _error(status: int, code: str, error: str, message: str | None = None) -> Response:
    body = {"success": False, "error": error, "message": message, "code": code}
    return JSONResponse({key: value for key, value in body.items() if value is not None}, status)


def _bearer(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def given_key(request: Request) -> str | None:
    """Return the API key of a call from wskey, X-Api-Key or ``Authorization: APIKEY``, in this order."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return (
        request.query_params.get("wskey")
        or request.headers.get("x-api-key")
        or (value.strip() if scheme.lower() == "apikey" else None)
    )


class Guard:
    """Checks keys and tokens of calls and answers the token endpoint."""

    def __init__(self, config: StandInConfig, tokens: Tokens) -> None:
        self._config = config
        self._tokens = tokens

    def reader(self, request: Request) -> str:
        """Return the key of a call that reads; a valid token does as well.

        Raises:
            RefusalError: 401 with the body that the real service sends.
        """
        key = given_key(request)
        if key is None:
            token = _bearer(request)
            if token is not None:
                self._tokens.claims(token, "Bearer")
                return self._config.api_key
            raise RefusalError(_error(401, "invalid_apikey", "Unauthorized", "Invalid API key provided!"))
        if not hmac.compare_digest(key.encode(), self._config.api_key.encode()):
            body = {
                "apikey": key,
                "success": False,
                "error": "API key is invalid",
                "message": "Please register for an API key",
                "code": "401_key_invalid",
            }
            raise RefusalError(JSONResponse(body, 401))
        return key

    def writer(self, request: Request) -> Caller:
        """Return who writes.

        Raises:
            RefusalError: 401 without a valid token; 403 for a token without a user or without the role.
        """
        token = _bearer(request)
        if token is None:
            raise RefusalError(_error(401, "401_token_missing", "Unauthorized", "A bearer token is needed to write"))
        claims = self._tokens.claims(token, "Bearer")
        if "sub" not in claims:
            message = "A token of the password or authorization_code grant is needed"
            raise RefusalError(_error(403, "403_user_missing", "User is missing from the token", message))
        return Caller(str(claims["sub"]), str(claims["azp"]))

    def token_response(self, form: dict[str, str]) -> Response:
        """Answer a call of the token endpoint (OpenID Connect, form-encoded)."""
        if form.get("client_id") != self._config.client_id or not hmac.compare_digest(
            form.get("client_secret", "").encode(), self._config.client_secret.encode()
        ):
            return _oauth_error(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        grant = form.get("grant_type")
        if grant == "client_credentials":
            return self._grant(None)
        if grant == "password":
            known = form.get("username") == self._config.username and hmac.compare_digest(
                form.get("password", "").encode(), self._config.password.encode()
            )
            if not known:
                return _oauth_error(401, "invalid_grant", "Invalid user credentials")
            return self._grant(hashlib.sha256(self._config.username.encode()).hexdigest()[:16])
        if grant == "refresh_token":
            try:
                claims = self._tokens.claims(form.get("refresh_token", ""), "Refresh")
            except RefusalError:
                return _oauth_error(400, "invalid_grant", "Invalid refresh token")
            return self._grant(claims.get("sub"))
        return _oauth_error(400, "unsupported_grant_type", "Unsupported grant_type")

    def _grant(self, user: str | None) -> Response:
        expires_s, client = self._tokens.expires_s, self._config.client_id
        body: dict[str, Any] = {
            "access_token": self._tokens.issue("Bearer", client, user, expires_s),
            "expires_in": expires_s,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "openid email profile annotations",
        }
        if user is not None:
            body["refresh_token"] = self._tokens.issue("Refresh", client, user, 6 * expires_s)
            body["refresh_expires_in"] = 6 * expires_s
            body["session_state"] = hashlib.sha256(user.encode()).hexdigest()[:32]
        return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _oauth_error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
