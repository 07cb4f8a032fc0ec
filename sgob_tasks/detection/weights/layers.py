"""A network's weights from a file and into one, by layer name."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.weights.hdf5 import Arrays, read_h5, weight_name, write_h5
from sgob_tasks.detection.weights.report import LoadReport, ShapePair
from sgob_tasks.errors import InputError

log = logging.getLogger(__name__)


def load_weights(
    layers: Mapping[str, Any], path: Path, *, skip: Collection[str] = (), allow_missing: Collection[str] = ()
) -> LoadReport:
    """Set the weights of layers from a file, by name: all of them or none.

    Args:
        layers: Keras layers by name (``MaskRCNN.layers()``).
        path: HDF5 file (see ``weights.hdf5``).
        skip: layers to leave as they are, such as those that depend on the classes.
        allow_missing: layers that the file may lack.

    Raises:
        InputError: the file cannot be read; or it lacks a layer or an array that was not allowed to be missing, or an
            array's shape does not fit. Nothing was set then.
    """
    return assign_weights(layers, read_h5(path), path, skip=skip, allow_missing=allow_missing)


def assign_weights(
    layers: Mapping[str, Any],
    stored: Arrays,
    path: Path,
    *,
    skip: Collection[str] = (),
    allow_missing: Collection[str] = (),
) -> LoadReport:
    """Do what :func:`load_weights` does with arrays that were read before; ``path`` is named in messages."""
    wanted = [name for name in layers if name not in skip]
    missing = [name for name in wanted if name not in stored]
    refused = [name for name in missing if name not in allow_missing]
    if refused:
        shown = ", ".join(refused[:5]) + (", ..." if len(refused) > 5 else "")
        reason = f"{len(refused)} of the model's {len(layers)} layers are missing in the file"
        raise InputError(path, "layers", shown, reason)
    loaded = [name for name in wanted if name in stored]
    for name in loaded:
        _check(layers[name], stored[name], path)
    for name in loaded:
        for weight in layers[name].weights:
            weight.assign(stored[name][weight_name(weight.name)])
    skipped = tuple(name for name in layers if name in skip)
    unused = tuple(sorted(set(stored) - set(layers)))
    report = LoadReport(str(path), tuple(loaded), skipped, tuple(missing), unused, _shapes(layers, stored, skipped))
    log.info("%s", report.text())
    return report


def save_weights(layers: Mapping[str, Any], path: Path) -> None:
    """Write the weights of layers, whole or not at all, in the layout of ``weights.hdf5``."""
    write_h5(
        {name: {weight_name(w.name): np.asarray(w.numpy()) for w in layer.weights} for name, layer in layers.items()},
        path,
    )


def model_shapes(layer: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a layer's weights, by their names."""
    return {weight_name(weight.name): tuple(int(side) for side in weight.shape) for weight in layer.weights}


def _check(layer: Any, arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Compare what the file has of a layer with what the model wants of it."""
    wanted = model_shapes(layer)
    for name, shape in wanted.items():
        if name not in arrays:
            raise InputError(path, f"{layer.name}/{name}", sorted(arrays), f"is missing; the model's is {shape}")
        if arrays[name].shape != shape:
            raise InputError(path, f"{layer.name}/{name}", arrays[name].shape, f"the model's is {shape}")
        if not np.issubdtype(arrays[name].dtype, np.floating):
            raise InputError(path, f"{layer.name}/{name}", str(arrays[name].dtype), "must be floating-point numbers")
        if not np.isfinite(arrays[name]).all():
            raise InputError(path, f"{layer.name}/{name}", "NaN or infinity", "is no weight: the training diverged")
    extra = sorted(set(arrays) - set(wanted))
    if extra:
        raise InputError(
            path, f"{layer.name}/{extra[0]}", arrays[extra[0]].shape, "the model's layer has no such weight"
        )


def _shapes(layers: Mapping[str, Any], stored: Arrays, skipped: Collection[str]) -> dict[str, dict[str, ShapePair]]:
    return {
        layer: {
            name: (stored[layer][name].shape, shape)
            for name, shape in model_shapes(layers[layer]).items()
            if name in stored[layer]
        }
        for layer in skipped
        if layer in stored
    }
