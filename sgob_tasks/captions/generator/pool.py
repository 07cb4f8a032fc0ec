"""``python -m sgob_tasks.captions.generator.pool``: write the detector's features of a shard's regions beside it.

Reads a shard of regions (``.jsonl``, see ``regions``; its lines name the pictures' files) and a detector; writes the
``.npz`` file of the same name, whole or not at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.captions.generator.prepare import file_sha256
from sgob_tasks.captions.generator.regions import Picture, read_pictures, write_features
from sgob_tasks.detection.options import Command
from sgob_tasks.detection.program import run_program
from sgob_tasks.errors import InputError

if TYPE_CHECKING:
    from sgob_tasks.detection.inference.pooling import Features, RegionPooler

POOL = Command(
    "pool",
    "sgob_tasks.captions.generator.pool",
    "write the detector's features of a shard's regions beside it",
    __doc__ or "",
    {
        "--model": {"type": Path, "required": True, "metavar": "DIR", "help": "the detector: model.json, weights.h5"},
        "--images": {"type": Path, "required": True, "metavar": "DIR", "help": "where the lines' files are"},
        "--in": {
            "type": Path,
            "required": True,
            "metavar": "FILE.jsonl",
            "help": "the shard",
        },
        "--batch-size": {"type": int, "default": 8, "metavar": "N", "help": "pictures at a time (default: 8)"},
        "--json": {"action": "store_true", "help": "print the result as JSON"},
    },
)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(POOL, _work, lambda done: f"{done['regions']} regions of {done['pictures']} pictures", arguments)


def _work(parsed: argparse.Namespace) -> tuple[Any, int]:
    return pool_shard(getattr(parsed, "in"), parsed.model, parsed.images, batch_size=parsed.batch_size), 0


def pool_shard(
    shard: Path,
    detector: Path,
    images: Path,
    *,
    batch_size: int = 8,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, int] | None:
    """Write the features of a shard's regions beside it.

    Args:
        shard: the ``.jsonl`` file.
        detector: folder of the model.
        images: what the lines' ``file`` is relative to.
        batch_size: pictures at a time.
        stop: asked before every batch.

    Returns:
        how many ``pictures`` and ``regions``; None where it was stopped: nothing is written then.

    Raises:
        InputError: a file is missing or does not fit. (A picture that the detector read can be read again.)
    """
    from sgob_tasks.detection.inference.pooling import RegionPooler
    from sgob_tasks.detection.weights.model_files import load_model

    model, _ = load_model(detector)
    pooler = RegionPooler(model, batch_size=batch_size)
    entries: list[tuple[str, Features]] = []
    for batch in _batches(shard, batch_size):
        if stop():
            return None
        entries += _pooled(pooler, batch, images)
    write_features(shard.with_suffix(".npz"), entries, {"detector_sha256": file_sha256(detector / "weights.h5")})
    return {"pictures": len(entries), "regions": sum(len(values) for _, values in entries)}


def _batches(shard: Path, size: int) -> Iterator[list[Picture]]:
    pictures = read_pictures(shard)
    while batch := list(islice(pictures, size)):
        yield batch


def _pooled(pooler: RegionPooler, batch: list[Picture], images: Path) -> list[tuple[str, Features]]:
    from sgob_tasks.detection.pictures import load_picture

    nameless = next((picture for picture in batch if not picture.file), None)
    if nameless is not None:
        raise InputError(nameless.sha256, "file", "", "names no picture to pool features from")
    pixels = [load_picture(images / picture.file) for picture in batch]
    found = pooler.features(pixels, [[region.box for region in picture.regions] for picture in batch])
    return [(picture.sha256, values) for picture, values in zip(batch, found, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
