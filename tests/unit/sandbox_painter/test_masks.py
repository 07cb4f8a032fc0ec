from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from sgob_tasks.sandbox.painter.masks import bounding_box, decode, encode

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(MASKS)
def test_decode_undoes_encode(mask: np.ndarray) -> None:
    assert np.array_equal(decode(encode(mask)), mask)


@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(mask: np.ndarray) -> None:
    rle = encode(mask)
    compressed = coco_mask.frPyObjects(dict(rle), *mask.shape)
    assert np.array_equal(coco_mask.decode(compressed).astype(bool), mask)
    assert coco_mask.area(compressed) == mask.sum()


@given(MASKS.filter(np.any))
def test_bounding_box_is_tight(mask: np.ndarray) -> None:
    x, y, width, height = bounding_box(mask)
    inside = mask[y : y + height, x : x + width]
    assert inside.sum() == mask.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()
