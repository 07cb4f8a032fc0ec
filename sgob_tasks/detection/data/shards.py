"""The sharded form of a data set, as training reads it: a few large files, any picture at any time.

A folder holds::

    index.json             format, classes, splits, shards with their SHA-256, place of every picture, one hash of all
    train.json, val.json   annotations in COCO's format, as without shards
    train-00000.tar, ...   uncompressed tar files: <key>.jpg and <key>.json per picture, the WebDataset convention
    preparation.json       what it was made from and what was left out; not part of the hash

A parallel file system (GPFS) serves few large files well and many small ones badly. A picture is one ``pread`` of its
place in a shard: nothing is unpacked, and the order is free. The tar files alone are a complete data set for tools
that read WebDataset (https://github.com/webdataset/webdataset). :func:`open_split` also opens the form without shards
(``train.json``, ``val.json``, ``images/``).
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgob_tasks.detection.data.coco import read_coco
from sgob_tasks.detection.data.dataset import SPLITS, Dataset, Picture
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError

INDEX = "index.json"
PREPARATION = "preparation.json"
FORMAT, VERSION = "sgob-detection-shards", 1
COLUMNS = ("id", "shard", "offset", "length", "crc32")
"""Of a picture's row in the index: its id, its shard's name, where its bytes begin there, how many, their CRC-32."""

_CHUNK = 1 << 22


class Shard:
    """One tar file, opened when first read; any thread may read, and a forked or unpickled copy too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset`` on; fewer at the end of the file.

        Raises:
            InputError: the shard cannot be read.
        """
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            content = os.pread(self._descriptor, length, offset)
            while len(content) < length:  # a read may be cut short, by a signal or a file system
                more = os.pread(self._descriptor, length - len(content), offset + len(content))
                if not more:
                    break
                content += more
        except OSError as error:
            raise InputError(self.path, "shard", self.path.name, error.strerror or str(error)) from error
        return content

    def __getstate__(self) -> dict[str, Any]:
        """Leave the descriptor behind: it means nothing in another process."""
        return {"path": self.path, "_descriptor": None}

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


@dataclass(frozen=True)
class ShardSlice:
    """Where a picture is in a shard: ``offset`` and ``length`` in bytes, and the CRC-32 of its bytes."""

    shard: Shard
    offset: int
    length: int
    crc32: int

    def read_bytes(self) -> bytes:
        """Return the encoded picture.

        Raises:
            InputError: the shard is missing, cut short or damaged here.
        """
        content = self.shard.read(self.offset, self.length)
        if len(content) < self.length:
            raise InputError(self.shard.path, "length", len(content), f"cut short: {self} has {self.length} bytes")
        if zlib.crc32(content) != self.crc32:
            raise InputError(self.shard.path, "crc32", zlib.crc32(content), f"damaged at bytes {self._range}")
        return content

    @property
    def _range(self) -> str:
        return f"{self.offset} to {self.offset + self.length}"

    def __str__(self) -> str:
        """Return the shard and the place in it."""
        return f"{self.shard.path} [{self._range}]"


def is_sharded(folder: Path) -> bool:
    """Return whether a folder is a data set in shards."""
    return (folder / INDEX).is_file()


def content_hash(index: dict[str, Any]) -> str:
    """Return the SHA-256 of an index without its hash: as it holds the hashes of all files, it is that of the data."""
    rest = {name: value for name, value in index.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_index(folder: Path) -> dict[str, Any]:
    """Return the index of a sharded folder, checked.

    Raises:
        InputError: it is missing, of another format or version, or was changed.
    """
    path = folder / INDEX
    index = load_json(path)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise InputError(path, "format", index.get("format") if isinstance(index, dict) else index, f"must be {FORMAT}")
    if index.get("version") != VERSION:
        raise InputError(path, "version", index.get("version"), f"must be {VERSION}: prepare the data set again")
    if index.get("sha256") != content_hash(index):
        raise InputError(path, "sha256", index.get("sha256"), "is not the hash of the index: the file was changed")
    return index


def split_names(folder: Path) -> tuple[str, ...]:
    """Return the splits that a folder holds, in or without shards.

    Raises:
        InputError: it holds none.
    """
    if is_sharded(folder):
        return tuple(split for split in SPLITS if split in read_index(folder)["splits"])
    found = tuple(split for split in SPLITS if (folder / f"{split}.json").is_file())
    if not found:
        raise InputError(folder, INDEX, None, "the folder holds neither a sharded data set nor train.json")
    return found


def dataset_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that make up a prepared data set, relative to its folder: what to copy to use it elsewhere.

    Raises:
        InputError: the folder holds no prepared data set.
    """
    names = [f"{split}.json" for split in split_names(folder)]
    if not is_sharded(folder):
        pictures = (path.relative_to(folder) for path in sorted((folder / "images").rglob("*")) if path.is_file())
        return (*map(Path, names), *pictures)
    names += [INDEX, *(entry["name"] for entry in read_index(folder)["shards"])]
    names += [PREPARATION] if (folder / PREPARATION).is_file() else []
    return tuple(map(Path, names))


def open_split(folder: Path, split: str, classes: tuple[str, ...] | None = None) -> Dataset:
    """Open one split of a prepared data set: sharded, or ``train.json`` and ``val.json`` besides ``images/``.

    Of the shards only the size is looked at here; each picture's bytes are checked when they are read.

    Args:
        folder: the data set.
        split: ``train``, ``val`` or ``test``.
        classes: names to use, in this order; None takes all.

    Returns:
        The data set; its ``source`` is the split's COCO file, the truth for an evaluation.

    Raises:
        InputError: the folder, the split or a class is not there, or a file does not hold; a shard is named.
    """
    source = folder / f"{split}.json"
    if not is_sharded(folder):
        if split not in split_names(folder):
            raise InputError(folder, "split", split, f"there are {', '.join(split_names(folder))}")
        return read_coco(source, folder / "images", classes)
    index = read_index(folder)
    if split not in index["splits"]:
        raise InputError(folder / INDEX, "split", split, f"there are {', '.join(index['splits'])}")
    shards = {entry["name"]: Shard(folder / entry["name"]) for entry in index["shards"] if entry["split"] == split}
    for entry in index["shards"]:
        if entry["split"] == split:
            _check_size(folder / entry["name"], entry["bytes"])
    places = {
        picture_id: ShardSlice(shards[shard], offset, length, crc32)
        for picture_id, shard, offset, length, crc32 in index["samples"][split]
    }
    dataset = read_coco(source, folder, classes)
    return replace(dataset, pictures=tuple(_stored(picture, places, source) for picture in dataset.pictures))


def _stored(picture: Picture, places: dict[int, ShardSlice], source: Path) -> Picture:
    place = places.get(picture.picture_id)
    if place is None:
        raise InputError(source, "images", picture.picture_id, f"is in no shard: {INDEX} is of another data set")
    return replace(picture, path=place.shard.path, stored=place)


def _check_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise InputError(path, "shard", path.name, error.strerror or str(error)) from error
    if found != size:
        word = "cut short" if found < size else "too long"
        raise InputError(path, "bytes", found, f"the shard is {word}: the index says {size}")


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    return digest.hexdigest()


def verify(folder: Path) -> Iterator[InputError]:
    """Compare every file of a sharded data set with the index; yield what differs. Reads all of it.

    Raises:
        InputError: the index itself does not hold.
    """
    index = read_index(folder)
    expected = {entry["name"]: entry["sha256"] for entry in index["shards"]}
    expected |= {f"{split}.json": entry["annotations_sha256"] for split, entry in index["splits"].items()}
    for name, digest in sorted(expected.items()):
        try:
            found = file_hash(folder / name)
        except InputError as error:
            yield error
            continue
        if found != digest:
            yield InputError(folder / name, "sha256", found, f"the file is damaged or changed: must be {digest}")


def data_hash(folder: Path) -> str:
    """Return the SHA-256 that identifies a prepared data set, for the registry of models.

    Sharded, it is the index's, which holds the hashes of all files. Else it is made of the path, the size and the
    SHA-256 of each of ``dataset_files``, in the order of the paths.

    Raises:
        InputError: the folder holds no prepared data set, or a file cannot be read.
    """
    if is_sharded(folder):
        return str(read_index(folder)["sha256"])
    whole = hashlib.sha256()
    for path in sorted(dataset_files(folder), key=Path.as_posix):
        digest = file_hash(folder / path)
        whole.update(f"{path.as_posix()}\0{(folder / path).stat().st_size}\0{digest}\n".encode())
    return whole.hexdigest()
