"""The peer that is measured: a Matterport Mask R-CNN for TensorFlow 2, by its public API.

``SGOB_PEER`` names its checkout. Only an alias that newer NumPy has dropped is put back.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.detector_protocol import Setting, answer, instance_boxes, next_command, timed

sys.path.insert(0, os.environ["SGOB_PEER"])
np.bool = bool  # type: ignore[attr-defined]

from mrcnn import model as peer_model  # noqa: E402
from mrcnn.config import Config  # noqa: E402
from mrcnn.utils import Dataset  # noqa: E402
from PIL import Image  # noqa: E402


def peer_config(setting: Setting) -> Any:
    """Return the peer's configuration: its defaults, one picture at a time."""
    values = {
        "NAME": "bench",
        "BACKBONE": setting.backbone,
        "NUM_CLASSES": 1 + setting.classes,
        "GPU_COUNT": 1,
        "IMAGES_PER_GPU": 1,
        "IMAGE_RESIZE_MODE": "square",
        "IMAGE_MIN_DIM": setting.size,
        "IMAGE_MAX_DIM": setting.size,
        "DETECTION_MIN_CONFIDENCE": setting.min_score,
        "STEPS_PER_EPOCH": 1000,
        "VALIDATION_STEPS": 1,
        "DETECTION_MAX_INSTANCES": 100,
    }
    return type("BenchConfig", (Config,), values)()


class Pictures(Dataset):  # type: ignore[misc]
    """The training pictures, with filled boxes as masks."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self._boxes = instance_boxes(setting.size)
        for number in range(setting.classes):
            self.add_class("bench", number + 1, f"class {number}")
        for number, path in enumerate(setting.pictures):
            self.add_image("bench", number, path)
        self.prepare()

    def load_mask(self, image_id: int) -> tuple[Any, Any]:
        """Return ``[height, width, instances]`` masks and their classes."""
        height, width = self.load_image(image_id).shape[:2]
        masks = np.zeros((height, width, len(self._boxes)), bool)
        for place, (x, y, w, h) in enumerate(self._boxes):
            masks[y : y + h, x : x + w, place] = True
        return masks, np.arange(1, len(self._boxes) + 1, dtype=np.int32)


def detect(model: Any, setting: Setting, began: float) -> None:
    """Detect once, then once for each command."""
    pixels = np.asarray(Image.open(setting.pictures[0]).convert("RGB"))

    def once() -> int:
        return len(model.detect([pixels])[0]["class_ids"])

    answer(timed(once) | {"from_build_s": time.perf_counter() - began})
    while next_command():
        answer(timed(once))


def train(model: Any, setting: Setting, began: float) -> None:
    """Train with the peer's own loop; it is held after every step until the next command."""

    class Held(peer_model.keras.callbacks.Callback):  # type: ignore[misc]
        wall, cpu = began, 0.0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            answer({"seconds": time.perf_counter() - self.wall, "cpu_s": time.process_time() - self.cpu})
            if next_command() is None:
                os._exit(0)  # the peer would go on with an epoch's end
            self.wall, self.cpu = time.perf_counter(), time.process_time()

    data = Pictures(setting)
    model.train(data, data, 1e-3, epochs=1, layers=setting.trainable, custom_callbacks=[Held()])


def main() -> None:
    """Run what the setting says."""
    setting = Setting(**json.loads(sys.argv[1]))
    began = time.perf_counter()
    logs = str(Path(setting.weights).with_name("peer"))
    model = peer_model.MaskRCNN("training" if setting.trainable else "inference", peer_config(setting), logs)
    model.load_weights(setting.weights, by_name=True)
    (train if setting.trainable else detect)(model, setting, began)


if __name__ == "__main__":
    main()
