"""Boxes, anchors, masks and the placement of pictures."""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sgob_tasks.detection import boxes as geometry
from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.masks import decode_mask, encode_mask, paste_mask, shrink_mask
from sgob_tasks.detection.network.anchors import level_anchors, pyramid_anchors
from sgob_tasks.detection.pictures import into_square, load_picture
from sgob_tasks.errors import InputError

STD = (0.1, 0.1, 0.2, 0.2)


@st.composite
def corner_boxes(draw: st.DrawFn, smallest: float = 0.01) -> np.ndarray:
    count = draw(st.integers(1, 8))
    numbers = hnp.arrays(np.float64, (count, 2), elements=st.floats(0, 0.9))
    sides = hnp.arrays(np.float64, (count, 2), elements=st.floats(smallest, 1))
    first = draw(numbers)
    return np.concatenate([first, first + draw(sides)], axis=1)


@given(corner_boxes())
@settings(deadline=None)
def test_xywh_and_corners_are_inverse(boxes: np.ndarray) -> None:
    np.testing.assert_allclose(geometry.xywh_to_corners(geometry.corners_to_xywh(boxes)), boxes, atol=1e-12)


@given(corner_boxes(), st.integers(64, 2048))
@settings(deadline=None)
def test_normalisation_is_undone(boxes: np.ndarray, size: int) -> None:
    np.testing.assert_allclose(
        geometry.denormalise(geometry.normalise(boxes * size, size), size), boxes * size, atol=1e-9
    )


def test_normalisation_is_matterports() -> None:
    # A box over the whole picture, its end left out, is 0 to 1: the second corner moves in by one pixel.
    np.testing.assert_allclose(geometry.normalise(np.array([[0, 0, 1024, 1024]]), 1024), [[0, 0, 1, 1]])


@given(corner_boxes(), corner_boxes())
@settings(deadline=None)
def test_decoding_undoes_encoding(first: np.ndarray, second: np.ndarray) -> None:
    count = min(len(first), len(second))
    boxes, targets = first[:count], second[:count]
    ratio = (targets[:, 2:] - targets[:, :2]) / (boxes[:, 2:] - boxes[:, :2])
    targets = targets[ratio.max(axis=1) < 62]
    boxes = boxes[ratio.max(axis=1) < 62]
    np.testing.assert_allclose(geometry.decode(boxes, geometry.encode(boxes, targets, STD), STD), targets, atol=1e-9)


@given(corner_boxes(), corner_boxes())
@settings(deadline=None)
def test_iou_is_symmetric_and_between_0_and_1(first: np.ndarray, second: np.ndarray) -> None:
    overlaps = geometry.iou(first, second)
    assert overlaps.min() >= 0
    assert overlaps.max() <= 1 + 1e-12
    np.testing.assert_allclose(overlaps, geometry.iou(second, first).T)
    np.testing.assert_allclose(np.diag(geometry.iou(first, first)), 1)


def test_iou_of_half_overlapping_boxes_is_a_third() -> None:
    assert geometry.iou(np.array([[0, 0, 2, 2]]), np.array([[0, 1, 2, 3]]))[0, 0] == pytest.approx(1 / 3)
    assert geometry.iou(np.zeros((1, 4)), np.zeros((1, 4)))[0, 0] == 0


@given(corner_boxes(), st.floats(0.1, 0.9), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_suppression_keeps_no_two_alike_and_drops_nothing_else(boxes: np.ndarray, threshold: float, seed: int) -> None:
    scores = np.random.default_rng(seed).random(len(boxes))
    kept = geometry.non_maximum_suppression(boxes, scores, threshold, len(boxes))
    overlaps = geometry.iou(boxes, boxes)
    assert (np.diff(scores[kept]) <= 0).all()
    for place, index in enumerate(kept):
        assert (overlaps[index, kept[:place]] <= threshold).all()
    for index in set(range(len(boxes))) - set(kept.tolist()):
        assert ((overlaps[index, kept] > threshold) & (scores[kept] >= scores[index])).any()


def test_suppression_stops_at_its_limit() -> None:
    boxes = np.array([[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]], float)
    assert geometry.non_maximum_suppression(boxes, np.array([0.1, 0.9, 0.5]), 0.5, 2).tolist() == [1, 2]


def test_anchors_are_matterports() -> None:
    config = preset_config("resnet101", ("horse",), image_size=1024)
    first = level_anchors(config, 2, (32.0,))
    # Ratio is width / height; the first cell's anchors are centred on the pixel (0, 0).
    np.testing.assert_allclose(first[1], [-16, -16, 16, 16])
    np.testing.assert_allclose(first[0], [-22.627417, -11.3137085, 22.627417, 11.3137085])
    np.testing.assert_allclose(first[3] - first[0], [0, 4, 0, 4])
    assert len(pyramid_anchors(config)) == 3 * (256**2 + 128**2 + 64**2 + 32**2 + 16**2)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_run_length_code_is_undone(width: int, height: int, seed: int) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < 0.5).astype(np.uint8)
    code = encode_mask(mask)
    assert code["size"] == [height, width]
    np.testing.assert_array_equal(decode_mask(code, width, height, "test"), mask)


def test_polygons_and_plain_counts_are_decoded() -> None:
    square = decode_mask([[2, 2, 6, 2, 6, 6, 2, 6]], 10, 8, "test")
    assert square.shape == (8, 10)
    assert square.sum() == 16
    counts = decode_mask({"size": [2, 3], "counts": [1, 2, 3]}, 3, 2, "test")  # column by column
    np.testing.assert_array_equal(counts, [[0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    "segmentation",
    [
        {"counts": "x"},
        [["a"] * 6],
        [[1, 2, 3, 4]],
        {"size": [5, 5], "counts": [25]},
        {"size": [8, 10], "counts": [79]},
        {"size": [8, 10], "counts": encode_mask(np.eye(50, dtype=np.uint8))["counts"]},
        7,
    ],
)
def test_a_bad_segmentation_is_named(segmentation: object) -> None:
    with pytest.raises(InputError, match=r"train\.json: segmentation"):
        decode_mask(segmentation, 10, 8, "train.json")


def test_shrinking_and_pasting_a_mask_keeps_its_shape() -> None:
    y, x = np.mgrid[:120, :160]
    disc = ((((x - 80) / 50) ** 2 + ((y - 60) / 40) ** 2) <= 1).astype(np.uint8)
    box = (30.0, 20.0, 101.0, 81.0)
    back = paste_mask(shrink_mask(disc, box, 28).astype(np.float32), box, 160, 120)
    assert (back & disc).sum() / (back | disc).sum() > 0.95


@given(st.integers(1, 300), st.integers(1, 300))
@settings(deadline=None)
def test_a_picture_is_placed_whole_and_boxes_come_back(width: int, height: int) -> None:
    square, placement = into_square(np.full((height, width, 3), 200, np.uint8), 64)
    assert square.shape == (64, 64, 3)
    whole = placement.to_square(np.array([[0.0, 0.0, height, width]]))
    assert whole.min() >= 0
    assert whole.max() <= 64
    assert max(whole[0, 2] - whole[0, 0], whole[0, 3] - whole[0, 1]) == pytest.approx(64)
    np.testing.assert_allclose(placement.to_picture(whole), [[0, 0, height, width]], atol=1e-9)


@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP"]), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_a_damaged_picture_is_decoded_or_refused_by_name(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(rng.integers(0, 6)):
        content[rng.integers(0, len(content))] = rng.integers(0, 256)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what it then raises, or mends
        path = Path(folder) / "picture"
        path.write_bytes(content[: rng.integers(1, len(content) + 1)])
        try:
            pixels: object = load_picture(path).ndim
        except InputError as error:
            pixels = str(error).startswith(f"{path}: picture = 'picture': cannot be decoded: ")
    assert pixels in {3, True}


def test_a_turned_photograph_is_turned_back(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("L", (40, 20)).save(tmp_path / "p.jpg", exif=exif)
    assert load_picture(tmp_path / "p.jpg").shape == (40, 20, 3)
