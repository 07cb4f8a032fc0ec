"""Rows of feature numbers of different lengths, in two flat arrays: all of the model's sparse arithmetic.

The layout is that of compressed sparse rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bags:
    """Rows of numbers.

    Attributes:
        indptr: ``[rows + 1]``; row ``r`` is ``indices[indptr[r] : indptr[r + 1]]``.
        indices: the numbers of all rows, one after the other.
    """

    indptr: Ints
    indices: Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Bags:
        """Make bags of lists of numbers."""
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        indices = np.fromiter((number for row in rows for number in row), np.int64, int(lengths.sum()))
        return cls(pointers(lengths), indices)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Ints:
        """How many numbers each row has, ``[rows]``."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> Ints:
        """The row of every number, ``[len(indices)]``, ascending."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, rows: Ints) -> Bags:
        """Return some of the rows, in the order given; a row may be taken more than once."""
        lengths = self.lengths[rows]
        return Bags(pointers(lengths), self.indices[ranges(self.indptr[rows], lengths)])

    def keep(self, mask: npt.NDArray[np.bool_]) -> Bags:
        """Return the same rows with only the numbers where ``mask``, ``[len(indices)]``, is true."""
        lengths = np.bincount(self.rows[mask], minlength=len(self))
        return Bags(pointers(lengths), self.indices[mask])


def pointers(lengths: Ints) -> Ints:
    """Return where each row begins and the last one ends, ``[rows + 1]``."""
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return ``start, start + 1, ...`` of every row, ``length`` numbers each, one row after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - ends + lengths, lengths)


def segment_sum(values: Floats, rows: Ints, count: int) -> Floats:
    """Add up the values of each row; rows without values are 0.

    Args:
        values: ``[n]`` or ``[n, d]``.
        rows: row of each value, ``[n]``, ascending.
        count: number of rows.

    Returns:
        ``[count]`` or ``[count, d]``.
    """
    if values.ndim == 1:
        return np.bincount(rows, weights=values, minlength=count).astype(np.float32)
    if not len(rows):
        return np.zeros((count, values.shape[1]), np.float32)
    lengths = np.bincount(rows, minlength=count).astype(np.int32)
    return np.asarray(_ops().reduce_sum(np.ascontiguousarray(values), lengths))


@functools.cache
def _ops() -> Any:
    """Return the sums over rows that spaCy's networks are computed with: ten times as fast as NumPy's ``reduceat``."""
    from thinc.backends import NumpyOps

    return NumpyOps()


def root_weights(bags: Bags) -> Floats:
    """Return ``1 / sqrt(length of its row)`` for every number: ten words say more than one, not ten times as much."""
    lengths = np.maximum(bags.lengths, 1)
    return np.repeat(1.0 / np.sqrt(lengths), bags.lengths).astype(np.float32)


class Vocabulary:
    """Names and their numbers, in the order in which they were added."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Number the names from 0; a name that comes twice counts once."""
        self.names = list(dict.fromkeys(names))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self.names)

    def __contains__(self, name: str) -> bool:
        """Tell whether a name is known."""
        return name in self._numbers

    def number(self, name: str) -> int:
        """Return the number of a name, -1 where it is not known."""
        return self._numbers.get(name, -1)

    def numbers(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of those names that are known."""
        return [self._numbers[name] for name in names if name in self._numbers]
