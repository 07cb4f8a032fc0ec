"""Exact masks without pycocotools: boxes and run lengths as COCO defines them."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

Box = tuple[int, int, int, int]


class Rle(TypedDict):
    """COCO's uncompressed run-length encoding.

    ``counts`` are the lengths of alternating runs of 0 and 1, beginning with 0, down the columns from left to right;
    ``size`` is ``[height, width]``.
    """

    size: list[int]
    counts: list[int]


def encode(mask: Mask) -> Rle:
    """Return the run lengths of a boolean mask ``[height, width]``."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.concatenate([[0], edges, [mask.size]])
    counts = np.diff(ends)
    if counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": [int(c) for c in counts]}


def decode(rle: Rle) -> Mask:
    """Return the boolean mask ``[height, width]`` of run lengths."""
    height, width = rle["size"]
    values = np.arange(len(rle["counts"])) % 2 == 1
    return np.repeat(values, rle["counts"]).reshape((height, width), order="F")


def bounding_box(mask: Mask) -> Box:
    """Return the tight COCO box ``(x, y, width, height)`` of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1
