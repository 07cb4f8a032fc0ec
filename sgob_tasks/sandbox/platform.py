"""The whole platform on one machine: start it, stop it, tell how it is.

Everything it keeps is below ``SGOB_HOME``; Slurm and sshd, which need root and several users, have a folder of their
own (see ``sandbox.slurm``) and may serve several platforms.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sgob_tasks.config import Settings, home
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.sandbox import slurm
from sgob_tasks.sandbox.airflow import REPOSITORY, Airflow
from sgob_tasks.sandbox.processes import Service, answers, free_port
from sgob_tasks.store.embedded import EmbeddedPostgres
from sgob_tasks.store.engine import migrate, open_store

PORTS = {"airflow": 8080, "europeana": 8081, "storage": 8082}
PAINTED = {"collection": 60, "train": 800, "held_out": 160}
SEED = 1492


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress for a person


@dataclass(frozen=True)
class Platform:
    """One platform of this machine, known by its home folder.

    Attributes:
        home: its ``SGOB_HOME``.
        painted: how many scenes are painted where no collection is given: ``collection``, ``train``, ``held_out``.
        say: where progress goes.
    """

    home: Path
    painted: Mapping[str, int] = field(default_factory=lambda: PAINTED)
    say: Callable[[str], None] = _say

    @classmethod
    def here(cls) -> Platform:
        """Return the platform that ``SGOB_HOME`` names."""
        return cls(home())

    @property
    def folder(self) -> Path:
        """What only the sandbox needs: ports, secrets, pictures, the stand-ins' memory."""
        return self.home / "sandbox"

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server of both databases."""
        return EmbeddedPostgres(self.home / "postgres")

    # -- what the parts need to know of each other ---------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return ports, secrets and collection, as the first start chose them; empty before."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return state

    def _prepare(self, collection: Path | None) -> dict[str, Any]:
        """Choose ports and make secrets at the first start; keep them afterwards."""
        state = self.state()
        if not state:
            self.folder.mkdir(parents=True, exist_ok=True)
            state = {
                "ports": {name: free_port(port) for name, port in PORTS.items()},
                "api_key": secrets.token_urlsafe(12),
                "client_secret": secrets.token_urlsafe(18),
                "password": secrets.token_urlsafe(18),
                "storage_key": secrets.token_urlsafe(18),
            }
        wanted = str(collection.resolve()) if collection else None
        if state.get("collection", wanted) != wanted:
            raise InputError(
                self.folder / "state.json",
                "collection",
                wanted,
                f"{state['collection'] or 'painted scenes'} are served here: use another SGOB_HOME",
            )
        state["collection"] = wanted
        self._write(self.folder / "state.json", json.dumps(state, indent=2))
        return state

    def _write(self, path: Path, text: str) -> None:
        """Write a file that holds secrets: readable by its owner only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        temporary.write_text(text)
        temporary.replace(path)

    def _settings_file(self, state: dict[str, Any], cluster: slurm.SlurmSandbox) -> None:
        """Write ``sgob.toml``: what points every command and task at the sandbox's parts."""
        europeana = f"http://127.0.0.1:{state['ports']['europeana']}"
        sections: dict[str, dict[str, Any]] = {
            "europeana": {
                "api_url": europeana,
                "api_key": state["api_key"],
                "token_url": f"{europeana}/auth/realms/europeana/protocol/openid-connect/token",
                "client_id": "sgob",
                "client_secret": state["client_secret"],
                "username": "sgob-service",
                "password": state["password"],
                "min_interval_s": 0.0,
                # everything is asked for: what the real search would hold back shows that we refuse it ourselves
                "filters": ["TYPE:IMAGE"],
                "reusability": "",
            },
            "media": {"allow_private_addresses": True, "workers": 4},
            "cluster": {
                "site": "sandbox",
                "host": cluster.host,
                "port": cluster.port,
                "user": cluster.user,
                "key_file": str(cluster.key_file),
                "host_key": cluster.host_key,
                "shard_size": 32,
            },
            "storage": {
                "endpoint_url": f"http://127.0.0.1:{state['ports']['storage']}",
                "access_key": "sandbox",
                "secret_key": state["storage_key"],
            },
            "publish": {"require_approval": False, "settle_s": 1.0},
            "training": {
                "dataset": str(self.training_set()),
                "captions": str(self.captions()),
                "preset": "tiny",
                "require_promotion_approval": False,
            },
        }
        if self.training_set() == self.folder / "training":
            sections["context"] = {"language_model": str(self.language_model())}
        lines = ["# Written by `sgob sandbox up`. Holds secrets: keep it to yourself.", ""]
        for name, values in sections.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
        self._write(self.home / "sgob.toml", "\n".join(lines))
        self._write(self.home / "sites" / "sandbox.toml", cluster.site_overlay())

    # -- pictures ---------------------------------------------------------------------------------------------------

    def collection(self) -> Path:
        """Return the folder that the stand-in for Europeana serves."""
        given = self.state().get("collection")
        return Path(given) if given else self.folder / "collection"

    def training_set(self) -> Path:
        """Return the detector's training data: the collection's own boxes where it has any, else painted scenes."""
        given = self.state().get("collection")
        return Path(given) if given and (Path(given) / "annotations").is_dir() else self.folder / "training"

    def captions(self) -> Path:
        """Return the caption generator's training data: painted scenes with their captions, where there are any."""
        return self.folder / "captions"

    def language_model(self) -> Path:
        """Return the folder of the language model that painted scenes are judged with."""
        return self.folder / "language-model"

    def _learn_language(self) -> None:
        """Train the language model on the works that the detector is trained on."""
        from sgob_tasks.context.language.training import train_language_model
        from sgob_tasks.sandbox.painter.captioned import write_painted_records

        training = self.folder / "training"
        if self.training_set() == training and not self.language_model().exists():
            records = self.folder / "records.jsonl"
            write_painted_records(records, training / "train.json")
            train_language_model(records, self.language_model())

    def _paint(self) -> None:
        from sgob_tasks.sandbox.painter import paint_collection, paint_training_set
        from sgob_tasks.sandbox.painter.captioned import painted_things, write_painted_split

        if self.collection() == self.folder / "collection" and not (self.collection() / "collection.csv").exists():
            paint_collection(self.collection(), self.painted["collection"], SEED)
        training = self.folder / "training"
        if self.training_set() == training and not (training / "val.json").exists():
            paint_training_set(training, self.painted["train"], self.painted["held_out"], SEED)
        if self.training_set() == training:
            for split in ("train", "val"):
                painted = training / f"{split}.json"
                if not (self.captions() / split / "captions.json").exists():
                    write_painted_split(self.captions() / split, painted, training / "images", painted_things(painted))

    # -- services ---------------------------------------------------------------------------------------------------

    def services(self, state: dict[str, Any]) -> dict[str, Service]:
        """Return the stand-ins, as background services."""
        ports, run = state["ports"], self.folder / "run"
        europeana = [sys.executable, "-m", "sgob_tasks.sandbox.europeana", "--collection", str(self.collection())]
        europeana += ["--state", str(self.folder / "europeana"), "--host", "127.0.0.1"]
        europeana += ["--port", str(ports["europeana"])]
        storage = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(ports["storage"])]
        # secrets go by the environment: command lines are visible to every user of the machine
        keys = {
            "SGOB_STAND_IN_API_KEY": state["api_key"],
            "SGOB_STAND_IN_CLIENT_SECRET": state["client_secret"],
            "SGOB_STAND_IN_PASSWORD": state["password"],
        }
        return {
            "europeana": Service("europeana", europeana, run, {"SGOB_HOME": str(self.home), **keys}),
            "storage": Service("storage", storage, run),
        }

    def airflow(self, state: dict[str, Any]) -> Airflow:
        """Return the sandbox's Airflow; to start it, PostgreSQL has to run."""
        connection: dict[str, Any] = {
            "conn_type": "ssh",
            "host": "",
            "extra": {"no_host_key_check": False, "conn_timeout": 20, "cmd_timeout": 120},
        }
        cluster = Settings(home=self.home).cluster if (self.home / "sgob.toml").exists() else None
        if cluster is not None:
            connection |= {"host": cluster.host, "port": cluster.port, "login": cluster.user}
            connection["extra"] |= {"key_file": str(cluster.key_file), "host_key": cluster.host_key}
        environment = {"SGOB_HOME": str(self.home), "AIRFLOW_CONN_SGOB_CLUSTER": json.dumps(connection)}
        database = self.postgres.url("airflow", "psycopg2") if self.postgres.running() else ""
        return Airflow(self.home / "airflow", state["ports"]["airflow"], database, environment)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.say(f"  {time.monotonic() - began:6.1f} s  {what}")

    # -- verbs ------------------------------------------------------------------------------------------------------

    def up(self, collection: Path | None = None) -> dict[str, Any]:
        """Start everything that does not run yet; return the addresses.

        Args:
            collection: folder with pictures and a CSV that the stand-in for Europeana serves; None: painted scenes.

        Raises:
            InputError: the collection is not there, or this platform serves another one.
            PermanentError: a part does not start; the message shows the end of its log.
        """
        if collection is not None and not collection.is_dir():
            raise InputError("command line", "--collection", str(collection), "is not a folder")
        environment = REPOSITORY / ".venv-hpc"
        if not (environment / "bin" / "python").exists():
            raise PermanentError(f"the cluster's environment {environment} is missing: run `make setup`")
        with self._lock(), ThreadPoolExecutor(2) as pool:
            state = self._prepare(collection)

            def paint() -> None:
                with self._timed("pictures"):
                    self._paint()
                with self._timed("language model"):
                    self._learn_language()

            def start_cluster() -> slurm.SlurmSandbox:
                with self._timed("Slurm with four nodes, accounting and sshd"):
                    return slurm.up(environment=environment)

            painting, cluster = pool.submit(paint), pool.submit(start_cluster)
            with self._timed("PostgreSQL"):
                self.postgres.start()
            self._settings_file(state, cluster.result())
            migrate(open_store(Settings(home=self.home), new=True))
            starting = pool.submit(self._start_airflow, state)
            painting.result()
            with self._timed("Europeana's and S3's stand-ins"):
                self._start_stand_ins(state)
            with self._timed("code on the cluster"):
                self._deploy()
            starting.result()
        return self.status()

    def _start_airflow(self, state: dict[str, Any]) -> None:
        with self._timed("Airflow: API server, scheduler, DAG processor, triggerer"):
            self.airflow(state).start()

    def _start_stand_ins(self, state: dict[str, Any]) -> None:
        services = self.services(state)
        for service in services.values():
            service.start()
        url = f"http://127.0.0.1:{state['ports']['europeana']}/record/v2/search.json"

        def europeana_answers() -> bool:
            with contextlib.suppress(requests.RequestException):
                query = {"query": "*:*", "rows": "0"}
                answer = requests.get(url, params=query, headers={"X-Api-Key": state["api_key"]}, timeout=5)
                return answer.status_code == 200
            return False

        services["europeana"].wait_healthy(europeana_answers, 60)
        services["storage"].wait_healthy(lambda: answers(state["ports"]["storage"]), 60)
        self._make_bucket()

    def _make_bucket(self) -> None:
        """Make the bucket for data sets: the stand-in for S3 forgets everything when it stops."""
        from sgob_tasks.sharing.objects import connect

        storage = Settings(home=self.home).storage
        client = connect(storage)
        if storage.bucket not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(
                Bucket=storage.bucket,
                CreateBucketConfiguration={"LocationConstraint": storage.region},  # type: ignore[typeddict-item]  # free text
            )

    def _deploy(self) -> None:
        from sgob_tasks.steps.cluster import deploy

        deploy(Settings(home=self.home))

    def down(self, *, keep_slurm: bool = False) -> dict[str, Any]:
        """Stop everything that runs; what it has kept stays. Stopping what does not run is no error."""
        with self._lock():
            state, stopped = self.state(), []
            if state:
                if self.airflow(state).stop():
                    stopped.append("airflow")
                stopped += [name for name, service in self.services(state).items() if service.stop()]
            if self.postgres.running():
                self.postgres.stop()
                stopped.append("postgres")
            if not keep_slurm:
                stopped += slurm.down()
        return {"home": str(self.home), "stopped": ", ".join(stopped) or "nothing was running"}

    def status(self) -> dict[str, Any]:
        """Return addresses and which parts run."""
        state = self.state()
        if not state:
            return {"home": str(self.home), "running": False}
        ports = state["ports"]
        parts: dict[str, Any] = {name: service.pid() is not None for name, service in self.services(state).items()}
        parts["postgres"] = self.postgres.running()
        parts["airflow"] = self.airflow(state).health() if parts["postgres"] else {}
        parts["slurm"] = slurm.status()
        return {
            "home": str(self.home),
            "running": bool(parts["postgres"] and parts["airflow"]),
            "parts": parts,
            "addresses": {
                "airflow": f"http://127.0.0.1:{ports['airflow']}",
                "europeana": f"http://127.0.0.1:{ports['europeana']}",
                "storage": f"http://127.0.0.1:{ports['storage']}",
            },
            "sign_in": f"admin, with the password in {self.airflow(state).password_file}",
            "collection": str(self.collection()),
        }
