"""Prepare a data set for training: read any format, check every picture, divide, and write shards.

The result depends on the source and the options only: twice the same input gives the same bytes, and the same hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.data.coco import to_coco
from sgob_tasks.detection.data.dataset import SPLITS, Dataset, Picture
from sgob_tasks.detection.data.encode import EncodedPicture, encode, in_order
from sgob_tasks.detection.data.labels import select_classes
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.detection.data.shards import FORMAT, INDEX, PREPARATION, VERSION, content_hash, file_hash, is_sharded
from sgob_tasks.detection.data.sources import read_metadata, read_source, with_metadata
from sgob_tasks.detection.data.split import divide
from sgob_tasks.detection.data.tar import Sample, ShardWriter
from sgob_tasks.detection.files import write_durably
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track

SHARD_BYTES = 256 << 20
"""Size at which the next shard begins: few files, and several per node to copy at once."""

_WRITING_ORDER = ("test", "val", "train")
"""A picture that is in several splits stays in the first of these: held-out data must not leak into training."""


@dataclass(frozen=True)
class SplitCounts:
    """How much a split holds."""

    pictures: int
    instances: int
    instances_with_mask: int


@dataclass(frozen=True)
class Preparation:
    """What a preparation gave.

    Attributes:
        folder: the sharded data set.
        format: of the source.
        sha256: identifies the data set.
        splits: what each holds.
        classes: names, in the order of the network's classes 1 and up.
        shards: number of tar files.
        total_bytes: of the tar files.
        problems: what was left out and why.
    """

    folder: Path
    format: str
    sha256: str
    splits: Mapping[str, SplitCounts]
    classes: tuple[str, ...]
    shards: int
    total_bytes: int
    problems: Problems

    @property
    def counts(self) -> dict[str, int]:
        """Faults by kind, see ``problems.KINDS``."""
        return dict(self.problems.to_json()["counts"])

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "sha256": self.sha256,
            "splits": {split: asdict(counts) for split, counts in self.splits.items()},
            "classes": list(self.classes),
            "shards": self.shards,
            "bytes": self.total_bytes,
            "left_out": self.problems.to_json(),
        }


def prepare_dataset(
    source: Path,
    out: Path,
    *,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    metadata: Path | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    salt: str = "",
    group: str | None = None,
    max_side: int | None = None,
    strict: bool = False,
    shard_bytes: int = SHARD_BYTES,
    threads: int | None = None,
) -> Preparation:
    """Write a data set in the sharded form (see ``shards``), from Pascal VOC, COCO, VIA or shards.

    A broken picture, box, label or mask is left out and listed. A picture whose bytes are in another split too is left
    out of training.

    Args:
        source: an annotation file or a folder, see ``sources.read_source``.
        out: the folder to write; it appears when all is written, and replaces an earlier data set.
        images: folder of the pictures; by default beside the annotations.
        classes: names to keep, in the network's order; None takes all that occur.
        metadata: CSV with facts about the pictures, see ``sources.read_metadata``.
        val_fraction: share of validation, where the source has no splits of its own.
        test_fraction: share of test, likewise; 0 writes no test split.
        salt: another text gives another division.
        group: field of the pictures (or column of ``metadata``) whose equal values stay in one split.
        max_side: pixels of the longer side above which pictures are scaled down; None keeps all as they are.
        strict: raise at the first fault.
        shard_bytes: size at which the next shard begins.
        threads: how many decode; by default one per core, at most 8.

    Raises:
        InputError: the source is of no known format, holds no picture or box that can be used, or (if ``strict``) has a
            fault; ``out`` holds something else; an option does not fit.
    """
    _check_options(val_fraction, test_fraction, max_side, shard_bytes)
    _check_out(out)
    problems = Problems(strict=strict, base=source if source.is_dir() else source.parent)
    read = read_source(source, images=images, problems=problems)
    splits = dict(read.splits)
    if metadata is not None:
        facts = read_metadata(metadata)
        splits = {split: with_metadata(dataset, facts) for split, dataset in splits.items()}
    if classes is not None:
        splits = {split: select_classes(dataset, classes, problems) for split, dataset in splits.items()}
    splits = divide(splits, val_fraction, test_fraction, salt, group)
    if not any(dataset.instance_count for dataset in splits.values()):
        raise InputError(source, "boxes", 0, f"no box can be used; left out: {dict(problems.counts)}")
    part = out.parent / f".{out.name}.{uuid.uuid4().hex}.part"
    part.mkdir(parents=True)
    try:
        written = _write(splits, part, problems, max_side, shard_bytes, threads or min(8, os.cpu_count() or 1))
        index = _index(written, max_side)
        options = {"val": val_fraction, "test": test_fraction, "salt": salt, "group": group, "max_side": max_side}
        about = {"source": source.name, "format": read.format, "options": options, "left_out": problems.to_json()}
        _write_compact(part / PREPARATION, about)
        _write_compact(part / INDEX, index)
        _publish(part, out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    names = tuple(entry["name"] for entry in index["classes"])
    counts = {split: one.counts for split, one in written.items()}
    size = sum(entry["bytes"] for entry in index["shards"])
    return Preparation(out, read.format, index["sha256"], counts, names, len(index["shards"]), size, problems)


def _check_options(val: float, test: float, max_side: int | None, shard_bytes: int) -> None:
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise InputError("options", "val, test", [val, test], "must be shares whose sum is below 1")
    if max_side is not None and max_side < 32:
        raise InputError("options", "max_side", max_side, "must be 32 pixels or more")
    if shard_bytes < 1:
        raise InputError("options", "shard_bytes", shard_bytes, "must be positive")


def _check_out(out: Path) -> None:
    """Refuse to replace anything but an earlier data set."""
    if out.exists() and not is_sharded(out) and (not out.is_dir() or any(out.iterdir())):
        raise InputError(out, "folder", out.name, "holds something else than a sharded data set: choose another")


@dataclass(frozen=True)
class _Written:
    """A split as it was written."""

    dataset: Dataset
    annotations_sha256: str
    shards: list[dict[str, Any]]
    rows: list[tuple[int, str, int, int, int]]

    @property
    def counts(self) -> SplitCounts:
        data = self.dataset
        return SplitCounts(len(data.pictures), data.instance_count, data.instances_with_mask)


def _write(
    splits: Mapping[str, Dataset],
    folder: Path,
    problems: Problems,
    max_side: int | None,
    shard_bytes: int,
    threads: int,
) -> dict[str, _Written]:
    """Write shards and annotations of all splits; return what was written by split."""
    seen: dict[bytes, tuple[str, str]] = {}
    written: dict[str, _Written] = {}
    for split in (name for name in _WRITING_ORDER if name in splits):
        dataset, kept = splits[split], []
        with ShardWriter(folder, split, shard_bytes) as writer:
            pictures = _encoded(dataset.pictures, problems, max_side, threads)
            for one in track(pictures, f"Writing {split}", len(dataset.pictures)):
                if one is None or _leaks(one, split, seen, problems):
                    continue
                writer.add(_sample(dataset, one))
                kept.append(one.picture)
        result = replace(dataset, pictures=tuple(kept))
        _write_compact(folder / f"{split}.json", to_coco(result))
        written[split] = _Written(result, file_hash(folder / f"{split}.json"), writer.shards, writer.rows)
    return {split: written[split] for split in SPLITS if split in written}


def _encoded(
    pictures: Sequence[Picture], problems: Problems, max_side: int | None, threads: int
) -> Iterator[EncodedPicture | None]:
    """Yield the encoded pictures in order; None for one that is left out."""

    def attempt(picture: Picture) -> EncodedPicture | InputError:
        try:
            return encode(picture, max_side)
        except InputError as error:
            return error

    for result in in_order(attempt, pictures, threads):
        if isinstance(result, InputError):
            problems.report("picture", result)
            yield None
            continue
        for error in result.mask_errors:
            problems.report("mask", error)
        yield result


def _leaks(one: EncodedPicture, split: str, seen: dict[bytes, tuple[str, str]], problems: Problems) -> bool:
    """Tell whether the same file is in another split already."""
    digest = hashlib.sha256(one.original).digest()
    before, name = seen.setdefault(digest, (split, one.picture.file_name))
    if before == split:
        return False
    reason = f"the same picture is in {before} as {name}"
    problems.report("duplicate", InputError(one.picture.path, split, one.picture.file_name, reason))
    return True


def _sample(dataset: Dataset, one: EncodedPicture) -> Sample:
    """Return a picture with its annotations as they stand beside it in the tar file."""
    document = to_coco(replace(dataset, pictures=(one.picture,)))
    names = dict(zip(dataset.category_ids, dataset.classes, strict=True))
    annotations = [entry | {"category": names[entry["category_id"]]} for entry in document["annotations"]]
    beside = document["images"][0] | {"annotations": annotations}
    return Sample(one.picture.picture_id, one.content, one.extension, beside)


def class_map(dataset: Dataset) -> list[dict[str, Any]]:
    """Return what is known of each class: the names of other vocabularies, and the year of its first appearance."""
    table = ClassTable.load()
    kinds = dataset.supercategories or ("",) * len(dataset.classes)
    rows: list[dict[str, Any]] = []
    for index, (name, category, kind) in enumerate(zip(dataset.classes, dataset.category_ids, kinds, strict=True), 1):
        known = table.get(name)
        rows.append(
            {
                "index": index,
                "id": category,
                "name": name,
                "supercategory": known.super_category if known else kind,
                "wikidata_qid": known.wikidata_qid if known else "",
                "iconclass": known.iconclass if known else "",
                "first_appearance_year": known.first_appearance_year if known else None,
            }
        )
    return rows


def _index(written: Mapping[str, _Written], max_side: int | None) -> dict[str, Any]:
    first = next(iter(written.values())).dataset
    index: dict[str, Any] = {"format": FORMAT, "version": VERSION, "max_side": max_side, "classes": class_map(first)}
    index["splits"] = {
        split: asdict(part.counts) | {"annotations_sha256": part.annotations_sha256} for split, part in written.items()
    }
    index["shards"] = [shard for part in written.values() for shard in part.shards]
    index["samples"] = {split: [list(row) for row in part.rows] for split, part in written.items()}
    index["sha256"] = content_hash(index)
    return index


def _write_compact(path: Path, value: Any) -> None:
    content = (json.dumps(value, separators=(",", ":")) + "\n").encode("ascii")
    write_durably(path, lambda file: file.write(content))


def _publish(part: Path, out: Path) -> None:
    """Give the finished folder its name; an earlier data set is put aside first, and deleted last."""
    aside = part.with_suffix(".old")
    if out.exists():
        out.rename(aside)
    part.rename(out)
    shutil.rmtree(aside, ignore_errors=True)
