"""Areas of run-length encoded masks, without pycocotools: the control plane does not have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sgob_tasks.errors import InputError


def run_lengths(counts: str, source: object = "mask") -> list[int]:
    """Decode COCO's compressed run lengths: base-32 digits from ``0`` on, low digit first, bit 5 set while more follow.

    From the fourth run on a number is the difference to the run two before it (cocoapi, ``rleFrString``).

    Raises:
        InputError: the text ends within a number or holds other characters.
    """
    runs: list[int] = []
    position = 0
    while position < len(counts):
        value, shift, more = 0, 0, True
        while more:
            digit = ord(counts[position]) - 48 if position < len(counts) else -1
            if not 0 <= digit < 64:
                raise InputError(source, "mask.counts", counts, f"no run-length digit at position {position}")
            value |= (digit & 0x1F) << shift
            more = bool(digit & 0x20)
            position += 1
            shift += 5
            if not more and digit & 0x10:
                value |= -1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
    return runs


def mask_area(mask: Mapping[str, Any], source: object = "mask") -> int:
    """Return the pixels of a mask ``{"size": [height, width], "counts": compressed text or list}``.

    Args:
        mask: run-length encoding, columns first, beginning with background.
        source: what the mask belongs to, for the error.

    Raises:
        InputError: the runs do not cover the mask.
    """
    height, width = mask["size"]
    counts = mask["counts"]
    runs = run_lengths(counts, source) if isinstance(counts, str) else [int(run) for run in counts]
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise InputError(source, "mask.counts", counts, f"the runs do not add up to {height} x {width} pixels")
    return sum(runs[1::2])
