from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.sandbox.painter.brush import SUPERSAMPLING, Brush, Frame, path, smooth, spine, tapered

SIZE = (40, 30)
FULL = (SIZE[0] * SUPERSAMPLING, SIZE[1] * SUPERSAMPLING)
FLAT = np.ones((FULL[1], FULL[0]), dtype=np.float32)
COORDINATE = st.floats(-5, 5)


def test_paths_are_read_as_written() -> None:
    assert path("-0.5,1 .25,-3") == ((-0.5, 1.0), (0.25, -3.0))
    assert spine("0,1,.5 1,2,.25") == ((0.0, 1.0, 0.5), (1.0, 2.0, 0.25))


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=2, max_size=8), st.booleans())
def test_smooth_curves_go_through_their_knots(points: list[tuple[float, float]], closed: bool) -> None:
    curve = smooth(points, 4, closed=closed)
    assert len(curve) == 4 * (len(points) - (not closed)) + (not closed)
    np.testing.assert_allclose(curve[::4][: len(points)], points, atol=1e-9)


def test_a_straight_limb_has_its_width() -> None:
    outline = np.array(tapered([(0, 0, 0.4), (1, 0, 0.4), (2, 0, 0.4)]))
    np.testing.assert_allclose(np.abs(outline[:, 1]), 0.2, atol=1e-9)


@given(COORDINATE, COORDINATE, st.floats(-math.pi, math.pi))
def test_a_flipped_frame_is_a_mirror(x: float, y: float, angle: float) -> None:
    right, left = (Frame(0, 0, 7, flip, angle).at((x, y)) for flip in (False, True))
    assert left == pytest.approx((-right[0], right[1]))
    assert math.hypot(*right) == pytest.approx(7 * math.hypot(x, y))


def test_colour_changes_exactly_where_the_mask_is() -> None:
    canvas = Image.new("RGB", FULL, (255, 255, 255))
    brush = Brush(SIZE, Frame(20, 15, 10), (10, 10, 10))
    brush.fill([(-1, -0.5), (1, -0.5), (1, 0.5), (-1, 0.5)], (90, 60, 30))
    brush.detail([(-3, 0), (3, 0)], 0.1, (0, 0, 0))
    mask = brush.lift(canvas, FLAT, relief=0.0)
    changed = (np.asarray(canvas) != 255).any(axis=2)
    assert np.array_equal(changed, np.asarray(mask) > 0)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    half_line = 1
    assert columns[0] == pytest.approx(10 * SUPERSAMPLING, abs=half_line)
    assert columns[-1] == pytest.approx(30 * SUPERSAMPLING, abs=half_line)
    assert rows[0] == pytest.approx(10 * SUPERSAMPLING, abs=half_line)
    assert rows[-1] == pytest.approx(20 * SUPERSAMPLING, abs=half_line)


def test_light_comes_from_the_upper_left() -> None:
    canvas = Image.new("RGB", FULL, (0, 0, 0))
    brush = Brush(SIZE, Frame(20, 15, 10), (100, 100, 100))
    brush.disc(0, 0, 1, 1, (120, 120, 120), outline=False)
    brush.lift(canvas, FLAT, relief=1.0)
    grey = np.asarray(canvas)[:, :, 0]
    lit, shaded = grey[: FULL[1] // 2, : FULL[0] // 2], grey[FULL[1] // 2 :, FULL[0] // 2 :]
    assert lit[lit > 0].mean() > 125 > 115 > shaded[shaded > 0].mean()


def test_what_lies_outside_the_picture_leaves_no_trace() -> None:
    canvas = Image.new("RGB", FULL, (9, 9, 9))
    brush = Brush(SIZE, Frame(500, 500, 10), (0, 0, 0))
    brush.disc(0, 0, 1, 1, (200, 200, 200))
    assert brush.lift(canvas, FLAT, relief=1.0).getbbox() is None
    assert canvas.getextrema() == ((9, 9), (9, 9), (9, 9))
