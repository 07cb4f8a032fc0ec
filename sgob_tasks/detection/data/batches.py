"""Training batches: every rank its share, in an order that depends on seed and epoch only, prepared ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.boxes import Array, normalise, xywh_to_corners
from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.data.augmentation import Augmentation, augment
from sgob_tasks.detection.data.coco import Dataset, Picture
from sgob_tasks.detection.masks import decode_mask, shrink_mask
from sgob_tasks.detection.pictures import Pixels, into_square, load_picture
from sgob_tasks.errors import InputError

T = TypeVar("T")

CACHE_BYTES = 1 << 30
"""A rank keeps its decoded pictures in memory while they need less than this."""


@dataclass(frozen=True)
class Example:
    """One picture, ready but for augmentation.

    Attributes:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in square pixels.
        classes: ``[N]``: 1 and up, -1 for a crowd region.
        masks: ``[N, m, m]`` relative to the boxes.
        has_mask: ``[N]`` 1 where the mask is known.
    """

    pixels: Pixels
    boxes: Array
    classes: npt.NDArray[np.int32]
    masks: npt.NDArray[np.uint8]
    has_mask: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """What one training step reads; see ``targets.Instances`` for the shapes. ``masks`` are uint8 here."""

    images: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int32]
    masks: npt.NDArray[np.uint8]
    has_mask: npt.NDArray[np.float32]


def load_example(picture: Picture, config: DetectorConfig) -> Example:
    """Read a picture and its instances.

    Raises:
        InputError: the file cannot be decoded, or has another size than the data set says.
    """
    pixels = load_picture(picture.path)
    if pixels.shape[:2] != (picture.height, picture.width):
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(picture.path, "size", size, f"the data set says {picture.width} x {picture.height}")
    square, placement = into_square(pixels, config.image_size)
    count, side = len(picture.instances), config.mini_mask
    masks = np.zeros((count, side, side), np.uint8)
    has_mask = np.zeros(count, np.float32)
    for index, instance in enumerate(picture.instances):
        if instance.segmentation is not None and not instance.crowd:
            full = decode_mask(instance.segmentation, picture.width, picture.height, str(picture.path))
            masks[index] = shrink_mask(full, instance.box, side)
            has_mask[index] = 1.0
    boxes = xywh_to_corners(np.array([instance.box for instance in picture.instances]).reshape(-1, 4))
    classes = np.array([-1 if i.crowd else i.class_index for i in picture.instances], np.int32)
    return Example(square, placement.to_square(boxes), classes, masks, has_mask)


def epoch_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.intp]:
    """Return the pictures' order in an epoch: the same on every rank."""
    return np.random.default_rng([seed, epoch]).permutation(count)


class Batches:
    """The training batches of one rank.

    A step's global batch is the next ``batch_size * size`` pictures of the epoch's order; rank r takes every
    ``size``-th of them. The order runs through the ends of epochs, so that every batch is full and every picture is
    seen.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: DetectorConfig,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        size: int = 1,
        augmentation: Augmentation | None = None,
    ) -> None:
        if not dataset.pictures:
            raise InputError(dataset.source, "images", [], "there is no picture to train on")
        self._dataset, self._config, self._augmentation = dataset, config, augmentation
        self._batch_size, self._seed, self._rank, self._size = batch_size, seed, rank, size
        self._cache: dict[int, Example] = {}
        self._cache_all = len(dataset.pictures) * config.image_size**2 * 3 < CACHE_BYTES

    @property
    def steps_per_epoch(self) -> float:
        """Number of steps in which every picture is seen once, on average."""
        return len(self._dataset.pictures) / (self._batch_size * self._size)

    def _example(self, index: int) -> Example:
        if index not in self._cache:
            example = load_example(self._dataset.pictures[index], self._config)
            if not self._cache_all:
                return example
            self._cache[index] = example
        return self._cache[index]

    def _picture_at(self, position: int) -> int:
        count = len(self._dataset.pictures)
        epoch, place = divmod(position, count)
        return int(epoch_order(count, self._seed, epoch)[place])

    def batch(self, step: int) -> Batch:
        """Return the batch of a step (0 and up): always the same one, so that a resumed training goes on exactly."""
        config, size = self._config, self._batch_size
        side, mini, most = config.image_size, config.mini_mask, config.max_instances
        images = np.zeros((size, side, side, 3), np.uint8)
        boxes = np.zeros((size, most, 4), np.float32)
        classes = np.zeros((size, most), np.int32)
        masks = np.zeros((size, most, mini, mini), np.uint8)
        has_mask = np.zeros((size, most), np.float32)
        for place in range(size):
            position = (step * size + place) * self._size + self._rank
            example = self._example(self._picture_at(position))
            rng = np.random.default_rng([self._seed, position])
            pixels, corners, small = example.pixels, example.boxes, example.masks
            if self._augmentation is not None:
                pixels, corners, small = augment(pixels, corners, small, self._augmentation, rng)
            # More instances than places: each time others, so that none is never learnt.
            chosen = rng.permutation(len(corners))[:most] if len(corners) > most else np.arange(len(corners))
            images[place] = pixels
            boxes[place, : len(chosen)] = normalise(corners[chosen], side)
            classes[place, : len(chosen)] = example.classes[chosen]
            masks[place, : len(chosen)] = small[chosen]
            has_mask[place, : len(chosen)] = example.has_mask[chosen]
        return Batch(images, boxes, classes, masks, has_mask)

    def steps(self, first: int) -> Iterator[Batch]:
        """Yield the batches of steps ``first``, ``first + 1``, ... without end."""
        step = first
        while True:
            yield self.batch(step)
            step += 1


def prefetch(items: Iterable[T], depth: int = 3) -> Iterator[T]:
    """Yield ``items`` while a thread prepares the next ones; its errors are raised here."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.2)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - handed over to the consumer, which raises it
            put((None, error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # None only comes with an error
    finally:
        stopped.set()
        thread.join()
