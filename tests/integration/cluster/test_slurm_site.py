"""A site against a real Slurm and sshd: check, self-check job, transfer host, cuts, a full disk, clean-up."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sgob_airflow.slurm_hook import SlurmHook

from sgob_tasks.cluster.connect import transfer_client
from sgob_tasks.cluster.files import StorageFullError
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.sites import cleanup
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.transport import SshTransport, ssh_client
from sgob_tasks.errors import InputError, PermanentError, TransientError
from sgob_tasks.sandbox.slurm import SlurmSandbox
from sgob_tasks.steps import site as steps
from sgob_tasks.store.jobs import StoreLedger, all_jobs
from tests.integration.cluster.conftest import PYTHON, Lab

pytestmark = pytest.mark.integration

CONTENT = os.urandom(6_000_000)
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIB/2mUFoHGcPhgwFo1j10GrK/CoGMJPIPs7JEvn7am3"


class Proxy:
    """A transfer host: an address of its own that leads to the sandbox's sshd, and may cut a connection."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.connections = 0
        self.cut_after: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.target))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                if self.cut_after is not None:
                    self.cut_after -= len(data)
                    if self.cut_after <= 0:
                        self.cut_after = None
                        break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture
def proxy(slurm: SlurmSandbox) -> Iterator[Proxy]:
    made = Proxy(slurm.port)
    yield made
    made.close()


@pytest.fixture
def split_site(site: Site, slurm: SlurmSandbox, proxy: Proxy) -> Site:
    """The sandbox with a transfer host."""
    return replace(site, transfer_host="127.0.0.1", transfer_port=proxy.port, transfer_host_key=slurm.host_key)


@pytest.fixture
def split_transport(split_site: Site, slurm: SlurmSandbox) -> Iterator[SshTransport]:
    """Commands to the login node, files over the transfer host."""
    connect = ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, slurm.host_key)
    made = SshTransport(connect, files=transfer_client(split_site, slurm.user, slurm.key_file), root=split_site.root)
    yield made
    made.close()


@pytest.fixture
def remote(split_transport: SshTransport, slurm: SlurmSandbox) -> Iterator[str]:
    folder = f"{slurm.root}/site-{uuid.uuid4().hex}"
    assert split_transport.run(f"mkdir -p {folder}").exit_code == 0
    yield folder
    split_transport.run(f"rm -rf {folder}")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(CONTENT)
    return path


def test_a_check_finds_what_is_there_and_leaves_nothing(site: Site, transport: SshTransport) -> None:
    transport.run(f"mkdir -p {site.root}")
    before = transport.run(f"ls -A {site.root}; squeue -h -t all --user=$(id -un) -o %i").stdout
    findings = {one.check: one for one in steps.check_cluster(site, transport)}
    bad = {name: one for name, one in findings.items() if one.status != "ok"}
    # The tests' interpreter is the system's, without the detector's packages.
    assert all(name.startswith("python.") or name == "space" for name in bad), bad
    assert findings["slurm.version"].found.startswith("22.")
    assert findings["train.gpus"].found == "4 on a node (k80)"
    assert "to start at" in findings["sbatch.train"].found
    assert "to start at" in findings["sbatch.infer"].found
    assert findings["files"].status == "ok"
    assert transport.run(f"ls -A {site.root}; squeue -h -t all --user=$(id -un) -o %i").stdout == before


def test_a_check_names_what_would_fail(site: Site, transport: SshTransport) -> None:
    wrong = replace(
        site,
        partition="debug",
        gpu_type="v100",
        max_array_size=5000,
        poll_max_s=60.0,
        python="/nowhere/python",
        launcher=("nolauncher",),
        prelude=("module load nothing",),
        train=replace(site.train, time_limit_s=86_400),
    )
    found = {one.check: one.status for one in steps.check_cluster(wrong, transport)}
    for name in (
        "train.gpus", "infer.gpus", "train.time_limit", "sbatch.train", "sbatch.infer", "slurm.MaxArraySize", "python",
        "launcher", "prelude",
    ):  # fmt: skip
        assert found[name] == "failed", name
    assert found["slurm.MinJobAge"] == "warning"


def test_another_host_key_ends_the_check(site: Site, slurm: SlurmSandbox) -> None:
    connect = ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, OTHER_KEY)
    findings = steps.check_cluster(site, SshTransport(connect, attempts=1))
    assert [(one.check, one.status) for one in findings] == [("login", "failed")]
    assert "not the one we know" in findings[0].found


def test_the_self_check_job_goes_the_whole_way(site: Site, transport: SshTransport, store: sa.Engine) -> None:
    findings = {one.check: one for one in steps.check_by_job(Cluster(site, transport, StoreLedger(store)), 120)}
    assert findings["job"].status == "ok", findings
    assert findings["job"].found.startswith("ran on ")
    assert findings["job.python"].status == "ok"
    record = all_jobs(store, site.name)[-1]
    assert record.state == "succeeded"
    assert transport.run(f"test -e {record.run_dir}").exit_code == 1


def test_a_self_check_job_that_fails_says_why(site: Site, transport: SshTransport, store: sa.Engine) -> None:
    broken = replace(site, prelude=("exit 3",), max_failures=0)
    findings = steps.check_by_job(Cluster(broken, transport, StoreLedger(store)), 120)
    assert [(one.check, one.status) for one in findings] == [("job", "failed")]


def test_commands_go_to_the_login_node_and_files_to_the_transfer_host(
    split_transport: SshTransport, proxy: Proxy, remote: str, large: Path, tmp_path: Path
) -> None:
    assert split_transport.run("echo in").stdout == "in\n"
    assert proxy.connections == 0
    split_transport.put(large, f"{remote}/large")
    split_transport.get(f"{remote}/large", tmp_path / "back")
    assert proxy.connections == 1
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert split_transport.put(large, f"{remote}/large").skipped == 1


def test_airflow_s_hook_sends_files_over_the_transfer_host(
    slurm: SlurmSandbox,
    proxy: Proxy,
    large: Path,
    tmp_path: Path,
    store: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    remote: str,
) -> None:
    extra = {"key_file": str(slurm.key_file), "host_key": slurm.host_key}
    connection = {"conn_type": "ssh", "host": slurm.host, "port": slurm.port, "login": slurm.user, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps(connection))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SGOB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SGOB_SITE__TRANSFER_HOST", "127.0.0.1")
    monkeypatch.setenv("SGOB_SITE__TRANSFER_PORT", str(proxy.port))
    (tmp_path / "home" / "sites").mkdir(parents=True)
    (tmp_path / "home" / "sites" / "sandbox.toml").write_text(f'python = "{PYTHON}"\n' + slurm.site_overlay())
    with pytest.raises(InputError, match="transfer_host_key"):
        SlurmHook("test_cluster").cluster()
    monkeypatch.setenv("SGOB_SITE__TRANSFER_HOST_KEY", slurm.host_key)
    cluster = SlurmHook("test_cluster").cluster()
    assert cluster.transport.run("echo in").stdout == "in\n"
    assert proxy.connections == 0
    cluster.transport.put(large, f"{remote}/large")
    assert proxy.connections == 1
    with pytest.raises(InputError, match="lies outside"):
        cluster.transport.put(large, "/tmp/large")
    cluster.close()
    monkeypatch.setenv("SGOB_SITE__TRANSFER_HOST_KEY", OTHER_KEY)
    wrong = SlurmHook("test_cluster").cluster()
    with pytest.raises(PermanentError, match="transfer host refuses us"):
        wrong.transport.put(large, f"{remote}/other")
    wrong.close()


def test_a_transfer_host_with_another_key_gets_nothing(
    split_site: Site, slurm: SlurmSandbox, remote: str, large: Path, transport: SshTransport
) -> None:
    wrong = replace(split_site, transfer_host_key=OTHER_KEY)
    connect = ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, slurm.host_key)
    made = SshTransport(connect, files=transfer_client(wrong, slurm.user, slurm.key_file), attempts=1)
    with pytest.raises(PermanentError, match="transfer host refuses us, or is not the one we know"):
        made.put(large, f"{remote}/large")
    assert made.run("echo in").stdout == "in\n"
    assert transport.run(f"ls -A {remote}").stdout == ""
    findings = {one.check: one.status for one in steps.check_files(wrong, made, exists=True)}
    assert findings == {"files": "failed"}
    made.close()


def test_a_transfer_host_without_a_key_is_refused(split_site: Site, slurm: SlurmSandbox) -> None:
    with pytest.raises(InputError, match="ssh-keyscan"):
        transfer_client(replace(split_site, transfer_host_key=""), slurm.user, slurm.key_file)


def test_an_upload_that_is_cut_goes_on(split_transport: SshTransport, proxy: Proxy, remote: str, large: Path) -> None:
    split_transport.open_files()
    proxy.cut_after = len(CONTENT) // 2
    report = split_transport.put(large, f"{remote}/large")
    assert proxy.connections == 2
    assert len(CONTENT) // 4 < report.size < len(CONTENT), "the rest, not all of it again"
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (
        split_transport.run(f"sha256sum {remote}/large; ls -A {remote}").stdout == f"{digest}  {remote}/large\nlarge\n"
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # paramiko's prefetching thread
def test_a_download_that_is_cut_goes_on(
    split_transport: SshTransport, proxy: Proxy, remote: str, large: Path, tmp_path: Path
) -> None:
    split_transport.put(large, f"{remote}/large")
    proxy.cut_after = len(CONTENT) // 2
    report = split_transport.get_tree(remote, tmp_path / "back")
    assert proxy.connections == 2
    assert 0 < report.size < len(CONTENT)
    assert (tmp_path / "back" / "large").read_bytes() == CONTENT
    assert len(list((tmp_path / "back").iterdir())) == 1


def test_a_full_disk_is_said(split_transport: SshTransport, proxy: Proxy, remote: str, large: Path) -> None:
    """/dev/full answers sftp-server's writes as a full disk does: with the one word that SFTP has for it."""
    part = f"{remote}/large.{hashlib.sha256(CONTENT).hexdigest()[:16]}.part"
    split_transport.run(f"ln -s /dev/full {part}")
    with pytest.raises(StorageFullError, match="disk or quota full"):
        split_transport.put(large, f"{remote}/large")
    assert proxy.connections <= 2, "not tried again and again"
    assert split_transport.run(f"ls -A {remote}").stdout == ""
    assert split_transport.put(large, f"{remote}/large").sent == 1


def test_files_outside_the_root_are_refused(split_transport: SshTransport, large: Path) -> None:
    with pytest.raises(InputError, match="lies outside"):
        split_transport.put(large, "/tmp/large")


def test_clean_deletes_closed_jobs_and_unused_code_only(lab: Lab, store: sa.Engine) -> None:
    cluster = replace_site(lab)
    site = cluster.site
    done, young = lab.job(), lab.job()
    for job in (done, young):
        assert cluster.wait(job, timeout_s=60).record.state == "succeeded"
    live = lab.job(seconds=60)
    cluster.submit_or_adopt(live)
    ledger = StoreLedger(store)
    record = ledger.get(done.key)
    assert record is not None
    ledger.save(replace(record, ended_at=datetime.now(UTC) - timedelta(days=8)))
    old_code = f"{site.root}/code/{'0' * 16}"
    lab.run(f"mkdir -p {old_code} && touch -d '100 days ago' {old_code}")
    in_use = str(record.details["code"])
    lab.run(f"touch -d '100 days ago' {in_use}")

    def clean(*, dry_run: bool) -> dict[str, object]:
        records: Callable[[], object] = lambda: all_jobs(store, site.name)  # noqa: E731 - short
        return cleanup.clean(site, cluster.transport, records, "f" * 16, "t0", datetime.now(UTC), dry_run=dry_run)  # type: ignore[arg-type] # sequence

    tried = clean(dry_run=True)
    assert set(tried["deleted"]) == {f"jobs/{done.key}", f"code/{'0' * 16}"}  # type: ignore[call-overload] # a dict
    lab.run(f"test -d {site.job_dir(done.key)}")
    assert set(clean(dry_run=False)["deleted"]) == set(tried["deleted"])  # type: ignore[call-overload] # dicts
    assert lab.run(f"ls {site.root}/jobs").split() == sorted([young.key, live.key])
    assert lab.run(f"ls -A {site.root}/code").split() == [in_use.rpartition("/")[2]]
    cluster.cancel(live.key)
    # What is gone may be asked for again: nothing is done twice, and nothing fails.
    assert cluster.wait(done, timeout_s=60).record.state == "succeeded"


def replace_site(lab: Lab) -> Cluster:
    """Give the lab a root of its own, so that nobody else's folders are in the way."""
    lab.cluster.site = replace(lab.cluster.site, root=f"{lab.cluster.site.root}/clean-{uuid.uuid4().hex}")
    return lab.cluster


def test_a_host_that_does_not_listen_is_transient(
    slurm: SlurmSandbox, split_site: Site, large: Path, remote: str
) -> None:
    nobody = replace(split_site, transfer_port=1)
    connect = ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, slurm.host_key)
    made = SshTransport(connect, 1, transfer_client(nobody, slurm.user, slurm.key_file))
    with pytest.raises(TransientError, match="no connection to the transfer host"):
        made.put(large, f"{remote}/large")
    made.close()
