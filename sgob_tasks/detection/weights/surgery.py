"""Weights of other classes: the layers that depend on the classes begin anew, except for classes of the same name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgob_tasks.detection.network.heads import CLASS_LAYERS
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.weights.describe import known_classes
from sgob_tasks.detection.weights.hdf5 import Arrays, read_h5, weight_name
from sgob_tasks.detection.weights.layers import assign_weights, model_shapes
from sgob_tasks.detection.weights.report import LoadReport
from sgob_tasks.errors import InputError

MASK_PREFIX = "mrcnn_mask"
"""Layers of the mask head: files of detectors without masks lack them all."""


def load_pretrained(
    model: MaskRCNN, path: Path, *, file_classes: Sequence[str] | None = None, take_rows: bool = True
) -> LoadReport:
    """Begin with the weights of a file, whatever its classes are.

    Where the file's classes are the model's, in the same order, everything is taken over. Where they are others, the
    class layers (``CLASS_LAYERS``) stay as they were initialised, but for the background and the classes that both
    have by name, such as person or horse of COCO in a model of paintings: their rows are taken over.

    Args:
        model: the network to fill.
        path: HDF5 file in the Matterport layout, or ``weights.h5`` of a model folder.
        file_classes: the file's classes without the background, in its order; None: as ``known_classes`` tells
            (``model.json`` beside the file, or 81 outputs for COCO). Where that tells nothing, all begin anew.
        take_rows: False begins anew for classes of the same name, too.

    Raises:
        InputError: the file cannot be read, lacks a layer or an array, or has one of another shape; or
            ``file_classes`` are not as many as its outputs.
    """
    stored = read_h5(path)
    names = tuple(file_classes) if file_classes is not None else known_classes(path)
    outputs = _outputs(stored, path)
    if names is not None and outputs != len(names) + 1:
        raise InputError(path, "classes", len(names), f"the file has {outputs - 1}, and the background")
    layers = model.layers()
    no_masks = not any(name.startswith(MASK_PREFIX) for name in stored)
    allowed = [name for name in layers if name.startswith(MASK_PREFIX)] if no_masks else []
    if names == model.config.classes and _fit(layers, stored):
        report = assign_weights(layers, stored, path, allow_missing=allowed)
        return dataclasses.replace(report, note="the classes are the same: all class layers were taken over")
    report = assign_weights(layers, stored, path, skip=CLASS_LAYERS, allow_missing=allowed)
    taken = _take_rows(model, stored, names) if take_rows and names is not None else ()
    if names is None:
        why = f"the file's {outputs - 1} classes have no known names"
    else:
        why = f"the file's {len(names)} classes are not the model's {len(model.config.classes)}"
    note = f"{why}: {', '.join(CLASS_LAYERS)} begin anew" + (", but for the rows named above" if taken else "")
    return dataclasses.replace(report, classes_taken=taken, note=note)


def _outputs(stored: Arrays, path: Path) -> int:
    logits = stored.get("mrcnn_class_logits", {}).get("bias")
    if logits is None:
        raise InputError(path, "mrcnn_class_logits", sorted(stored)[:3], "is missing: no weights of a Mask R-CNN")
    return int(logits.shape[0])


def _fit(layers: Mapping[str, Any], stored: Arrays) -> bool:
    """Return whether the class layers that the file has are of the model's shapes."""
    return all(
        name not in stored or {n: a.shape for n, a in stored[name].items()} == model_shapes(layers[name])
        for name in CLASS_LAYERS
    )


def _take_rows(model: MaskRCNN, stored: Arrays, names: tuple[str, ...]) -> tuple[str, ...]:
    """Copy the rows of the background and of the classes that both have; return those classes."""
    common = tuple(name for name in model.config.classes if name in names)
    if not common:
        return ()
    mine = np.array([0, *(1 + model.config.classes.index(name) for name in common)])
    theirs = np.array([0, *(1 + names.index(name) for name in common)])
    for layer, width in zip(CLASS_LAYERS, (1, 4, 1), strict=True):  # class logits, four box corrections, masks
        arrays = stored.get(layer, {})
        for weight in model.layers()[layer].weights:
            old = arrays.get(weight_name(weight.name))
            if old is None or old.shape[-1] != (len(names) + 1) * width:
                continue  # no masks in the file, or one answer for all classes
            new = np.array(weight.numpy())
            if new.shape[:-1] != old.shape[:-1] or new.shape[-1] != model.config.class_count * width:
                continue
            by_class = new.reshape(*new.shape[:-1], -1, width)
            by_class[..., mine, :] = old.reshape(*old.shape[:-1], -1, width)[..., theirs, :]
            weight.assign(by_class.reshape(new.shape))
    return common
