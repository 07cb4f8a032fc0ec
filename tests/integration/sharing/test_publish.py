from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from sgob_tasks.config import StorageSettings
from sgob_tasks.errors import AmbiguousError, PermanentError, TransientError
from sgob_tasks.sharing import objects
from sgob_tasks.sharing.dataset import DatasetManifest, build_dataset
from sgob_tasks.sharing.publish import publish_dataset
from sgob_tasks.store.tables import publications
from tests.integration.report.seed import seed

pytestmark = pytest.mark.integration

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a real S3 server: moto in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, "moto stopped"
            assert time.monotonic() < deadline, "moto does not answer"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def storage(server: str) -> Iterator[StorageSettings]:
    """A bucket of this test alone."""
    settings = StorageSettings(
        endpoint_url=server, bucket="shared", access_key=SecretStr("key"), secret_key=SecretStr("secret")
    )
    client = objects.connect(settings)
    client.create_bucket(Bucket="shared", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield settings
    for one in client.list_objects_v2(Bucket="shared").get("Contents", []):
        client.delete_object(Bucket="shared", Key=one["Key"])
    client.delete_bucket(Bucket="shared")


@pytest.fixture
def dataset(store: sa.Engine, tmp_path: Path) -> DatasetManifest:
    seed(store, tmp_path / "media")
    return build_dataset(store, tmp_path / "out", licence=CC0)


def listing(storage: StorageSettings) -> dict[str, Any]:
    answer = objects.connect(storage).list_objects_v2(Bucket=storage.bucket)
    return {one["Key"]: one for one in answer.get("Contents", [])}


def ledger(store: sa.Engine) -> Any:
    with store.connect() as connection:
        return connection.execute(sa.select(publications).where(publications.c.destination == "s3")).one_or_none()


def test_everything_arrives_and_is_verified(
    store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest
) -> None:
    counts = publish_dataset(store, storage, dataset, run_id="run")
    prefix = f"datasets/{dataset.name}/{dataset.version}"
    there = listing(storage)
    assert set(there) == {f"{prefix}/{path}" for path in [file.path for file in dataset.files] + ["MANIFEST.json"]}
    assert (counts.uploaded, counts.unchanged) == (len(there), 0)
    assert counts.bytes == sum(one["Size"] for one in there.values())
    manifest = max(there.values(), key=lambda one: one["LastModified"])
    assert there[f"{prefix}/MANIFEST.json"]["LastModified"] == manifest["LastModified"]
    client = objects.connect(storage)
    for file in dataset.files:
        answer = client.get_object(Bucket="shared", Key=f"{prefix}/{file.path}")
        assert answer["Body"].read() == (dataset.directory / file.path).read_bytes()
        assert answer["Metadata"]["sha256"] == file.sha256
        assert answer["ContentType"] == file.media_type
    row = ledger(store)
    assert (row.state, row.verified, row.attempts, row.run_id) == ("published", True, 1, "run")
    assert row.subject == f"{dataset.name}/{dataset.version}"
    assert row.external_id == counts.address == f"s3://shared/{prefix}/MANIFEST.json"


def test_same_content_is_never_put_twice(
    store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest, tmp_path: Path
) -> None:
    first = publish_dataset(store, storage, dataset)
    before, row = listing(storage), ledger(store)
    again = publish_dataset(store, storage, build_dataset(store, tmp_path / "again", licence=CC0))
    assert (again.uploaded, again.unchanged, again.bytes) == (0, first.uploaded, 0)
    assert listing(storage) == before
    assert ledger(store) == row


def test_try_that_was_cut_short_is_taken_up(
    store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sent = objects.put, []

    def cut(*arguments: Any) -> None:
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(arguments[2])
        real(*arguments)

    monkeypatch.setattr("sgob_tasks.sharing.publish.put", cut)
    with pytest.raises(KeyboardInterrupt):
        publish_dataset(store, storage, dataset)
    assert ledger(store).state == "intended"
    assert set(listing(storage)) == set(sent)
    monkeypatch.undo()
    counts = publish_dataset(store, storage, dataset)
    assert (counts.unchanged, counts.uploaded) == (3, len(dataset.files) - 2)
    row = ledger(store)
    assert (row.state, row.attempts) == ("published", 2)


def test_crash_between_the_last_object_and_the_ledger(
    store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest
) -> None:
    publish_dataset(store, storage, dataset)
    with store.begin() as connection:
        connection.execute(sa.update(publications).values(state="intended", verified=False, external_id=None))
    counts = publish_dataset(store, storage, dataset)
    assert counts.uploaded == 0
    assert (ledger(store).state, ledger(store).verified, ledger(store).attempts) == ("published", True, 1)


@pytest.mark.parametrize("damage", ["gone", "other bytes", "no metadata"])
def test_damaged_object_is_mended(
    store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest, damage: str
) -> None:
    publish_dataset(store, storage, dataset)
    key = f"datasets/{dataset.name}/{dataset.version}/coco.json"
    client, file = objects.connect(storage), next(file for file in dataset.files if file.path == "coco.json")
    content = (dataset.directory / "coco.json").read_bytes()
    if damage == "gone":
        client.delete_object(Bucket="shared", Key=key)
    elif damage == "other bytes":
        client.put_object(Bucket="shared", Key=key, Body=b"x" * len(content), Metadata={"sha256": file.sha256})
    else:
        client.put_object(Bucket="shared", Key=key, Body=content)
    assert publish_dataset(store, storage, dataset).uploaded == 1
    assert client.get_object(Bucket="shared", Key=key)["Body"].read() == content


def test_published_version_never_changes(store: sa.Engine, storage: StorageSettings, tmp_path: Path) -> None:
    seed(store, tmp_path / "media")
    publish_dataset(store, storage, build_dataset(store, tmp_path / "a", licence=CC0, version="1"))
    before = listing(storage)
    with store.begin() as connection:
        connection.execute(sa.text("DELETE FROM captions"))
    other = build_dataset(store, tmp_path / "b", licence=CC0, version="1")
    with pytest.raises(PermanentError, match="published with other content"):
        publish_dataset(store, storage, other)
    assert listing(storage) == before
    assert ledger(store).state == "published"


def test_file_that_was_changed_after_the_build_is_not_sent(
    store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest
) -> None:
    (dataset.directory / "captions.csv").write_text("changed")
    with pytest.raises(PermanentError, match="is not the file that was built"):
        publish_dataset(store, storage, dataset)
    assert ledger(store).state == "failed"
    assert not [key for key in listing(storage) if key.endswith("MANIFEST.json")]


def test_large_files_go_in_parts(storage: StorageSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 5 * 2**20)
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 2**12 * 11)  # 11 MiB: three parts
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    client = objects.connect(storage)
    objects.put(client, "shared", "large", path, sha256, "text/plain")
    assert client.head_object(Bucket="shared", Key="large")["ETag"] == f'"{objects.etag(path)}"'
    assert objects.etag(path).endswith("-3")
    assert objects.is_there(client, "shared", "large", path, sha256)


def test_missing_bucket_is_permanent(store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest) -> None:
    with pytest.raises(PermanentError, match="NoSuchBucket"):
        publish_dataset(store, storage.model_copy(update={"bucket": "nowhere"}), dataset)
    row = ledger(store)
    assert row.state == "failed"
    assert "secret" not in row.error


def test_store_that_is_down_is_transient(store: sa.Engine, storage: StorageSettings, dataset: DatasetManifest) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TransientError, match="not reachable"):
        publish_dataset(store, storage.model_copy(update={"endpoint_url": address}), dataset)


def test_errors_of_boto_have_our_classes() -> None:
    from botocore import exceptions as aws

    def client(code: str, status: int) -> Exception:
        answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return aws.ClientError(answer, "PutObject")

    broken = aws.ConnectionClosedError(endpoint_url="http://x")
    cases: list[tuple[Exception, bool, type[Exception]]] = [
        (client("AccessDenied", 403), True, PermanentError),
        (client("SlowDown", 503), True, TransientError),
        (client("Odd", 500), True, TransientError),
        (client("TooManyRequests", 429), False, TransientError),
        (aws.NoCredentialsError(), True, PermanentError),
        (aws.ReadTimeoutError(endpoint_url="http://x"), True, AmbiguousError),
        (aws.ReadTimeoutError(endpoint_url="http://x"), False, TransientError),
        (broken, True, AmbiguousError),
        (aws.ConnectTimeoutError(endpoint_url="http://x"), True, TransientError),
    ]
    for error, writes, kind in cases:
        with pytest.raises(kind, match=r"^doing it: "), objects.s3_errors("doing it", writes=writes):
            raise error
