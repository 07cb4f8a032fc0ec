"""Airflow's own API server with the platform's pages, a store behind it, and accounts of three roles."""

from __future__ import annotations

import contextlib
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

from sgob_tasks.store.embedded import EmbeddedPostgres
from tests.integration.report.seed import seed
from tests.integration.report.seed_cluster import seed_cluster

ROOT = Path(__file__).parents[3]
DATABASE = "airflow_pages"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIB/2mUFoHGcPhgwFo1j10GrK/CoGMJPIPs7JEvn7am3"
# A login node that is down: nothing listens on the discard port.
UNREACHABLE = {
    "conn_type": "ssh", "host": "127.0.0.1", "port": 9, "login": "nobody", "password": "x",
    "extra": {"host_key": HOST_KEY},
}  # fmt: skip


class Airflow:
    """A running API server with three accounts, and the platform's store behind it."""

    def __init__(self, url: str, passwords: dict[str, str], hashes: dict[str, str], home: Path) -> None:
        self.url = url
        self.hashes = hashes
        self.home = home
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
        seed_cluster(engine)
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
            "AIRFLOW_CONN_SGOB_CLUSTER": json.dumps(UNREACHABLE),
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
                yield Airflow(f"http://127.0.0.1:{port}", passwords, hashes, home / "sgob")
            finally:
                server.terminate()
                try:
                    server.wait(30)
                except subprocess.TimeoutExpired:
                    server.kill()
        with admin.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE "{DATABASE}" WITH (FORCE)'))
