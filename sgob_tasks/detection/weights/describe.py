"""What a weights file holds, told from the file alone."""

from __future__ import annotations

import dataclasses
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sgob_tasks.detection.config import DetectorConfig, config_from_json
from sgob_tasks.detection.files import load_json
from sgob_tasks.detection.vocabularies import coco_classes, deart_classes
from sgob_tasks.detection.weights.hdf5 import Shapes, read_h5, read_shapes
from sgob_tasks.errors import InputError

HEAD_NORMS = ("mrcnn_class_bn1", "mrcnn_class_bn2", *(f"mrcnn_mask_bn{index}" for index in range(1, 5)))
_BACKBONE_LAYER = re.compile(r"res([2-5])([a-z])_branch2a")
_NETWORK_LAYER = re.compile(r"conv1|bn_conv1|(res|bn)\d\w+|(fpn|rpn|mrcnn)_\w+")


@dataclass(frozen=True)
class WeightsDescription:
    """What a file of a Mask R-CNN in the Matterport layout holds.

    Attributes:
        file: the file.
        size_bytes: its size.
        backbone: ``resnet50``, ``resnet101``, or by the number of layers that its blocks add up to.
        blocks, widths: residual blocks, and channels inside them, of stages 2 to 5.
        stem_channels, expansion: see ``DetectorConfig``.
        class_count: classes without the background.
        vocabulary: ``coco`` (80 classes), ``deart`` (69, as in the project's released model) or empty: told from
            their number, which names the classes only as far as nobody else trained on as many.
        class_agnostic: one box correction and one mask for all classes.
        masks: it has a mask head.
        batch_norm: ``frozen`` (the heads' statistics are still those that Keras begins with: Matterport's
            ``TRAIN_BN = False``), ``trained``, or ``absent``.
        fpn_channels, rpn_channels, head_channels, mask_channels: see ``DetectorConfig``; 0 for masks without a head.
        anchors_per_cell: anchors at one position of a feature map.
        levels: pyramid levels that have a layer of their own.
        layers: layers of the network that are there.
        parameters: numbers in them.
        foreign: layers with weights that are none of the network's.
        keras_version, backend: of the writer; empty where the file does not say.
        whole_model: it was written by ``model.save``.
    """

    file: str
    size_bytes: int
    backbone: str
    blocks: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    stem_channels: int
    expansion: int
    class_count: int
    vocabulary: str
    class_agnostic: bool
    masks: bool
    batch_norm: str
    fpn_channels: int
    rpn_channels: int
    head_channels: int
    mask_channels: int
    anchors_per_cell: int
    levels: tuple[int, ...]
    layers: int
    parameters: int
    foreign: tuple[str, ...]
    keras_version: str
    backend: str
    whole_model: bool

    @property
    def matterport_geometry(self) -> bool:
        """Whether anchors and levels are those of the Matterport implementation, as far as a file can tell."""
        return self.anchors_per_cell == 3 and self.levels == (2, 3, 4, 5) and not self.class_agnostic

    def default_classes(self) -> tuple[str, ...]:
        """Return names for the classes: COCO's or DEArt's where their number says so, else ``class 1..K``."""
        if self.vocabulary:
            return coco_classes() if self.vocabulary == "coco" else deart_classes()
        return tuple(f"class {number}" for number in range(1, self.class_count + 1))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)

    def text(self) -> str:
        """Return the description in words, a line for each matter."""
        guess = {"coco": " (as many as COCO has)", "deart": " (as many as DEArt has)"}.get(self.vocabulary, "")
        agnostic = "; one box correction and one mask for all" if self.class_agnostic else ""
        masks = f"{self.mask_channels} channels" if self.masks else "none"
        writer = f"Keras {self.keras_version or '(unknown)'}, {self.backend or 'unknown'} backend"
        lines = [
            f"{self.file}: {self.size_bytes / 1e6:.1f} MB, {self.layers} layers, {self.parameters / 1e6:.2f} M numbers",
            f"  backbone: {self.backbone}, blocks {self.blocks}, widths {self.widths}",
            f"  classes: {self.class_count} and the background{guess}{agnostic}",
            f"  masks: {masks}",
            f"  batch norm: {self.batch_norm}",
            f"  pyramid: levels {self.levels}, {self.fpn_channels} channels; {self.anchors_per_cell} anchors a cell",
            f"  written by: {writer}{', whole model' if self.whole_model else ''}",
        ]
        if self.foreign:
            lines.append(f"  not of the network: {', '.join(self.foreign)}")
        return "\n".join(lines)


def describe_weights(path: Path) -> WeightsDescription:
    """Tell what a weights file holds, from its names and shapes (and the heads' batch norm statistics).

    Raises:
        InputError: it cannot be read, or is no Mask R-CNN in the Matterport layout; names the layer.
    """
    shapes, facts = read_shapes(path)

    def shape(layer: str, weight: str = "kernel") -> tuple[int, ...]:
        found = shapes.get(layer, {}).get(weight)
        if found is None or (weight == "kernel" and len(found) < 2):
            raise InputError(path, f"{layer}/{weight}", found, "is missing: no Mask R-CNN in the Matterport layout")
        return found

    blocks = _blocks(path, shapes)
    widths = tuple(shape(f"res{stage}a_branch2a")[-1] for stage in range(2, 6))
    expanded = shape("res2a_branch2c")[-1]
    outputs, boxes = shape("mrcnn_class_logits")[-1], shape("mrcnn_bbox_fc")[-1]
    agnostic = boxes == 4 and outputs != 1
    if not agnostic and boxes != 4 * outputs:
        raise InputError(path, "mrcnn_bbox_fc/kernel", boxes, f"must be four for each of the {outputs} outputs")
    masks = "mrcnn_mask" in shapes
    shared, pooled = shape("rpn_conv_shared"), shape("mrcnn_class_conv1")
    own = [layer for layer in shapes if _NETWORK_LAYER.fullmatch(layer)]
    return WeightsDescription(
        file=str(path),
        size_bytes=path.stat().st_size,
        backbone=f"resnet{3 * sum(blocks) + 2}",
        blocks=(blocks[0], blocks[1], blocks[2], blocks[3]),
        widths=(widths[0], widths[1], widths[2], widths[3]),
        stem_channels=shape("conv1")[-1],
        expansion=expanded // widths[0],
        class_count=outputs - 1,
        vocabulary={81: "coco", 70: "deart"}.get(outputs, ""),
        class_agnostic=agnostic,
        masks=masks,
        batch_norm=_batch_norm(path, shapes),
        fpn_channels=shared[-2],
        rpn_channels=shared[-1],
        head_channels=pooled[-1],
        mask_channels=shape("mrcnn_mask_conv1")[-1] if masks else 0,
        anchors_per_cell=shape("rpn_class_raw")[-1] // 2,
        levels=tuple(level for level in range(2, 7) if f"fpn_p{level}" in shapes),
        layers=len(own),
        parameters=sum(prod(side) for layer in own for side in shapes[layer].values()),
        foreign=tuple(sorted(set(shapes) - set(own))),
        keras_version=facts.keras_version,
        backend=facts.backend,
        whole_model=facts.whole_model,
    )


def config_of(description: WeightsDescription, classes: Sequence[str], **changes: Any) -> DetectorConfig:
    """Return the configuration of the network that a file's weights fit, with Matterport's geometry.

    Args:
        description: of the file.
        classes: names of its classes, without the background.
        changes: fields to set otherwise, such as ``image_size``.

    Raises:
        InputError: the classes are not as many as the file's, a value does not fit, or the file's network has another
            geometry: such a network needs its ``model.json``.
    """
    if not description.matterport_geometry:
        found = f"{description.anchors_per_cell} anchors a cell, levels {description.levels}"
        reason = "is not Matterport's geometry (3 anchors, levels 2 to 5): give the model's folder, with its model.json"
        raise InputError(description.file, "geometry", found, reason)
    if len(classes) != description.class_count:
        raise InputError(description.file, "classes", len(classes), f"the file has {description.class_count}")
    names = ("blocks", "widths", "stem_channels", "expansion", "fpn_channels", "rpn_channels", "head_channels")
    values = {name: getattr(description, name) for name in names}
    values |= {"preset": description.backbone, "classes": tuple(classes)}
    if description.masks:
        values["mask_channels"] = description.mask_channels
    return config_from_json(values | changes, source=description.file)


def known_classes(path: Path) -> tuple[str, ...] | None:
    """Return the names of a file's classes as far as they are certain; None where they are not.

    They are in ``model.json`` beside the file, or the file has COCO's 81 outputs. (70 outputs may be DEArt's, or
    another set of 69 classes: that takes somebody who knows.)

    Raises:
        InputError: ``model.json`` is damaged, or the file cannot be read.
    """
    beside = path.with_name("model.json")
    if beside.is_file():
        described = load_json(beside)
        classes = described.get("classes") if isinstance(described, dict) else None
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise InputError(beside, "classes", classes, "must be a list of names")
        return tuple(classes)
    shapes, _ = read_shapes(path)
    return coco_classes() if shapes.get("mrcnn_class_logits", {}).get("bias") == (81,) else None


def _blocks(path: Path, shapes: Shapes) -> list[int]:
    """Return the number of residual blocks of each stage."""
    letters: dict[int, list[str]] = {stage: [] for stage in range(2, 6)}
    for layer in shapes:
        found = _BACKBONE_LAYER.fullmatch(layer)
        if found:
            letters[int(found[1])].append(found[2])
    for stage, found_letters in letters.items():
        wanted = list(string.ascii_lowercase[: len(found_letters)])
        if not found_letters or sorted(found_letters) != wanted:
            reason = "are not the blocks a, b, c, ... of a ResNet stage: no Mask R-CNN in the Matterport layout"
            raise InputError(path, f"res{stage}", "".join(sorted(found_letters)), reason)
    return [len(found_letters) for found_letters in letters.values()]


def _batch_norm(path: Path, shapes: Shapes) -> str:
    """Return whether the heads' batch norm has learnt statistics of its own."""
    norms = [layer for layer in HEAD_NORMS if layer in shapes]
    if not norms:
        return "absent"
    untouched = all(
        not np.any(weights.get("moving_mean", 0)) and np.all(weights.get("moving_variance", 1) == 1)
        for weights in read_h5(path, only=norms).values()
    )
    return "frozen" if untouched else "trained"
