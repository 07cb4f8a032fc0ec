"""From a picture of a source to what is written into a shard: decoded once to be sure, scaled down if wished."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from sgob_tasks.detection.data.coco import instance_area
from sgob_tasks.detection.data.dataset import Instance, Picture, fit_box
from sgob_tasks.detection.masks import decode_mask, encode_mask
from sgob_tasks.detection.pictures import decode_picture
from sgob_tasks.errors import InputError

In = TypeVar("In")
Out = TypeVar("Out")

JPEG_QUALITY = 92
"""Of pictures that are scaled down; colours are kept at full resolution, as thin red lines matter here."""

_EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}


@dataclass(frozen=True)
class EncodedPicture:
    """A picture that is ready to be written.

    Attributes:
        picture: with the size, boxes, areas and masks of what is written.
        content: the encoded picture.
        extension: of its format.
        original: the bytes as they were read.
        mask_errors: what was wrong with masks; those instances have none now.
    """

    picture: Picture
    content: bytes
    extension: str
    original: bytes
    mask_errors: tuple[InputError, ...]


def encode(picture: Picture, max_side: int | None) -> EncodedPicture:
    """Read and check a picture and its masks; scale it where its longer side is more than ``max_side`` pixels.

    A picture that fits keeps its bytes. A scaled one is PNG where it was, else JPEG, and has the extra field
    ``original_size`` (``[width, height]``).

    Raises:
        InputError: the file is missing, cannot be decoded, or is of another size than stated.
    """
    try:
        original = picture.read_bytes()
    except OSError as error:
        raise InputError(picture, "file", picture.file_name, error.strerror or str(error)) from error
    image, name = decode_picture(original, picture)
    if image.size != (picture.width, picture.height):
        reason = f"the data set says {picture.width} x {picture.height}"
        raise InputError(picture, "size", f"{image.width} x {image.height}", reason)
    checked = [_checked(instance, picture, number) for number, instance in enumerate(picture.instances, 1)]
    errors = tuple(error for _, error in checked if error is not None)
    picture = replace(picture, instances=tuple(instance for instance, _ in checked))
    extension = _EXTENSIONS.get(name, name.lower())
    if max_side is None or max(image.size) <= max_side:
        return EncodedPicture(picture, original, extension, original, errors)
    scale = max_side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if name == "PNG":
        small.save(buffer, "PNG")
    else:
        extension = "jpg"
        small.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return EncodedPicture(scaled(picture, *size), buffer.getvalue(), extension, original, errors)


def _checked(instance: Instance, picture: Picture, number: int) -> tuple[Instance, InputError | None]:
    """Return an instance with its area, and what is wrong with its mask, which is then left out."""
    if instance.segmentation is not None:
        try:
            mask = decode_mask(instance.segmentation, picture.width, picture.height, str(picture))
        except InputError as error:
            wrong = InputError(picture, f"box {number}/{error.field}", error.value, error.reason)
            return _checked(replace(instance, segmentation=None), picture, number)[0], wrong
        if not mask.any():
            wrong = InputError(picture, f"box {number}/segmentation", instance.segmentation, "has no pixel")
            return _checked(replace(instance, segmentation=None), picture, number)[0], wrong
    return replace(instance, area=instance_area(instance, picture)), None


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """Return a picture's description at another size, in pixels."""
    x_scale, y_scale = width / picture.width, height / picture.height

    def moved(instance: Instance) -> Instance:
        x, y, w, h = instance.box
        # The tolerance is for rounding only: a box that ends at the edge may end a hair beyond it.
        box = fit_box((x * x_scale, y * y_scale, w * x_scale, h * y_scale), width, height, 1e-3)
        area = None if instance.area is None else instance.area * x_scale * y_scale
        segmentation = instance.segmentation
        if isinstance(segmentation, list):
            factors = (x_scale, y_scale)
            segmentation = [[value * factors[i % 2] for i, value in enumerate(polygon)] for polygon in segmentation]
        elif segmentation is not None:
            segmentation = _scaled_mask(segmentation, picture, width, height)
        return replace(instance, box=box, area=area, segmentation=segmentation)

    instances = tuple(moved(instance) for instance in picture.instances)
    extras = {"original_size": [picture.width, picture.height], **picture.extras}
    return replace(picture, width=width, height=height, instances=instances, extras=extras)


def _scaled_mask(segmentation: Any, picture: Picture, width: int, height: int) -> Any:
    """Return a run-length code at another size: the pixels of which at least half is covered, or else any part."""
    mask = decode_mask(segmentation, picture.width, picture.height, str(picture))
    cover = np.asarray(Image.fromarray(mask * np.uint8(255)).resize((width, height), Image.Resampling.BOX))
    half = cover >= 128
    return encode_mask((half if half.any() else cover > 0).astype(np.uint8))


def in_order(function: Callable[[In], Out], items: Iterable[In], threads: int) -> Iterator[Out]:
    """Apply a function in threads and yield the results in the items' order, few of them ahead of their use.

    Pillow decodes, scales and encodes without Python's lock: threads are enough, and no picture is copied to another
    process. An exception is raised in its item's place; what has not begun then is dropped.
    """
    waiting: deque[Future[Out]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
