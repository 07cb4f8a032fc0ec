"""A data set of arrangements: the files of a training set, with things in places drawn by lot."""

from __future__ import annotations

from pathlib import Path

from sgob_tasks.sandbox.painter.arrangement_words import ARRANGEMENT
from sgob_tasks.sandbox.painter.dataset import Order, check_numbers, paint_set, scene_seed
from sgob_tasks.sandbox.painter.scene import SIZE


def arrangement_orders(count: int, seed: int, split: str) -> list[Order]:
    """Return the order of a split's arrangements.

    Raises:
        InputError: ``count`` or ``seed`` is negative or too large.
    """
    check_numbers(count, seed)
    return [Order(scene_seed(seed, split, i), split, ARRANGEMENT, ambiguous=False) for i in range(count)]


def paint_arrangements(
    out: Path, train: int, held_out: int, seed: int, *, size: tuple[int, int] = SIZE, processes: int | None = None
) -> Path:
    """Paint arrangements (see :mod:`.arrangement`), in the same files as :func:`paint_training_set`.

    Args:
        out: folder to write into; made if missing.
        train: number of training pictures.
        held_out: number of held-out pictures.
        seed: the same seed paints the same data set.
        size: width and height of the pictures in pixels.
        processes: how many processes paint; two where there are two cores, if omitted.

    Returns:
        ``out``.

    Raises:
        InputError: a number is out of range, or ``out`` holds another painting.
    """
    plans = {
        "train.json": arrangement_orders(train, seed, "train"),
        "val.json": arrangement_orders(held_out, seed, "held_out"),
    }
    return paint_set(out, plans, size, processes)
