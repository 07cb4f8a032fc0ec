"""Data sets of arrangements and of crowds: the files of a training set, with things in places drawn by lot."""

from __future__ import annotations

from pathlib import Path

from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.painter.by_lot import KINDS
from sgob_tasks.sandbox.painter.dataset import Order, check_numbers, paint_set, scene_seed
from sgob_tasks.sandbox.painter.scene import SIZE


def orders_by_lot(subject: str, count: int, seed: int, split: str) -> list[Order]:
    """Return the order of a split's pictures.

    Raises:
        InputError: ``subject`` is unknown, or ``count`` or ``seed`` is negative or too large.
    """
    if subject not in KINDS:
        raise InputError("painter", "subject", subject, f"one of {', '.join(KINDS)} expected")
    check_numbers(count, seed)
    return [Order(scene_seed(seed, split, i), split, subject, ambiguous=False) for i in range(count)]


def paint_set_by_lot(
    subject: str,
    out: Path,
    train: int,
    held_out: int,
    seed: int,
    *,
    size: tuple[int, int] = SIZE,
    processes: int | None = None,
) -> Path:
    """Paint arrangements or crowds (see :mod:`.by_lot`), in the same files as :func:`paint_training_set`.

    Args:
        subject: ``arrangement`` or ``crowd``.
        out: folder to write into; made if missing.
        train: number of training pictures.
        held_out: number of held-out pictures.
        seed: the same seed paints the same data set.
        size: width and height of the pictures in pixels.
        processes: how many processes paint; two where there are two cores, if omitted.

    Returns:
        ``out``.

    Raises:
        InputError: an argument is out of range, or ``out`` holds another painting.
    """
    plans = {
        "train.json": orders_by_lot(subject, train, seed, "train"),
        "val.json": orders_by_lot(subject, held_out, seed, "held_out"),
    }
    return paint_set(out, plans, size, processes)
