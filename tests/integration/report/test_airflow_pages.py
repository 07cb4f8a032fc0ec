"""The pages as Airflow serves them: its own API server, its own tokens, the plugin loaded from the plugins folder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from PIL import Image

from sgob_tasks.store.embedded import EmbeddedPostgres
from tests.integration.report.seed import BROKEN, EVIL_TITLE, RUN, SAINT, seed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
DATABASE = "airflow_pages"


class Airflow:
    """A running API server with three accounts, and the platform's store behind it."""

    def __init__(self, url: str, passwords: dict[str, str], hashes: dict[str, str]) -> None:
        self.url = url
        self.hashes = hashes
        self.tokens = {name: self._token(name, password) for name, password in passwords.items()}

    def _token(self, name: str, password: str) -> str:
        answer = requests.post(f"{self.url}/auth/token", json={"username": name, "password": password}, timeout=30)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["access_token"])

    def get(self, path: str, user: str | None = "crowd", **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        return requests.get(f"{self.url}{path}", headers=headers, timeout=30, **options)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/api/v2/version", timeout=5).ok:
                return
        time.sleep(0.5)
    raise AssertionError(f"Airflow does not answer: {log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def airflow(postgres: EmbeddedPostgres) -> Iterator[Airflow]:
    with tempfile.TemporaryDirectory(prefix="sgob-airflow-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            connection.execute(sa.text(f'CREATE DATABASE "{DATABASE}" TEMPLATE sgob'))
        engine = sa.create_engine(postgres.url(DATABASE), poolclass=sa.NullPool)
        hashes = seed(engine, home / "sgob" / "media")
        passwords = {name: secrets.token_urlsafe(12) for name in ("admin", "op", "crowd")}
        (home / "passwords.json").write_text(json.dumps(passwords))
        (home / "dags").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "SGOB"))} | {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,op:op,crowd:viewer",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "SGOB_HOME": str(home / "sgob"),
            "SGOB_DATABASE_URL": postgres.url(DATABASE),
        }
        command = [str(Path(sys.executable).with_name("airflow"))]
        subprocess.run([*command, "db", "migrate"], env=environment, check=True, capture_output=True, timeout=300)
        log = home / "api-server.log"
        with log.open("wb") as output, subprocess.Popen(
            [*command, "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            env=environment, stdout=output, stderr=subprocess.STDOUT,
        ) as server:  # fmt: skip
            try:
                _wait(f"http://127.0.0.1:{port}", server, log)
                yield Airflow(f"http://127.0.0.1:{port}", passwords, hashes)
            finally:
                server.terminate()
                try:
                    server.wait(30)
                except subprocess.TimeoutExpired:
                    server.kill()
        with admin.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE "{DATABASE}" WITH (FORCE)'))


def test_plugin_loads_without_errors(airflow: Airflow) -> None:
    assert airflow.get("/api/v2/plugins/importErrors", "admin").json()["import_errors"] == []
    plugins = {plugin["name"]: plugin for plugin in airflow.get("/api/v2/plugins", "admin").json()["plugins"]}
    views = {view["destination"]: view for view in plugins["sgob"]["external_views"]}
    assert (views["nav"]["href"], views["nav"]["url_route"], views["nav"]["category"]) == ("sgob/", "sgob", "browse")
    assert views["dag_run"]["href"] == "sgob/runs/{RUN_ID}"


def test_nothing_is_shown_to_strangers(airflow: Airflow) -> None:
    picture = airflow.hashes[SAINT]
    for path in ("/sgob/", f"/sgob/runs/{RUN}", f"/sgob/pictures/{picture}", "/sgob/status"):
        answer = airflow.get(path, None)
        assert answer.status_code == 401, path
        assert "Saint George and the Dragon" not in answer.text
        forged = requests.get(f"{airflow.url}{path}", headers={"Authorization": "Bearer forged"}, timeout=30)
        assert forged.status_code == 403, path
    for path in ("/sgob/docs", "/sgob/redoc", "/sgob/openapi.json"):
        assert airflow.get(path, None).status_code == 404, path


@pytest.mark.parametrize("user", ["admin", "op", "crowd"])
def test_last_run_is_shown_to_every_role(airflow: Airflow, user: str) -> None:
    answer = airflow.get("/sgob/", user)
    assert answer.status_code == 200
    assert "<del>bicycle</del>" in answer.text
    assert EVIL_TITLE not in answer.text
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_cookie_of_the_user_interface_is_enough(airflow: Airflow) -> None:
    cookies = {"_token": airflow.tokens["crowd"]}
    assert airflow.get("/sgob/", None, cookies=cookies).status_code == 200


def test_links_of_the_pages_lead_to_pages(airflow: Airflow) -> None:
    picture = airflow.hashes[SAINT]
    run = RUN.replace(":", "%3A").replace("+", "%2B")
    assert f'src="pictures/{picture}"' in airflow.get("/sgob/").text
    assert f'href="runs/{run}"' in airflow.get("/sgob/").text
    page = airflow.get(f"/sgob/runs/{run}")
    assert page.status_code == 200
    assert f'src="../pictures/{picture}"' in page.text
    assert f'href="../runs/{run}"' in page.text
    unknown = airflow.get("/sgob/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert unknown.status_code == 404
    assert "<script>alert" not in unknown.text


def test_pictures_are_small_copies(airflow: Airflow) -> None:
    for _ in range(2):
        answer = airflow.get(f"/sgob/pictures/{airflow.hashes[SAINT]}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
        assert "immutable" in answer.headers["Cache-Control"]
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (640, 498)


def test_only_pictures_are_sent(airflow: Airflow) -> None:
    names = ["f" * 64, airflow.hashes[SAINT].upper(), "..%2F..%2Fpasswords.json", "%2Fetc%2Fpasswd", "x", "%00"]
    for name in names:
        answer = airflow.get(f"/sgob/pictures/{name}")
        assert answer.status_code == 404, name
        assert "root:" not in answer.text
    broken = airflow.get(f"/sgob/pictures/{airflow.hashes[BROKEN]}")
    assert (broken.status_code, broken.json()) == (404, {"detail": "The picture's file cannot be shown."})


def test_status_is_json(airflow: Airflow) -> None:
    found = airflow.get("/sgob/status").json()
    assert found["records"]["by_state"] == {"active": 3}
    assert found["detections"]["corrected"] == 1
