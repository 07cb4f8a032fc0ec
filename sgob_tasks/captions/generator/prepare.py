"""Training data of the generator from captions in COCO's format and the detector's results. No TensorFlow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sgob_tasks.detection.files import write_durably, write_json
from sgob_tasks.errors import InputError

PICTURES_A_SHARD = 1000


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    return digest.hexdigest()


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines whole or not at all."""

    def write(file: Any) -> None:
        for line in lines:
            file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())

    write_durably(path, write)


def picture_lines(
    images: Iterable[Mapping[str, Any]], found: Mapping[Any, Iterable[Mapping[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield the line of each picture (see ``regions``).

    Args:
        images: COCO images with ``sha256`` and, where they are known, ``title, year_from, year_to, forbidden``.
        found: what was found on each, by its ``id``: ``class_name, score, bbox``.
    """
    for image in images:
        line = {name: image[name] for name in ("sha256", "width", "height")}
        line |= {name: image[name] for name in ("title", "year_from", "year_to", "forbidden") if name in image}
        kept = ("class_name", "score", "bbox")
        line["detections"] = [{name: entry[name] for name in kept} for entry in found.get(image["id"], ())]
        yield line


def write_split(folder: Path, captions: Mapping[str, Any], found: Mapping[Any, Iterable[Mapping[str, Any]]]) -> Path:
    """Write a split: its captions, and the pictures' regions in shards.

    Args:
        folder: the split's.
        captions: COCO's caption format; its images have what :func:`picture_lines` takes.
        found: see :func:`picture_lines`.

    Returns:
        ``folder``.
    """
    images = list(captions["images"])
    for number in range(0, max(1, len(images)), PICTURES_A_SHARD):
        path = folder / "regions" / f"{number // PICTURES_A_SHARD:04d}.jsonl"
        write_lines(path, picture_lines(images[number : number + PICTURES_A_SHARD], found))
    kept = [{"id": image["id"], "sha256": image["sha256"]} for image in images]
    write_json(folder / "captions.json", {"images": kept, "annotations": list(captions["annotations"])})
    return folder
