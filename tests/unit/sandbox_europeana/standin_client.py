"""A bare HTTP caller for the tests of the stand-in: no product code, so that both cannot be wrong alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from sgob_tasks.sandbox.europeana.config import StandInConfig

TOKEN = "/auth/realms/europeana/protocol/openid-connect/token"


@dataclass
class Api:
    base_url: str
    config: StandInConfig
    session: requests.Session

    def get(self, path: str, *, key: bool = True, **arguments: Any) -> requests.Response:
        headers = {"X-Api-Key": self.config.api_key} if key else {}
        headers |= arguments.pop("headers", {})
        return self.session.get(self.base_url + path, headers=headers, timeout=10, **arguments)

    def search(self, **parameters: Any) -> requests.Response:
        return self.get("/record/v2/search.json", params=parameters)

    def token(self, **form: str) -> requests.Response:
        given = {
            "client_id": self.config.client_id,
            "client_secret": self.config.client_secret,
            "grant_type": "password",
            "username": self.config.username,
            "password": self.config.password,
        }
        return self.session.post(self.base_url + TOKEN, data=given | form, timeout=10)

    def write(self, method: str, path: str, body: object = None, **arguments: Any) -> requests.Response:
        token = arguments.pop("token", None) or self.token().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"} | arguments.pop("headers", {})
        return self.session.request(method, self.base_url + path, json=body, headers=headers, timeout=10, **arguments)

    def create(self, body: object, **arguments: Any) -> requests.Response:
        return self.write("POST", "/annotation/", body, **arguments)

    def fault(self, **order: Any) -> None:
        answer = self.session.post(f"{self.base_url}/_control/faults", json=order, timeout=10)
        assert answer.status_code == 201, answer.text

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.session.get(f"{self.base_url}/_control/stats", timeout=10).json()
        return stats
