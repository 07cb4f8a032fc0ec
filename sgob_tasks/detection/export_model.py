"""``python -m sgob_tasks.detection.export_model``: a detector as a TensorFlow SavedModel, which runs without this code.

Signature ``serving_default``, for pictures that were scaled and padded into squares of the model's side (longer side to
the square's, centred on zeros: ``pictures.into_square``)::

    images        uint8   [B, side, side, 3]    RGB

    boxes         float32 [B, D, 4]             x, y, width, height in pixels of the square
    classes       int32   [B, D]                1 to K; 0 where there is no detection
    scores        float32 [B, D]                best first
    distribution  float32 [B, D, K + 1]         softmax over all classes, the background first
    masks         float32 [B, D, m, m]          probabilities relative to the box (only where the model has masks)
    count         int32   [B]                   detections of each picture

``class_names`` (of the loaded object, and in ``detector.json`` in the folder) names the outputs 0 to K.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.detect_config import DetectConfig, read_detect_config
from sgob_tasks.detection.files import write_json
from sgob_tasks.detection.inference.graph_selection import select_in_graph
from sgob_tasks.detection.inference.opening import open_model
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.options import EXPORT
from sgob_tasks.detection.program import run_program
from sgob_tasks.errors import InputError

BACKGROUND = "background"


class ServingModel(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """What is exported: the network and the choice of detections in one function.

    Only the variables are attached, not the Keras models: those would be traced and saved layer by layer once more.

    Args:
        model: the network.
        has_masks: the mask head was trained.
    """

    def __init__(self, model: MaskRCNN, *, has_masks: bool) -> None:
        super().__init__()
        self._model, self._has_masks = model, has_masks
        self.network_variables = list(model.weights)
        # A variable: constants are not saved.
        self.class_names = tf.Variable([BACKGROUND, *model.config.classes], trainable=False)
        side = model.config.image_size
        signature = [tf.TensorSpec([None, side, side, 3], tf.uint8, name="images")]
        self.detect = tf.function(self._detect, input_signature=signature)

    def _detect(self, images: Any) -> dict[str, Any]:
        config = self._model.config
        pyramid = self._model.pyramid(images, training=False)
        regions = self._model.regions(pyramid)
        outputs = config.max_detections
        kinds = (
            tf.TensorSpec([outputs, 4], tf.float32),
            tf.TensorSpec([outputs], tf.int32),
            tf.TensorSpec([outputs], tf.float32),
            tf.TensorSpec([outputs, config.class_count], tf.float32),
            tf.TensorSpec([], tf.int32),
        )
        boxes, classes, scores, distribution, count = tf.map_fn(
            lambda one: tuple(select_in_graph(one[0], one[1], one[2], config, config.detection_min_score)),
            (regions.boxes, regions.probabilities, regions.proposed),
            fn_output_signature=kinds,
        )
        corners = boxes * (config.image_size - 1) + tf.constant([0.0, 0.0, 1.0, 1.0])
        y1, x1, y2, x2 = tf.unstack(corners, axis=-1)
        there = tf.cast(classes > 0, tf.float32)
        found = {
            "boxes": tf.stack([x1, y1, x2 - x1, y2 - y1], -1) * there[..., None],
            "classes": classes,
            "scores": scores,
            "distribution": distribution,
            "count": count,
        }
        if self._has_masks:
            used = {level: pyramid[level] for level in config.roi_levels}
            found["masks"] = self._model.masks(used, boxes, classes) * there[..., None, None]
        return found


def export_model(path: Path, out: Path, wanted: DetectConfig) -> dict[str, Any]:
    """Write a model as a SavedModel, whole or not at all.

    Args:
        path: weights file or model folder (``opening.open_model``).
        out: folder to write; it must not exist.
        wanted: changes, such as thresholds, which the graph then has for good.

    Returns:
        ``folder``, ``bytes``, ``classes``, ``image_size`` and the load report.

    Raises:
        InputError: there is no such model, it does not fit, or ``out`` exists.
    """
    if out.exists():
        raise InputError(out, "--out", str(out), "exists already")
    opened = open_model(path, wanted)
    model, report = opened.build()
    serving = ServingModel(model, has_masks=opened.has_masks)
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    tf.saved_model.save(serving, str(temporary), signatures={"serving_default": serving.detect})
    described = {
        "class_names": [BACKGROUND, *model.config.classes],
        "classes_from": opened.classes_from,
        "image_size": model.config.image_size,
        "masks": opened.has_masks,
        "config": model.config.to_json(),
        "weights": report.to_json(),
        "tensorflow": str(tf.__version__),
    }
    write_json(temporary / "detector.json", described)
    temporary.replace(out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return {
        "folder": str(out),
        "bytes": size,
        "classes": len(model.config.classes),
        "image_size": model.config.image_size,
        "weights": report.to_json(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""

    def work(parsed: argparse.Namespace) -> tuple[Any, int]:
        wanted = read_detect_config(parsed.config) if parsed.config else DetectConfig()
        return export_model(parsed.model, parsed.out, wanted), 0

    def render(result: Any) -> str:
        return f"{result['folder']}: {result['bytes'] / 1e6:.1f} MB, {result['classes']} classes"

    return run_program(EXPORT, work, render, arguments)


if __name__ == "__main__":
    sys.exit(main())
