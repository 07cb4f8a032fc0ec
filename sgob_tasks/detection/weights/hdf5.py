"""Weights files: HDF5 in the layout of Keras, as ``save_weights("x.h5")`` and ``save("x.h5")`` write it.

A group for each layer, listed in the attribute ``layer_names`` of the root (or of the group ``model_weights``, where a
whole model was saved). A layer's group has the attribute ``weight_names``: paths of data sets below it. What writers of
the last ten years made of that, and what is read here:

- names as bytes or as text; attributes cut into ``weight_names0``, ``weight_names1``, ... where they were too large;
- ``conv1/kernel:0``, ``kernel:0``, ``scope/conv1/kernel:0`` and ``conv1_1/kernel:0`` for the same weight;
- a nested model (``rpn_model``, or the whole network where it was trained on several GPUs) whose group holds the
  weights of many layers;
- ``W``, ``b``, ``running_mean`` and ``running_std`` (Keras 1; the last held the variance), and weights whose name says
  nothing (``Variable:0``), which are told by their order;
- layers without weights, optimizer weights beside ``model_weights``, layers of one's own.

Keras 3 and files named ``.weights.h5`` have a layout without layer names, which cannot be loaded by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.files import write_durably
from sgob_tasks.errors import InputError

T = TypeVar("T")

Arrays = dict[str, dict[str, npt.NDArray[Any]]]
"""Arrays by layer and by weight (``kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean``, ``moving_variance``)."""

Shapes = dict[str, dict[str, tuple[int, ...]]]
"""Shapes by layer and by weight."""

NESTED_MODEL = "rpn_model"
"""Group of the proposal network's layers, which are a model of their own inside the model."""

_WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
_OLD_NAMES = {"W": "kernel", "b": "bias", "running_mean": "moving_mean"}
_OLD_NAMES |= dict.fromkeys(("running_std", "running_var", "running_variance"), "moving_variance")
_BY_COUNT = {2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}
# A layer that was made a second time in one session: Keras numbers it.
_NUMBERED = re.compile(r"(conv1|bn_conv1|(?:res|bn)\d\w*_branch\w+?|(?:fpn|rpn|mrcnn)_\w+?)_\d+")


@dataclass(frozen=True)
class FileFacts:
    """What a weights file says of itself.

    Attributes:
        keras_version, backend: of the writer; empty where it does not say.
        whole_model: it was written by ``save``, and may hold an optimizer's state besides.
    """

    keras_version: str
    backend: str
    whole_model: bool


def read_h5(path: Path, only: Collection[str] | None = None) -> Arrays:
    """Return the arrays of a weights file.

    Args:
        path: the file.
        only: layers to read; None for all.

    Raises:
        InputError: the file cannot be read or has another layout.
    """
    layers, _ = _read(path, np.asarray, only)
    return layers


def read_shapes(path: Path) -> tuple[Shapes, FileFacts]:
    """Return the shapes of a weights file's arrays without reading them, and what it says of itself.

    Raises:
        InputError: the file cannot be read or has another layout.
    """
    return _read(path, lambda data: tuple(int(side) for side in data.shape), None)


def write_h5(layers: Arrays, path: Path) -> None:
    """Write arrays, whole or not at all, as :func:`read_h5` and Keras' ``load_weights(by_name=True)`` read them.

    The proposal network's layers go below ``rpn_model``, as in the files of the Matterport implementation.
    """

    def write(stream: Any) -> None:
        with h5py.File(stream, "w") as file:
            groups: dict[str, list[bytes]] = {}
            for layer, weights in layers.items():
                group = NESTED_MODEL if layer.startswith("rpn_") else layer
                for name, array in weights.items():
                    file.create_dataset(f"{group}/{layer}/{name}:0", data=array)
                    groups.setdefault(group, []).append(f"{layer}/{name}:0".encode())
            for group, names in groups.items():
                file[group].attrs["weight_names"] = names
            file.attrs["layer_names"] = [group.encode() for group in groups]

    write_durably(path, write)


def weight_name(name: str) -> str:
    """Return ``kernel`` for ``conv1/kernel:0``, and today's name for one of old."""
    last = name.rsplit("/", 1)[-1].split(":", 1)[0]
    last = next((known for known in _WEIGHTS if re.fullmatch(rf"(?:.*_)?{known}(?:_\d+)?", last)), last)
    return _OLD_NAMES.get(last, last)


def _read(
    path: Path, take: Callable[[Any], T], only: Collection[str] | None
) -> tuple[dict[str, dict[str, T]], FileFacts]:
    """Return what ``take`` makes of each data set, by layer and weight."""
    try:
        with h5py.File(path, "r") as file:
            root, whole = _root(file, path)
            said = {
                name: _text(root.attrs.get(name, file.attrs.get(name, ""))) for name in ("keras_version", "backend")
            }
            if said["backend"] == "theano":
                raise InputError(path, "backend", "theano", "its kernels lie otherwise: convert the file with Keras 2")
            found: dict[str, dict[str, T]] = {}
            for group_name in _attribute(root, "layer_names"):
                for layer, weights in _group_layers(root[group_name], group_name).items():
                    if layer in found:
                        raise InputError(path, layer, group_name, "is in the file twice")
                    if only is None or layer in only:
                        found[layer] = {name: take(data) for name, data in weights.items()}
            return found, FileFacts(said["keras_version"], said["backend"], whole)
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise InputError(path, "weights", path.name, f"is no Keras weights file: {error}") from error


def _root(file: Any, path: Path) -> tuple[Any, bool]:
    """Return the group that holds the layers, and whether a whole model was saved."""
    if "layer_names" in file.attrs or "layer_names0" in file.attrs:
        return file, False
    if "model_weights" in file:
        return file["model_weights"], True
    if "_layer_checkpoint_dependencies" in file or "layers" in file:
        reason = "has Keras 3's layout, without layer names: load it where it was written and save it as name.h5"
        raise InputError(path, "weights", path.name, reason)
    raise InputError(path, "weights", path.name, "is no Keras weights file: it has no attribute layer_names")


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _attribute(group: Any, name: str) -> list[str]:
    """Return a list of names, be it in one attribute or cut into several (HDF5 bounds an attribute to 64 KiB)."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    names: list[str] = []
    part = 0
    while f"{name}{part}" in group.attrs:
        names += [_text(value) for value in group.attrs[f"{name}{part}"]]
        part += 1
    if not part:
        raise KeyError(f"{group.name} has no attribute {name}")
    return names


def _plain(layer: str) -> str:
    numbered = _NUMBERED.fullmatch(layer)
    return numbered[1] if numbered else layer


def _group_layers(group: Any, group_name: str) -> dict[str, dict[str, Any]]:
    """Return the layers of one group: its own weights, or those of the layers of a nested model."""
    paths = _attribute(group, "weight_names")
    parents = [path.split("/")[-2] if "/" in path else group_name for path in paths]
    nested = group_name == NESTED_MODEL or len({_plain(parent) for parent in parents}) > 1
    by_layer: dict[str, list[str]] = {}
    for parent, path in zip(parents, paths, strict=True):
        by_layer.setdefault(parent if nested else group_name, []).append(path)
    found: dict[str, dict[str, Any]] = {}
    for layer, own in by_layer.items():
        names = [weight_name(path) for path in own]
        if len(set(names)) < len(names) or not set(names) <= set(_WEIGHTS):
            names = list(_BY_COUNT.get(len(names), names)) if _told_by_order(names) else names
        plain = _plain(layer)
        found[layer if plain in found else plain] = {name: group[path] for name, path in zip(names, own, strict=True)}
    return found


def _told_by_order(names: list[str]) -> bool:
    """Return whether none of the names says what the weight is."""
    return not set(names) & set(_WEIGHTS)
