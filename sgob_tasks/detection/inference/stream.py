"""Many pictures through a detector: decoded ahead by other threads, in full batches, in their order.

Each picture comes out once, with its detections or with the reason why it has none. Where the memory does not hold a
batch, half of it is tried: a smaller batch is slower, an ended job finds nothing.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import tensorflow as tf

from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.inference.selection import Detection
from sgob_tasks.detection.pictures import Pixels, Prepared, prepare
from sgob_tasks.errors import InputError, PermanentError

T = TypeVar("T")

_Decoded = tuple[T, "Prepared | str"]
"""An item, and the picture or the reason why there is none."""

BATCHES_AHEAD = 2
"""Batches that wait decoded and scaled while one is in the network."""

DECODERS = 2


@dataclass(frozen=True)
class Seen(Generic[T]):
    """What became of one picture.

    Attributes:
        item: as it was given.
        width: of the picture in pixels; 0 where it could not be decoded.
        height: of the picture in pixels; 0 where it could not be decoded.
        detections: best first.
        error: why it could not be decoded; empty where it could.
    """

    item: T
    width: int = 0
    height: int = 0
    detections: tuple[Detection, ...] = ()
    error: str = ""


class Stream(Generic[T]):
    """Runs pictures through a detector.

    Args:
        detector: the network; replaced by one of a smaller batch where the memory demands it.
        load: decodes one item.
        stop: asked before every batch; True ends the stream there.
        say: takes a sentence about what happens, such as a smaller batch.
    """

    def __init__(
        self,
        detector: Detector,
        load: Callable[[T], Pixels],
        *,
        stop: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.detector = detector
        self._side = detector.config.image_size
        self._load, self._stop, self._say = load, stop, say
        self.stopped = False

    def batches(self, items: Sequence[T]) -> Iterator[list[Seen[T]]]:
        """Yield what became of the items, in their order, a batch at a time.

        A batch holds as many pictures as the network takes, and besides those that could not be decoded.

        Raises:
            PermanentError: the memory does not even hold one picture.
        """
        with ThreadPoolExecutor(DECODERS, thread_name_prefix="decoder") as pool:
            decoded = self._decode(pool, items)
            while True:
                if self._stop():
                    self.stopped = True
                    break
                batch = self._next(decoded)
                if not batch:
                    break
                yield self._detect(batch)
            pool.shutdown(cancel_futures=True)

    def _decode(self, pool: ThreadPoolExecutor, items: Sequence[T]) -> Iterator[_Decoded[T]]:
        """Yield decoded items in their order; those to come are decoded meanwhile."""
        waiting: deque[Future[_Decoded[T]]] = deque()
        rest = iter(items)
        while True:
            ahead = (1 + BATCHES_AHEAD) * self.detector.batch_size - len(waiting)
            waiting.extend(pool.submit(self._decode_one, item) for item in itertools.islice(rest, max(0, ahead)))
            if not waiting:
                return
            yield waiting.popleft().result()

    def _decode_one(self, item: T) -> _Decoded[T]:
        try:
            return item, prepare(self._load(item), self._side)
        except InputError as error:
            return item, error.reason

    def _next(self, decoded: Iterator[_Decoded[T]]) -> list[_Decoded[T]]:
        """Return as many items as make a full batch, the broken ones among them."""
        batch: list[_Decoded[T]] = []
        good = 0
        while good < self.detector.batch_size:
            found = next(decoded, None)
            if found is None:
                break
            batch.append(found)
            good += isinstance(found[1], Prepared)
        return batch

    def _detect(self, batch: list[_Decoded[T]]) -> list[Seen[T]]:
        pictures = [picture for _, picture in batch if isinstance(picture, Prepared)]
        found = iter(self._detect_pictures(pictures))
        return [
            Seen(item, picture.width, picture.height, tuple(next(found)))
            if isinstance(picture, Prepared)
            else Seen(item, error=picture)
            for item, picture in batch
        ]

    def _detect_pictures(self, pictures: list[Prepared]) -> list[list[Detection]]:
        """Return the detections of pictures, in smaller batches from the first that does not fit on."""
        found: list[list[Detection]] = []
        while len(found) < len(pictures):
            part = pictures[len(found) : len(found) + self.detector.batch_size]
            try:
                found += self.detector.detect_prepared(part)
            except (MemoryError, tf.errors.ResourceExhaustedError) as error:
                self._shrink(error)
        return found

    def _shrink(self, error: Exception) -> None:
        size, side = self.detector.batch_size, self.detector.config.image_size
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        if size == 1:
            raise PermanentError(
                f"out of memory with one picture of {side} x {side} pixels ({reason}): "
                "a smaller image_size or a smaller backbone is needed"
            ) from error
        self._say(f"out of memory with {size} pictures at once ({reason}): going on with {size // 2}")
        self.detector = self.detector.with_batch_size(size // 2)
