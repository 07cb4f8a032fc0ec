"""Instance masks: COCO's run-length code and polygons, small box-relative masks, and back to the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as rle_codec

from sgob_tasks.errors import InputError

Mask = npt.NDArray[np.uint8]


def decode_mask(segmentation: Any, width: int, height: int, source: str) -> Mask:
    """Return the ``[height, width]`` mask (0 or 1) of a COCO segmentation.

    Args:
        segmentation: polygons ``[[x, y, x, y, ...], ...]``, or run lengths ``{"size": [h, w], "counts": ...}`` with
            the counts as a list or as COCO's compressed text.
        width: the picture's, in pixels.
        height: the picture's, in pixels.
        source: where it was read, for messages.

    Raises:
        InputError: the segmentation is neither, or of another picture's size.
    """
    if isinstance(segmentation, list):
        if not segmentation or not all(_is_polygon(polygon) for polygon in segmentation):
            raise InputError(source, "segmentation", segmentation, "must be polygons of three points or more")
        code = rle_codec.merge(rle_codec.frPyObjects(segmentation, height, width))
    else:
        code = _run_lengths(segmentation, width, height, source)
    try:
        return np.asarray(rle_codec.decode(code), np.uint8)
    except ValueError as error:
        raise InputError(source, "segmentation.counts", segmentation["counts"], "is no run-length code") from error


def _is_polygon(value: Any) -> bool:
    """Return whether a value is ``[x, y, x, y, x, y, ...]``."""
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        return False
    return all(isinstance(number, (int, float)) for number in value)


def _run_lengths(segmentation: Any, width: int, height: int, source: str) -> dict[str, Any]:
    """Return a checked run-length code as pycocotools takes it."""
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise InputError(source, "segmentation", segmentation, "must be polygons or a run-length code")
    size, counts = segmentation["size"], segmentation["counts"]
    if size != [height, width]:
        raise InputError(source, "segmentation.size", size, f"must be {[height, width]}")
    if isinstance(counts, str) and counts.isascii():
        return {"size": size, "counts": counts.encode("ascii")}
    whole = isinstance(counts, list) and all(isinstance(count, int) and count >= 0 for count in counts)
    if not whole or sum(counts) != width * height:
        raise InputError(source, "segmentation.counts", counts, f"must be run lengths of {width * height} pixels")
    code: dict[str, Any] = rle_codec.frPyObjects(segmentation, height, width)
    return code


def encode_mask(mask: Mask) -> dict[str, Any]:
    """Return the run-length code of a ``[height, width]`` mask as JSON values: ``{"size": [h, w], "counts": text}``."""
    code = rle_codec.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode("ascii")}


def shrink_mask(mask: Mask, box: tuple[float, float, float, float], side: int) -> Mask:
    """Cut a mask to its box and scale it to ``[side, side]``.

    Args:
        mask: ``[height, width]`` of the picture, 0 or 1.
        box: ``(x, y, width, height)`` in pixels.
        side: side of the result.
    """
    x, y, width, height = box
    picture = Image.fromarray(mask * np.uint8(255))
    cut = picture.resize((side, side), Image.Resampling.BILINEAR, box=_inside(x, y, width, height, picture.size))
    return (np.asarray(cut) >= 128).astype(np.uint8)


def _inside(
    x: float, y: float, width: float, height: float, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) cut to the picture and at least one pixel large."""
    left, top = min(max(x, 0.0), size[0] - 1.0), min(max(y, 0.0), size[1] - 1.0)
    return left, top, min(max(x + width, left + 1.0), size[0]), min(max(y + height, top + 1.0), size[1])


def paste_mask(
    small: npt.NDArray[np.floating[Any]],
    box: tuple[float, float, float, float],
    width: int,
    height: int,
    threshold: float = 0.5,
) -> Mask:
    """Scale a box-relative mask of probabilities to its box and keep what is as probable as a threshold.

    Args:
        small: ``[side, side]``, 0 to 1.
        box: ``(x, y, width, height)`` in pixels.
        width: the picture's, in pixels.
        height: the picture's, in pixels.
        threshold: 0 to 1.

    Returns:
        ``[height, width]`` of 0 and 1.
    """
    left, top, right, bottom = _inside(*box, (width, height))
    x1, y1 = int(np.floor(left)), int(np.floor(top))
    x2, y2 = max(int(np.ceil(right)), x1 + 1), max(int(np.ceil(bottom)), y1 + 1)
    scaled = Image.fromarray(np.asarray(small, np.float32)).resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR)
    result = np.zeros((height, width), np.uint8)
    result[y1:y2, x1:x2] = np.asarray(scaled) >= threshold
    return result
