"""What the caption classifier sees of a sentence: words, pairs of words and parts of words, hashed. NumPy only.

Parts of words (three to five letters, with marks for the word's begin and end) carry what endings say: "kneels" and
"kneeling" in what is seen, "commissioned" and "trained" in what was done. They let a few thousand sentences
speak for words that none of them has, and for related languages (the subword model of Bojanowski et al., "Enriching
Word Vectors with Subword Information", TACL 2017, without the vectors).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SHORTEST_PART, LONGEST_PART = 3, 5
"""Letters of a part of a word, the marks of its begin and end counted."""

_TAG = re.compile(r"<[^<>]{0,200}>")
_WITH_DIGIT = re.compile(r"\b(?=\w*\d)\w+")
_PUNCTUATION = re.compile(r"[^\w\s']")

_SPACE = ord(" ")
_BASE = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse modulo 2**64: the hash of a word is read off running sums."""
_INVERSE = pow(_BASE, -1, 1 << 64)
_WORD, _PAIR, _EDGE = 0xA24BAED4963EE407, 0x9FB21C651E98DF25, 0xD6E8FEB86659FD93

Keys = npt.NDArray[np.uint64]
Features = tuple[Keys, npt.NDArray[np.float32], npt.NDArray[np.int32]]


def normalise(text: str) -> str:
    """Return the words that the classifier sees: lower case, no markup or punctuation, numbers as ``0``.

    What would be a shortcut is taken out: in labelled museum data years occur almost only in ``other``, and full stops
    and capitals give away the source.
    """
    words = _PUNCTUATION.sub(" ", _WITH_DIGIT.sub("0", _TAG.sub(" ", text).lower()))
    return " ".join(words.split())


def sentence_features(sentences: Sequence[str]) -> Features:
    """Hash the words, pairs of words and parts of words of sentences.

    Args:
        sentences: any texts; each is normalised first.

    Returns:
        Keys of all sentences one after the other; their values, ``1 / sqrt(number of keys of the sentence)``, so that a
        long sentence does not weigh more than a short one; and the number of keys of each sentence. As ``thinc``'s
        ``SparseLinear`` reads them.
    """
    if not sentences:
        return np.empty(0, np.uint64), np.empty(0, np.float32), np.empty(0, np.int32)
    padded = [f" {normalise(sentence)} " for sentence in sentences]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(padded)), [len(text) for text in padded])
    keys, owners = [], []
    hashes, first = _hashes(letters)
    for key, place in (
        (_mixed(hashes ^ np.uint64(_WORD)), first),
        _pairs(hashes, first, owner[first]),
        *_parts(letters),
    ):
        keys.append(key)
        owners.append(owner[place])
    return _grouped(np.concatenate(keys), np.concatenate(owners), len(padded))


def one_by_one(features: Features) -> list[Features]:
    """Take the features of a batch apart."""
    keys, values, lengths = features
    ends = np.cumsum(lengths)
    return [
        (keys[end - length : end], values[end - length : end], np.array([length], np.int32))
        for end, length in zip(ends, lengths, strict=True)
    ]


def _mixed(keys: Keys) -> Keys:
    """Spread keys over all bits (the finaliser of SplitMix64)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _hashes(letters: Keys) -> tuple[Keys, npt.NDArray[np.intp]]:
    """Return the hash of each word and the place of its first letter."""
    within = letters != _SPACE
    edges = np.diff(within.astype(np.int8))
    first, end = np.flatnonzero(edges == 1) + 1, np.flatnonzero(edges == -1) + 1
    powers = np.full(len(letters), _BASE, np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)
    back = np.full(len(letters), _INVERSE, np.uint64)
    back[0] = 1
    back = np.multiply.accumulate(back)
    running = np.concatenate((np.zeros(1, np.uint64), np.add.accumulate(letters * powers)))
    return _mixed((running[end] - running[first]) * back[first]), first


def _pairs(
    hashes: Keys, first: npt.NDArray[np.intp], sentence: npt.NDArray[np.intp]
) -> tuple[Keys, npt.NDArray[np.intp]]:
    """Return the pairs of neighbours; the first and the last word pair with the edges of their sentence too."""
    starts = np.ones(len(first), bool)
    starts[1:] = sentence[1:] != sentence[:-1]
    before = np.where(starts, np.uint64(_EDGE), np.roll(hashes, 1))
    ends = np.roll(starts, -1)
    left = np.concatenate((before, hashes[ends]))
    right = np.concatenate((hashes, np.full(int(ends.sum()), _EDGE, np.uint64)))
    return _mixed(left * np.uint64(_PAIR) + right), np.concatenate((first, first[ends]))


def _parts(letters: Keys) -> list[tuple[Keys, npt.NDArray[np.intp]]]:
    """Return the parts of words, by length: windows that have a space at their ends at most."""
    space = letters == _SPACE
    found = []
    for size in range(SHORTEST_PART, LONGEST_PART + 1):
        count = len(letters) - size + 1
        if count < 1:
            continue
        key = np.full(count, size, np.uint64)
        broken = np.zeros(count, bool)
        for offset in range(size):
            key = key * np.uint64(_BASE) + letters[offset : offset + count]
            if 0 < offset < size - 1:
                broken |= space[offset : offset + count]
        place = np.flatnonzero(~broken)
        found.append((_mixed(key[place]), place))
    return found


def _grouped(keys: Keys, owners: npt.NDArray[np.intp], sentences: int) -> Features:
    """Put the keys of each sentence together; a key that a sentence has twice counts twice."""
    order = np.argsort(owners.astype(np.uint16 if sentences <= 1 << 16 else np.uint64), kind="stable")
    lengths = np.bincount(owners, minlength=sentences)
    values = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    return keys[order], values.astype(np.float32), lengths.astype(np.int32)
