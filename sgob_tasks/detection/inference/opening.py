"""A detector from what people have: a weights file in the Matterport layout, or a folder that training wrote."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.detection.config import DetectorConfig
from sgob_tasks.detection.detect_config import DetectConfig
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.weights.describe import config_of, describe_weights
from sgob_tasks.detection.weights.layers import load_weights
from sgob_tasks.detection.weights.model_files import read_model_info
from sgob_tasks.detection.weights.report import LoadReport
from sgob_tasks.errors import InputError

MASK_PREFIX = "mrcnn_mask"
DEFAULTS = DetectConfig()


@dataclass(frozen=True)
class Opened:
    """What to run, before anything is built.

    Attributes:
        weights: the HDF5 file.
        config: the network's shape, classes and thresholds.
        has_masks: the file has a mask head that was trained.
        classes_from: who named the classes: the configuration, ``model.json``, or the number of outputs.
    """

    weights: Path
    config: DetectorConfig
    has_masks: bool
    classes_from: str

    def build(self) -> tuple[MaskRCNN, LoadReport]:
        """Build the network and give it the file's weights.

        Raises:
            InputError: the file lacks a layer or an array, or has one of another shape.
        """
        model = MaskRCNN(self.config)
        layers = model.layers()
        missing = () if self.has_masks else tuple(name for name in layers if name.startswith(MASK_PREFIX))
        return model, load_weights(layers, self.weights, allow_missing=missing)


def open_model(path: Path, wanted: DetectConfig = DEFAULTS) -> Opened:
    """Say what a weights file or model folder is, with the changes that a person wants.

    Args:
        path: ``.h5`` in the Matterport layout, or a folder with ``model.json`` and ``weights.h5`` (or the latter).
        wanted: what the person said.

    Raises:
        InputError: there is no such model, or what is wanted does not fit it; names file, field and value.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir() or (path.name == "weights.h5" and (folder / "model.json").is_file()):
        opened = _open_folder(folder, wanted)
    else:
        opened = _open_file(path, wanted)
    backbone = opened.config.preset
    if wanted.backbone is not None and wanted.backbone != backbone:
        raise InputError(wanted.source, "backbone", wanted.backbone, f"{opened.weights} is a {backbone}")
    return opened


def _open_folder(folder: Path, wanted: DetectConfig) -> Opened:
    info = read_model_info(folder)
    changes: dict[str, Any] = wanted.network_changes()
    if wanted.classes is not None:
        _same_number(wanted, folder / "model.json", len(info.config.classes))
        changes["classes"] = wanted.classes
    named = wanted.source if wanted.classes is not None else "model.json"
    return Opened(folder / "weights.h5", dataclasses.replace(info.config, **changes), info.has_masks, named)


def _open_file(path: Path, wanted: DetectConfig) -> Opened:
    described = describe_weights(path)
    if wanted.classes is not None:
        _same_number(wanted, path, described.class_count)
    classes = wanted.classes or described.default_classes()
    named = wanted.source if wanted.classes else f"the number of outputs ({described.class_count + 1})"
    config = config_of(described, classes, **wanted.network_changes())
    return Opened(path, config, described.masks, named)


def _same_number(wanted: DetectConfig, path: Path, count: int) -> None:
    if wanted.classes is not None and len(wanted.classes) != count:
        raise InputError(wanted.source, "classes", len(wanted.classes), f"{path} has {count} classes")
