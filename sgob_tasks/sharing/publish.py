"""Publish a data set on S3, once: ``datasets/{name}/{version}/...``, its manifest last.

A reader who finds ``MANIFEST.json`` finds everything it names. A try that was cut short is taken up where it stopped:
what is there already, and equal, is not sent again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgob_tasks.errors import AmbiguousError, PermanentError, SgobError
from sgob_tasks.progress import track
from sgob_tasks.sharing.dataset import MANIFEST, DatasetFile, DatasetManifest
from sgob_tasks.sharing.objects import connect, exists, is_there, put
from sgob_tasks.store import dataset_publications as ledger
from sgob_tasks.store.publications import intend

if TYPE_CHECKING:
    import sqlalchemy as sa
    from mypy_boto3_s3 import S3Client

    from sgob_tasks.config import StorageSettings


@dataclass(frozen=True)
class PublishCounts:
    """What publishing did.

    Attributes:
        version: of the data set.
        address: ``s3://`` address of the manifest.
        uploaded: objects sent in this try.
        unchanged: objects that were there already.
        bytes: sent in this try.
    """

    version: str
    address: str
    uploaded: int
    unchanged: int
    bytes: int


def _manifest_file(dataset: DatasetManifest) -> DatasetFile:
    content = (dataset.directory / MANIFEST).read_bytes()
    return DatasetFile(MANIFEST, len(content), hashlib.sha256(content).hexdigest(), "application/json")


def _missing(client: S3Client, bucket: str, prefix: str, dataset: DatasetManifest) -> list[DatasetFile]:
    """Return the files that are not there yet, the manifest last.

    Raises:
        PermanentError: the version is published with other content.
    """
    manifest = _manifest_file(dataset)
    missing = [
        file
        for file in track((*dataset.files, manifest), "Looking up what is published")
        if not is_there(client, bucket, f"{prefix}/{file.path}", dataset.directory / file.path, file.sha256)
    ]
    if manifest in missing and exists(client, bucket, f"{prefix}/{MANIFEST}"):
        raise PermanentError(
            f"s3://{bucket}/{prefix}: is published with other content and never changes: give this version another name"
        )
    return missing


def publish_dataset(
    engine: sa.Engine, storage: StorageSettings, dataset: DatasetManifest, *, run_id: str | None = None
) -> PublishCounts:
    """Put a data set on S3 and verify every object; what is there already is not sent again.

    Args:
        engine: the store, for the ledger of publications.
        storage: which object store and bucket. The bucket has to exist.
        dataset: what ``build_dataset`` made.
        run_id: who asked for it.

    Raises:
        PermanentError: refused, or the version is published with other content.
        TransientError: the object store is not reachable or busy.
        AmbiguousError: the connection broke; trying again looks first.
    """
    prefix = f"datasets/{dataset.name}/{dataset.version}"
    subject = f"{dataset.name}/{dataset.version}"
    address = f"s3://{storage.bucket}/{prefix}/{MANIFEST}"
    client = connect(storage)
    missing = _missing(client, storage.bucket, prefix, dataset)
    if missing:
        intend(engine, ledger.DESTINATION, subject, run_id)
    try:
        for file in track(missing, "Publishing the data set"):
            key, path = f"{prefix}/{file.path}", dataset.directory / file.path
            put(client, storage.bucket, key, path, file.sha256, file.media_type)
    except SgobError as error:
        ledger.failed(engine, subject, error, ambiguous=isinstance(error, AmbiguousError))
        raise
    total = len(dataset.files) + 1
    response = {"objects": total, "content_sha256": dataset.content_sha256}
    ledger.published(engine, subject, address, response, run_id)
    return PublishCounts(
        dataset.version, address, len(missing), total - len(missing), sum(file.bytes for file in missing)
    )
