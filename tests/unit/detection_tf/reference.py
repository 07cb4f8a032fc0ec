"""The papers' formulas in plain numpy, one box and one cell after the other; nothing of the package is used.

- box coding: Girshick et al., R-CNN (arXiv 1311.2524), appendix C; Ren et al., Faster R-CNN (arXiv 1506.01497), eq. 2.
  With Matterport's order (y, x) and division by the standard deviations, and Detectron's bound of the exponent.
- anchors: Faster R-CNN, section 3.1.1, one scale a level as in Lin et al., FPN (arXiv 1612.03144), section 4.1.
- level of a region: FPN, equation 1, rounded as Matterport does instead of cut off.
- bilinear sampling: He et al., Mask R-CNN (arXiv 1703.06870), section 3 (RoIAlign), one sample a cell, at the corners
  of a grid over the box as TensorFlow's crop_and_resize has it (first and last sample on the box's edges).
"""

from __future__ import annotations

import math

import numpy as np

LARGEST = math.log(1000 / 16)
SHORTEST = 1e-6


def encode_one(box: np.ndarray, target: np.ndarray, std: tuple[float, ...]) -> np.ndarray:
    height, width = max(box[2] - box[0], SHORTEST), max(box[3] - box[1], SHORTEST)
    target_height, target_width = max(target[2] - target[0], SHORTEST), max(target[3] - target[1], SHORTEST)
    y, x = box[0] + height / 2, box[1] + width / 2
    target_y, target_x = target[0] + target_height / 2, target[1] + target_width / 2
    deltas = [(target_y - y) / height, (target_x - x) / width]
    deltas += [math.log(target_height / height), math.log(target_width / width)]
    return np.array([delta / deviation for delta, deviation in zip(deltas, std, strict=True)])


def decode_one(box: np.ndarray, deltas: np.ndarray, std: tuple[float, ...]) -> np.ndarray:
    dy, dx, log_height, log_width = (delta * deviation for delta, deviation in zip(deltas, std, strict=True))
    height, width = max(box[2] - box[0], SHORTEST), max(box[3] - box[1], SHORTEST)
    y, x = box[0] + height / 2 + dy * height, box[1] + width / 2 + dx * width
    height, width = height * math.exp(min(log_height, LARGEST)), width * math.exp(min(log_width, LARGEST))
    return np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])


def iou_one(first: np.ndarray, second: np.ndarray) -> float:
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    both = max(height, 0.0) * max(width, 0.0)
    union = sum(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0) for box in (first, second)) - both
    return both / union if union > np.finfo(np.float64).tiny else 0.0


def suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float, limit: int) -> list[int]:
    """Greedy non-maximum suppression: the best goes in, all that overlap it more than the threshold go out."""
    left = sorted(range(len(boxes)), key=lambda place: (-scores[place], place))
    kept: list[int] = []
    while left and len(kept) < limit:
        best = left.pop(0)
        kept.append(best)
        left = [place for place in left if iou_one(boxes[best], boxes[place]) <= threshold]
    return kept


def anchors_of(side: int, levels: list[int], sizes: list[float], ratios: list[float]) -> np.ndarray:
    """Return ``(y1, x1, y2, x2)`` in pixels: levels, rows, columns, ratios (width over height)."""
    found = []
    for level, size in zip(levels, sizes, strict=True):
        stride = 2**level
        for row in range(math.ceil(side / stride)):
            for column in range(math.ceil(side / stride)):
                for ratio in ratios:
                    height, width = size / math.sqrt(ratio), size * math.sqrt(ratio)
                    y, x = row * stride, column * stride
                    found.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    return np.array(found)


def level_of(box: np.ndarray, side: int) -> int:
    """Return the level of a box in coordinates from 0 to 1 of a square of ``side`` pixels."""
    area = max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)
    if area <= 0:
        return 2
    # Python's round and TensorFlow's both give a half to the even neighbour.
    return min(5, max(2, 4 + round(math.log2(math.sqrt(area) / (224 / side)))))


def sample(image: np.ndarray, y: float, x: float) -> np.ndarray:
    """Return ``[H, W, C]`` at a point between its cells; 0 outside."""
    height, width = image.shape[:2]
    if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
        return np.zeros(image.shape[2])
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
    lower = image[bottom, left] * (1 - (x - left)) + image[bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def crop(image: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Return ``[side, side, C]``: the box (coordinates 0 to 1 of the first and last cell) by bilinear sampling."""
    height, width = image.shape[:2]
    y1, x1, y2, x2 = box
    cells = np.zeros((side, side, image.shape[2]))
    for row in range(side):
        for column in range(side):
            y = y1 * (height - 1) + row * (y2 - y1) * (height - 1) / (side - 1)
            x = x1 * (width - 1) + column * (x2 - x1) * (width - 1) / (side - 1)
            cells[row, column] = sample(image, y, x)
    return cells
