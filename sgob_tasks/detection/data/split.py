"""Splits that need no list: the hash of a picture's name says where it belongs, today and in ten years."""

from __future__ import annotations

import hashlib


def split_of(name: str, val_fraction: float, test_fraction: float = 0.0, salt: str = "") -> str:
    """Return ``train``, ``val`` or ``test`` for a picture.

    Adding pictures never moves another one, and growing a fraction never moves a picture between ``val`` and ``test``:
    validation takes hashes from the low end, test from the high end.

    Args:
        name: what identifies the picture, such as its file name or hash.
        val_fraction: share of validation, 0 to 1.
        test_fraction: share of test, 0 to 1.
        salt: another text gives another split.

    Raises:
        ValueError: the fractions do not fit into 1.
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction > 1:
        raise ValueError(f"fractions {val_fraction} and {test_fraction} do not fit into 1")
    digest = hashlib.sha256(f"{salt}\0{name}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < val_fraction:
        return "val"
    return "test" if place >= 1 - test_fraction else "train"
