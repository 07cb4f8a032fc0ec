"""Our detector, measured: detection, training steps, and where their time goes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.data.batches import Batches
from sgob_tasks.detection.data.dataset import Dataset, Instance, Picture
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.parameters import TrainingParameters
from sgob_tasks.detection.pictures import load_picture
from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.step import TrainingStep
from sgob_tasks.detection.weights.layers import load_weights, save_weights
from tests.benchmarks.detector_profile import shares
from tests.benchmarks.detector_protocol import Setting, answer, instance_boxes, next_command, timed


def config_of(setting: Setting) -> DetectorConfig:
    """Return the preset's configuration: Matterport's defaults."""
    return preset_config(setting.backbone, class_names(setting), image_size=setting.size)


def class_names(setting: Setting) -> tuple[str, ...]:
    """Return names for the classes."""
    return tuple(f"class {number}" for number in range(setting.classes))


def write_random_weights(setting: Setting) -> None:
    """Write weights that keep features and scores in a usual range, so that nothing overflows or saturates."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    layers = MaskRCNN(config_of(setting)).layers()
    for name, layer in layers.items():
        if name.startswith("bn") and name.endswith("2c"):
            layer.gamma.assign(0.2 * layer.gamma)
    logits = layers["mrcnn_class_logits"].kernel
    logits.assign(0.1 * logits)
    save_weights(layers, Path(setting.weights))


class Detecting:
    """Detection in one picture at a time."""

    def __init__(self, setting: Setting) -> None:
        model = MaskRCNN(config_of(setting))
        load_weights(model.layers(), Path(setting.weights))
        self.detector = Detector(model, has_masks=True, batch_size=1, min_score=setting.min_score)
        self._pixels = load_picture(Path(setting.pictures[0]))

    def detect(self, min_score: float) -> list[float]:
        """Return the scores of what is found."""
        self.detector.min_score = min_score
        return [detection.score for detection in self.detector.detect([self._pixels])[0]]


class Training:
    """Training on pictures with eight objects each, which have masks."""

    def __init__(self, setting: Setting) -> None:
        boxes = instance_boxes(setting.size)
        instances = tuple(
            Instance(place + 1, (x, y, w, h), False, [[x, y, x + w, y, x + w, y + h, x, y + h]])
            for place, (x, y, w, h) in enumerate(boxes)
        )
        pictures = tuple(
            Picture(number, Path(path), setting.size, setting.size, instances)
            for number, path in enumerate(setting.pictures)
        )
        names = class_names(setting)
        dataset = Dataset(Path("bench"), names, tuple(range(1, len(names) + 1)), pictures)
        model = MaskRCNN(config_of(setting))
        load_weights(model.layers(), Path(setting.weights))
        parameters = TrainingParameters(preset=setting.backbone, trainable=setting.trainable, optimizer="sgd")
        self.step_of = TrainingStep(model, parameters)
        distributed.broadcast(self.step_of.state)
        self.parts = Batches(dataset, model.config, batch_size=1, seed=0).parts_from(0)

    def step(self) -> float:
        """Run one step, its data included; return the sum of the losses."""
        self.step_of.add(next(self.parts))
        return float(sum(self.step_of.apply(1e-3).losses))


def main() -> None:
    """Run what the setting says."""
    setting = Setting(**json.loads(sys.argv[1]))
    if not Path(setting.weights).exists():
        write_random_weights(setting)
        answer({})
        return
    began = time.perf_counter()
    ranks = distributed.start() if setting.trainable else distributed.Ranks(0, 1, 0, 1)
    runs: dict[str, Callable[..., Any]]
    if setting.trainable:
        training = Training(setting)
        first = timed(training.step)
        runs = {"step": training.step, "profile": lambda: shares(training.step)}
    else:
        detecting = Detecting(setting)
        first = timed(lambda: detecting.detect(setting.min_score))
        runs = {
            "detect": detecting.detect,
            "profile": lambda min_score: shares(lambda: detecting.detect(min_score)),
        }
    if ranks.leads:
        answer(first | {"from_build_s": time.perf_counter() - began})
    # Only rank 0 hears commands; the others do what it says.
    while command := (next_command() if ranks.size == 1 else distributed.gather(ranks.leads and next_command())[0]):
        found = timed(partial(runs[command.pop("do")], **command))
        if ranks.leads:
            answer(found)


if __name__ == "__main__":
    main()
