"""A trained model on disk: ``weights.h5`` and ``model.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.detection.config import DetectorConfig, config_from_json
from sgob_tasks.detection.files import load_json, write_json
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.weights.layers import load_weights, save_weights
from sgob_tasks.errors import InputError

FORMAT = "sgob-mask-rcnn/1"


@dataclass(frozen=True)
class ModelInfo:
    """What must be known of a trained model.

    Attributes:
        config: the network's shape and classes.
        has_masks: the mask head was trained; without, detections have no masks.
        training: how it was trained: steps, pictures, instances with and without masks, ... (free form).
    """

    config: DetectorConfig
    has_masks: bool
    training: dict[str, Any]


def save_model(folder: Path, model: MaskRCNN, info: ModelInfo) -> None:
    """Write a model. ``model.json`` comes last: with it the model is whole."""
    save_weights(model.layers(), folder / "weights.h5")
    config = info.config
    described = {
        "format": FORMAT,
        "preset": config.preset,
        "classes": list(config.classes),
        "image_size": config.image_size,
        "anchors": {
            "levels": config.rpn_levels,
            "sizes_px": config.anchor_sizes,
            "ratios": config.anchor_ratios,
        },
        "masks": info.has_masks,
        "candidates": "softmax over all classes and the background, which results hold under a key of its own",
        "training": info.training,
        "config": config.to_json(),
    }
    write_json(folder / "model.json", described)


def read_model_info(folder: Path) -> ModelInfo:
    """Read ``model.json``.

    Raises:
        InputError: it is missing, of another format, or a field does not fit.
    """
    path = folder / "model.json"
    described = load_json(path)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        found = described.get("format") if isinstance(described, dict) else described
        raise InputError(path, "format", found, f"must be {FORMAT}")
    config = described.get("config")
    if not isinstance(config, dict):
        raise InputError(path, "config", config, "must be an object")
    training = described.get("training")
    has_masks = bool(described.get("masks", False))
    return ModelInfo(config_from_json(config, str(path)), has_masks, training if isinstance(training, dict) else {})


def load_model(folder: Path) -> tuple[MaskRCNN, ModelInfo]:
    """Read a model with its weights.

    Raises:
        InputError: a file is missing or does not fit.
    """
    info = read_model_info(folder)
    model = MaskRCNN(info.config)
    load_weights(model.layers(), folder / "weights.h5")
    return model, info
