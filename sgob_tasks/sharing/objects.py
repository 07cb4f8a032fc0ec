"""Objects in an S3-compatible store: put once, verified, with the errors of boto3 turned into our three classes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sgob_tasks.errors import AmbiguousError, PermanentError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from sgob_tasks.config import StorageSettings

PART_BYTES = 64 * 2**20
"""Larger files are sent in parts of this size (S3 takes at most 10,000 parts and 5 GiB in one piece)."""

_TRANSIENT = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "ThrottlingException", "Throttling",
     "RequestLimitExceeded", "TooManyRequests", "OperationAborted", "RequestTimeTooSkewed"}
)  # fmt: skip
_HTTP_TIMEOUT, _HTTP_TOO_MANY, _HTTP_SERVER = 408, 429, 500


@contextmanager
def s3_errors(what: str, *, writes: bool = False) -> Iterator[None]:
    """Turn errors of boto3 into ours.

    Args:
        what: what is being done, for the message.
        writes: whether a lost answer leaves it open if something was written.

    Raises:
        PermanentError: refused (credentials, bucket, permission, request).
        TransientError: the service is not reachable or busy.
        AmbiguousError: the connection broke while something was written.
    """
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "?"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        message = f"{what}: {code} (HTTP {status}): {error.response.get('Error', {}).get('Message', '')}"
        if code in _TRANSIENT or status in {_HTTP_TIMEOUT, _HTTP_TOO_MANY} or status >= _HTTP_SERVER:
            raise TransientError(message) from error
        raise PermanentError(message) from error
    except (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError) as error:
        raise TransientError(f"{what}: not reachable: {error}") from error
    except (aws.HTTPClientError, aws.IncompleteReadError) as error:
        kind = AmbiguousError if writes else TransientError
        raise kind(f"{what}: the connection broke: {error}") from error
    except (aws.BotoCoreError, Boto3Error) as error:
        raise PermanentError(f"{what}: {error}") from error


def connect(storage: StorageSettings) -> S3Client:
    """Return a client of the configured store; without keys in the settings boto3 looks for its own credentials."""
    import boto3
    from botocore.config import Config

    key, secret = storage.access_key.get_secret_value(), storage.secret_key.get_secret_value()
    with s3_errors("setting up S3"):
        return boto3.client(
            "s3",
            endpoint_url=storage.endpoint_url,
            region_name=storage.region,
            aws_access_key_id=key or None,
            aws_secret_access_key=secret or None,
            config=Config(
                connect_timeout=10,
                read_timeout=120,
                retries={"mode": "standard", "total_max_attempts": 3},
                # Names in the path work with every store that is not Amazon's; newer checksums do not.
                s3={"addressing_style": "path" if storage.endpoint_url else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


def etag(path: Path) -> str:
    """Return the ETag that S3 gives a file sent by ``put``: MD5, or the MD5 of the parts' MD5s and their number."""
    parts = []
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    if path.stat().st_size < PART_BYTES:
        return (parts[0] if parts else hashlib.md5(b"", usedforsecurity=False).digest()).hex()
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def _head(client: S3Client, bucket: str, key: str) -> HeadObjectOutputTypeDef | None:
    from botocore.exceptions import ClientError

    with s3_errors(f"looking up s3://{bucket}/{key}"):
        try:
            return client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise


def exists(client: S3Client, bucket: str, key: str) -> bool:
    """Say whether there is an object of this name, whatever it holds."""
    return _head(client, bucket, key) is not None


def is_there(client: S3Client, bucket: str, key: str, path: Path, sha256: str) -> bool:
    """Say whether an object holds exactly this file: size, SHA-256 in its metadata, and ETag where it is a checksum.

    Raises:
        PermanentError, TransientError: see ``s3_errors``.
    """
    head = _head(client, bucket, key)
    if head is None:
        return False
    # Under KMS or customer keys the ETag is no checksum of the content.
    checksum = not head.get("SSECustomerAlgorithm") and not str(head.get("ServerSideEncryption", "")).startswith("aws:")
    return (
        head["ContentLength"] == path.stat().st_size
        and head["Metadata"].get("sha256") == sha256
        and (not checksum or head["ETag"].strip('"') == etag(path))
    )


def put(client: S3Client, bucket: str, key: str, path: Path, sha256: str, media_type: str) -> None:
    """Send a file and read back what arrived.

    Raises:
        PermanentError: refused, or the file is not what its checksum says.
        TransientError: not reachable, busy, or something else arrived.
        AmbiguousError: the connection broke on the way.
    """
    from boto3.s3.transfer import TransferConfig

    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise PermanentError(f"{path}: is not the file that was built (SHA-256 differs): build the data set again")
    metadata = {"sha256": sha256}
    what = f"putting s3://{bucket}/{key}"
    with s3_errors(what, writes=True):
        if path.stat().st_size < PART_BYTES:
            content = path.read_bytes()
            client.put_object(
                Bucket=bucket,
                Key=key,
                Body=content,
                ContentType=media_type,
                Metadata=metadata,
                ContentMD5=base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
            )
        else:
            client.upload_file(
                str(path),
                bucket,
                key,
                ExtraArgs={"ContentType": media_type, "Metadata": metadata},
                Config=TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES),
            )
    if not is_there(client, bucket, key, path, sha256):
        raise TransientError(f"{what}: what is there now is not what was sent")
