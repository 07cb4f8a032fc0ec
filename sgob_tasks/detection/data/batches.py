"""Training batches: every rank its share, in an order that depends on seed and epoch only, prepared ahead.

What a picture looks like in an epoch (its augmentation, its sampled regions) depends on seed, epoch and picture, not on
the rank that has it or on the size of the parts: a training may go on with another number of ranks.
"""

from __future__ import annotations

import math
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
    """A part of a batch, of one rank; see ``targets.Instances`` for the shapes. ``masks`` are uint8 here.

    Attributes:
        images: ``[m, S, S, 3]``.
        weights: ``[m]``: 1 for a picture of the batch, 0 for one that only fills the part.
        seeds: ``[m, 2]`` int32, of the sampling of each picture.
    """

    images: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int32]
    masks: npt.NDArray[np.uint8]
    has_mask: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    seeds: npt.NDArray[np.int32]


def load_example(picture: Picture, config: DetectorConfig, box_masks: bool = False) -> Example:
    """Read a picture and its instances.

    Args:
        picture: which.
        config: sides of the square and of the masks.
        box_masks: an instance without a mask counts as a filled box.

    Raises:
        InputError: the file cannot be decoded, or has another size than the data set says.
    """
    pixels = load_picture(picture)
    if pixels.shape[:2] != (picture.height, picture.width):
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(picture, "size", size, f"the data set says {picture.width} x {picture.height}")
    square, placement = into_square(pixels, config.image_size)
    count, side = len(picture.instances), config.mini_mask
    masks = np.zeros((count, side, side), np.uint8)
    has_mask = np.zeros(count, np.float32)
    for index, instance in enumerate(picture.instances):
        if instance.segmentation is not None and not instance.crowd:
            full = decode_mask(instance.segmentation, picture.width, picture.height, str(picture))
            masks[index] = shrink_mask(full, instance.box, side)
            has_mask[index] = 1.0
        elif box_masks and not instance.crowd:
            masks[index] = has_mask[index] = 1
    boxes = xywh_to_corners(np.array([instance.box for instance in picture.instances]).reshape(-1, 4))
    classes = np.array([-1 if i.crowd else i.class_index for i in picture.instances], np.int32)
    return Example(square, placement.to_square(boxes), classes, masks, has_mask)


def epoch_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.intp]:
    """Return the pictures' order in an epoch: the same on every rank."""
    return np.random.default_rng([seed, epoch]).permutation(count)


class Batches:
    """The batches of one rank.

    An epoch's pictures, in the epoch's order, are cut into global batches; the last is what is left. Of a global batch
    rank r takes every ``size``-th picture, and goes through its own in parts of ``batch_size``. All ranks have as many
    parts, of the same shape: places that stay free are filled with pictures that count nothing.

    Args:
        dataset: the pictures.
        config: sides of the square and of the masks, most instances of a picture.
        batch_size: pictures of a part.
        seed: of order, augmentation and sampling.
        global_batch_size: pictures of one update on all ranks; 0 for one part on each rank.
        rank: this process.
        size: number of processes.
        augmentation: how far pictures are changed; None for not at all.
        box_masks: an instance without a mask counts as a filled box.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: DetectorConfig,
        *,
        batch_size: int,
        seed: int,
        global_batch_size: int = 0,
        rank: int = 0,
        size: int = 1,
        augmentation: Augmentation | None = None,
        box_masks: bool = False,
    ) -> None:
        if not dataset.pictures:
            raise InputError(dataset.source, "images", [], "there is no picture to train on")
        self._dataset, self._config, self._augmentation = dataset, config, augmentation
        self._batch_size, self._seed, self._rank, self._size = batch_size, seed, rank, size
        self._global_batch_size = global_batch_size or batch_size * size
        self._box_masks = box_masks
        self._cache: dict[int, Example] = {}
        self._cache_all = len(dataset.pictures) * config.image_size**2 * 3 < CACHE_BYTES

    @property
    def steps_per_epoch(self) -> int:
        """Number of updates in which every picture is seen once."""
        return math.ceil(len(self._dataset.pictures) / self._global_batch_size)

    def pictures(self, step: int) -> npt.NDArray[np.intp]:
        """Return the global batch of a step (0 and up), as places in the data set."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = epoch_order(len(self._dataset.pictures), self._seed, epoch)
        return order[place * self._global_batch_size :][: self._global_batch_size]

    def share(self, step: int) -> float:
        """Return how large a step's batch is, as a share of a whole one: less than 1 at the end of an epoch."""
        return len(self.pictures(step)) / min(self._global_batch_size, len(self._dataset.pictures))

    def parts(self, step: int) -> int:
        """Return the number of parts of a step, the same on every rank."""
        return math.ceil(math.ceil(len(self.pictures(step)) / self._size) / self._batch_size)

    def places(self, step: int, number: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        """Return what a part (0 and up) of a step holds: ``[m]`` places in the data set, and ``[m]`` their weights."""
        whole = self.pictures(step)
        mine = whole[self._rank :: self._size][number * self._batch_size :][: self._batch_size]
        # Free places are filled with pictures that are there anyway: batch norm, where it is learnt, sees no zeros.
        filled = np.resize(mine if len(mine) else whole, self._batch_size)
        return filled, (np.arange(self._batch_size) < len(mine)).astype(np.float32)

    def part(self, step: int, number: int) -> Batch:
        """Return a part of a step: always the same one, so that a resumed training goes on exactly."""
        config, size = self._config, self._batch_size
        side, mini, most = config.image_size, config.mini_mask, config.max_instances
        filled, weights = self.places(step, number)
        epoch = step // self.steps_per_epoch
        images = np.zeros((size, side, side, 3), np.uint8)
        boxes = np.zeros((size, most, 4), np.float32)
        classes = np.zeros((size, most), np.int32)
        masks = np.zeros((size, most, mini, mini), np.uint8)
        has_mask = np.zeros((size, most), np.float32)
        seeds = np.zeros((size, 2), np.int32)
        for place, index in enumerate(filled):
            rng = np.random.default_rng([self._seed, epoch, index])
            seeds[place] = rng.integers(2**31 - 1, size=2)
            example = self._example(int(index))
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
        return Batch(images, boxes, classes, masks, has_mask, weights, seeds)

    def _example(self, index: int) -> Example:
        if index not in self._cache:
            example = load_example(self._dataset.pictures[index], self._config, self._box_masks)
            if not self._cache_all:
                return example
            self._cache[index] = example
        return self._cache[index]

    def parts_from(self, step: int, number: int = 0) -> Iterator[Batch]:
        """Yield the parts of a step from ``number`` on, then those of the next steps, without end."""
        while True:
            for place in range(number, self.parts(step)):
                yield self.part(step, place)
            step, number = step + 1, 0


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
