"""Writing the tar shards of a data set: the same input gives the same bytes."""

from __future__ import annotations

import json
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from sgob_tasks.detection.data.shards import file_hash

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Sample:
    """One picture, encoded, and what is written beside it.

    Attributes:
        picture_id: of the picture in its split.
        content: the encoded picture.
        extension: of its format, without the dot: ``jpg``, ``png``, ...
        annotations: JSON values for tools that read the tar files alone.
    """

    picture_id: int
    content: bytes
    extension: str
    annotations: dict[str, Any]


class ShardWriter:
    """Writes the shards of one split, as a context manager; the next begins where one would grow too large.

    Attributes:
        shards: of each: ``name, split, bytes, samples, sha256``; complete when the writer is closed.
        rows: of each picture, as ``shards.COLUMNS`` says.
    """

    def __init__(self, folder: Path, split: str, shard_bytes: int) -> None:
        self.shards: list[dict[str, Any]] = []
        self.rows: list[tuple[int, str, int, int, int]] = []
        self._folder, self._split, self._shard_bytes = folder, split, shard_bytes
        self._file: BinaryIO | None = None
        self._count = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def add(self, sample: Sample) -> None:
        """Write one picture and its annotations."""
        key = f"{self._count:08d}"
        self._count += 1
        text = json.dumps(sample.annotations, sort_keys=True, separators=(",", ":"))
        picture = _header(f"{key}.{sample.extension}", len(sample.content))
        beside = _member(f"{key}.json", text.encode("ascii"))
        if self._file is not None and self._file.tell() + len(sample.content) + len(beside) > self._shard_bytes:
            self._finish()
        file = self._file or self._begin()
        file.write(picture)
        offset = file.tell()
        file.write(sample.content + _padding(len(sample.content)) + beside)
        entry = self.shards[-1]
        entry["samples"] += 1
        self.rows.append((sample.picture_id, entry["name"], offset, len(sample.content), zlib.crc32(sample.content)))

    def _begin(self) -> BinaryIO:
        name = f"{self._split}-{len(self.shards):05d}.tar"
        self.shards.append({"name": name, "split": self._split, "bytes": 0, "samples": 0, "sha256": ""})
        self._file = (self._folder / name).open("wb")
        return self._file

    def _finish(self) -> None:
        """End the shard that is being written: a tar file ends with two empty blocks."""
        if self._file is None:
            return
        with self._file as file:
            file.write(bytes(2 * _BLOCK))
            size = file.tell()
        self._file = None
        entry = self.shards[-1]
        entry["bytes"], entry["sha256"] = size, file_hash(self._folder / entry["name"])


def _padding(length: int) -> bytes:
    return bytes(-length % _BLOCK)


def _header(name: str, length: int) -> bytes:
    """Return a tar header without owner and time: they would make every run's bytes its own."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = length, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def _member(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + _padding(len(content))
