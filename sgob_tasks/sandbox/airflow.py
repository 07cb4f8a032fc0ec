"""Airflow as its real components on PostgreSQL, on one machine: API server, scheduler, DAG processor, triggerer.

Not ``airflow standalone``: that ties its parts to one process and was seen to collapse on SQLite under a handful of
parallel tasks.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.sandbox.processes import Service

REPOSITORY = Path(__file__).resolve().parents[2]
PARALLELISM = 4
POOLS = REPOSITORY / "dags" / "pools.json"
USER = "admin"


@dataclass(frozen=True)
class Airflow:
    """The sandbox's Airflow.

    Attributes:
        home: AIRFLOW_HOME.
        port: of the API server and the UI, on the loopback address.
        database_url: SQLAlchemy URL for psycopg2.
        environment: what its tasks need besides: SGOB_HOME, connections.
    """

    home: Path
    port: int
    database_url: str
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """Address of the UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def password_file(self) -> Path:
        """File with the password of the user ``admin``, readable by its owner only."""
        return self.home / "simple_auth_manager_passwords.json"

    def _secret(self, name: str) -> str:
        path = self.home / f"{name}.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32))
        return path.read_text()

    def env(self) -> dict[str, str]:
        """Return the environment of all components."""
        self.home.mkdir(parents=True, exist_ok=True)
        if not self.password_file.exists():
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(json.dumps({USER: secrets.token_urlsafe(12)}))
        options = {
            "CORE__DAGS_FOLDER": REPOSITORY / "dags",
            "CORE__PLUGINS_FOLDER": REPOSITORY / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": PARALLELISM,
            "CORE__MAX_ACTIVE_RUNS_PER_DAG": 1,
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": True,
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.password_file,
            "DATABASE__SQL_ALCHEMY_CONN": self.database_url,
            "API__HOST": "127.0.0.1",
            "API__PORT": self.port,
            "API__BASE_URL": self.url,
            "API__WORKERS": 1,
            "API__SECRET_KEY": self._secret("api"),
            "API_AUTH__JWT_SECRET": self._secret("jwt"),
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
            "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
            "LOGGING__LOGGING_LEVEL": "INFO",
        }
        return {
            "AIRFLOW_HOME": str(self.home),
            "PYTHONUNBUFFERED": "1",
            # one thread for numerical libraries: the cluster's jobs share the two cores
            "OMP_NUM_THREADS": "1",
            **{f"AIRFLOW__{name}": str(value) for name, value in options.items()},
            **self.environment,
        }

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "airflow", *arguments]

    def services(self) -> list[Service]:
        """Return the components in the order they are started."""
        folder = self.home / "run"
        # The scheduler's and triggerer's log servers listen on all interfaces; here the logs are read from the disk.
        commands = {
            "airflow-api-server": self._command("api-server"),
            "airflow-scheduler": self._command("scheduler", "--skip-serve-logs"),
            "airflow-dag-processor": self._command("dag-processor"),
            "airflow-triggerer": self._command("triggerer", "--skip-serve-logs"),
        }
        environment = self.env()
        return [Service(name, command, folder, environment) for name, command in commands.items()]

    def start(self, timeout_s: float = 180.0) -> None:
        """Bring the database up to date, start the components, wait until they are healthy and make the pools.

        Raises:
            PermanentError: a component ended or did not get healthy in time.
        """
        services = self.services()
        if not all(service.pid() for service in services):
            done = subprocess.run(
                self._command("db", "migrate"),
                env={**os.environ, **self.env()},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise PermanentError(f"airflow db migrate failed:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
            for service in services:
                service.start()
        services[0].wait_healthy(lambda: set(self.health().values()) == {"healthy"}, timeout_s)
        client = self.client()
        for name, pool in json.loads(POOLS.read_text()).items():
            client.put_pool(name, pool)

    def health(self) -> dict[str, str]:
        """Return the state of each component as the API server sees it; empty while it does not answer."""
        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5)
            answer.raise_for_status()
            parts: dict[str, dict[str, str]] = answer.json()
        except (requests.RequestException, ValueError):
            return {}
        return {name: str(part["status"]) for name, part in parts.items() if part.get("status") is not None}

    def stop(self) -> bool:
        """End all components; return whether any ran."""
        stopped = [service.stop() for service in reversed(self.services())]
        return any(stopped)

    def client(self) -> AirflowClient:
        """Return a client of the REST API, signed in as the administrator."""
        password = json.loads(self.password_file.read_text())[USER]
        return AirflowClient(self.url, USER, password)


class AirflowClient:
    """The few calls of Airflow's REST API that driving a run needs."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        self._session = requests.Session()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Call ``/api/v2/<path>`` and return the decoded answer.

        Raises:
            PermanentError: the API refused the call.
            TransientError: the API did not answer.
        """
        for attempt in (1, 2):
            try:
                if "Authorization" not in self._session.headers:
                    token = self._session.post(f"{self.url}/auth/token", json=self._login, timeout=30)
                    token.raise_for_status()
                    self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
                answer = self._session.request(method, f"{self.url}/api/v2/{path}", timeout=60, **arguments)
            except requests.RequestException as error:
                raise TransientError(f"Airflow's API did not answer {method} {path}: {error}") from error
            if answer.status_code == 401 and attempt == 1:
                del self._session.headers["Authorization"]  # the token has expired
                continue
            break
        if answer.status_code >= 400:
            raise PermanentError(f"Airflow's API answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def put_pool(self, name: str, pool: Mapping[str, object]) -> None:
        """Make a pool or bring it up to date: ``slots``, ``description``, ``include_deferred``."""
        known = {entry["name"] for entry in self.call("GET", "pools", params={"limit": 100})["pools"]}
        if name in known:
            self.call("PATCH", f"pools/{name}", json={"pool": name, **pool})
        else:
            self.call("POST", "pools", json={"name": name, **pool})

    def wait_for_dags(self, dag_ids: list[str], timeout_s: float = 120.0) -> None:
        """Wait until the DAG processor has read these DAGs.

        Raises:
            PermanentError: a DAG file cannot be imported, or a DAG does not appear in time.
        """
        deadline = time.monotonic() + timeout_s
        missing = set(dag_ids)
        while missing:
            known = {
                dag["dag_id"] for dag in self.call("GET", "dags", params={"limit": 100, "exclude_stale": True})["dags"]
            }
            missing = set(dag_ids) - known
            if not missing:
                return
            broken = self.call("GET", "importErrors")["import_errors"]
            if broken:
                raise PermanentError(f"{broken[0]['filename']} cannot be imported:\n{broken[0]['stack_trace'][-1500:]}")
            if time.monotonic() > deadline:
                raise PermanentError(f"Airflow has not read these DAGs after {timeout_s:.0f} s: {sorted(missing)}")
            time.sleep(1)

    def unpause(self, dag_id: str) -> bool:
        """Let a DAG's schedule run; return whether it was paused before."""
        was_paused = bool(self.call("GET", f"dags/{dag_id}")["is_paused"])
        if was_paused:
            self.call("PATCH", f"dags/{dag_id}", json={"is_paused": False})
        return was_paused

    def trigger(self, dag_id: str, conf: Mapping[str, object] | None = None, logical_date: str | None = None) -> str:
        """Start a run and return its id."""
        body = {"logical_date": logical_date, "conf": dict(conf or {})}
        return str(self.call("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def runs(self, dag_id: str, limit: int = 50) -> list[dict[str, Any]]:
        """Return a DAG's runs, newest first."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns", params={"order_by": "-run_after", "limit": limit})
        return list(answer["dag_runs"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return one run."""
        return dict(self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}"))

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, in no particular order."""
        answer = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 200})
        return list(answer["task_instances"])

    def task_log(self, dag_id: str, run_id: str, task: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a task's last try."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        answer = self.call("GET", path, params={"map_index": task["map_index"], "full_content": True})
        for entry in answer["content"]:
            if not isinstance(entry, dict):
                yield str(entry)
                continue
            yield str(entry.get("event", entry))
            for error in entry.get("error_detail") or ():
                yield f"{error.get('exc_type')}: {error.get('exc_value')}"
