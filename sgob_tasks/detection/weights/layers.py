"""Weights by layer name, in the HDF5 layout of Keras: ours, ``mask_rcnn_coco.h5``, and the project's first model.

In that layout a top-level group per layer (or nested model) has the attribute ``weight_names``, paths of data sets
below it such as ``conv1/kernel:0`` or, in the nested model, ``rpn_conv_shared/kernel:0``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.files import write_durably
from sgob_tasks.errors import InputError

log = logging.getLogger(__name__)

NESTED_MODELS = ("rpn_model",)
"""Groups that hold the layers of a model inside the model."""


@dataclass(frozen=True)
class LoadReport:
    """What a file gave.

    Attributes:
        loaded: layers whose weights were taken over.
        skipped: layers left as they were on purpose.
        missing: layers of the model that the file does not have.
        unused: layers of the file that the model does not have.
    """

    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _short(name: str) -> str:
    """Return ``kernel`` for ``conv1/kernel:0``."""
    return name.rsplit("/", 1)[-1].split(":", 1)[0]


def read_h5(path: Path) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Return the arrays of a weights file by layer and weight name (``kernel``, ``bias``, ``gamma``, ...).

    Raises:
        InputError: the file cannot be read or has another layout.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if "layer_names" not in file.attrs and "model_weights" in file else file
            layers: dict[str, dict[str, npt.NDArray[Any]]] = {}
            for group_name in map(_text, root.attrs["layer_names"]):
                group = root[group_name]
                for name in map(_text, group.attrs["weight_names"]):
                    layer = name.split("/")[-2] if group_name in NESTED_MODELS else group_name
                    layers.setdefault(layer, {})[_short(name)] = np.asarray(group[name])
            return layers
    except (OSError, KeyError, IndexError) as error:
        raise InputError(path, "weights", path.name, f"is no Keras weights file: {error}") from error


def load_weights(
    layers: dict[str, Any], path: Path, *, skip: Collection[str] = (), allow_missing: bool = True
) -> LoadReport:
    """Set the weights of layers from a file, by name.

    Args:
        layers: Keras layers by name (``MaskRCNN.layers()``).
        path: HDF5 file.
        skip: layers to leave as they are, such as those that depend on the classes.
        allow_missing: False raises where the file lacks a layer.

    Raises:
        InputError: the file's layout or an array's shape does not fit, or nothing does.
    """
    stored = read_h5(path)
    loaded, skipped, missing = [], [], []
    for name, layer in layers.items():
        if name in skip:
            skipped.append(name)
        elif name not in stored:
            missing.append(name)
        else:
            _set(layer, stored[name], path)
            loaded.append(name)
    if not loaded or (missing and not allow_missing):
        raise InputError(path, "layers", missing[:5], f"are missing; {len(loaded)} of {len(layers)} were found")
    unused = tuple(sorted(set(stored) - set(layers)))
    log.info("%s: %d layers loaded, %d skipped, %d missing", path, len(loaded), len(skipped), len(missing))
    return LoadReport(tuple(loaded), tuple(skipped), tuple(missing), unused)


def _set(layer: Any, arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    for weight in layer.weights:
        short = _short(weight.name)
        if short not in arrays:
            raise InputError(path, f"{layer.name}/{short}", sorted(arrays), "is missing")
        if tuple(weight.shape) != arrays[short].shape:
            raise InputError(path, f"{layer.name}/{short}", arrays[short].shape, f"the model's is {weight.shape}")
        weight.assign(arrays[short])


def save_weights(layers: dict[str, Any], path: Path) -> None:
    """Write the weights of layers, whole or not at all, in the layout that :func:`read_h5` reads.

    The proposal network's layers go below ``rpn_model``, as in the files of the Matterport implementation.
    """

    def write(stream: Any) -> None:
        with h5py.File(stream, "w") as file:
            groups: dict[str, list[bytes]] = {}
            for name, layer in layers.items():
                group = NESTED_MODELS[0] if name.startswith("rpn_") else name
                for weight in layer.weights:
                    weight_name = f"{name}/{_short(weight.name)}:0"
                    file.create_dataset(f"{group}/{weight_name}", data=weight.numpy())
                    groups.setdefault(group, []).append(weight_name.encode("utf-8"))
            for group, names in groups.items():
                file[group].attrs["weight_names"] = names
            file.attrs["layer_names"] = [group.encode("utf-8") for group in groups]

    write_durably(path, write)
