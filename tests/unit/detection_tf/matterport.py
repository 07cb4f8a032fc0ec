"""The Matterport layout as it was published: every layer's weights by the rule, written out here, and files of writers.

Nothing of the package is used: the tests compare the package with this.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import h5py
import numpy as np

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
Table = dict[str, dict[str, tuple[int, ...]]]


def conv(side: int, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {"kernel": (side, side, inputs, outputs), "bias": (outputs,)}


def norm(channels: int) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (channels,))


def published_table(backbone: str, outputs: int) -> Table:
    """Return the shapes of all weights by layer: ResNet, feature pyramid, proposal network, heads.

    He et al. 2015, table 1 (ResNet; biases and the stride on the first 1x1 as in Matterport), Lin et al. 2016 (256
    channels), Ren et al. 2015 (512 channels, 3 anchors), He et al. 2017, figure 4 (heads).
    """
    table: Table = {"conv1": conv(7, 3, 64), "bn_conv1": norm(64)}
    inputs = 64
    for stage, (count, width) in enumerate(zip(BLOCKS[backbone], (64, 128, 256, 512), strict=True), 2):
        for letter in string.ascii_lowercase[:count]:
            name, wide = f"{stage}{letter}_branch", 4 * width
            table[f"res{name}2a"] = conv(1, inputs, width)
            table[f"res{name}2b"] = conv(3, width, width)
            table[f"res{name}2c"] = conv(1, width, wide)
            table[f"bn{name}2a"], table[f"bn{name}2b"], table[f"bn{name}2c"] = norm(width), norm(width), norm(wide)
            if letter == "a":
                table[f"res{name}1"], table[f"bn{name}1"] = conv(1, inputs, wide), norm(wide)
            inputs = wide
    for level, channels in ((5, 2048), (4, 1024), (3, 512), (2, 256)):
        table[f"fpn_c{level}p{level}"] = conv(1, channels, 256)
        table[f"fpn_p{level}"] = conv(3, 256, 256)
    table["rpn_conv_shared"] = conv(3, 256, 512)
    table["rpn_class_raw"] = conv(1, 512, 2 * 3)
    table["rpn_bbox_pred"] = conv(1, 512, 4 * 3)
    table["mrcnn_class_conv1"], table["mrcnn_class_bn1"] = conv(7, 256, 1024), norm(1024)
    table["mrcnn_class_conv2"], table["mrcnn_class_bn2"] = conv(1, 1024, 1024), norm(1024)
    table["mrcnn_class_logits"] = {"kernel": (1024, outputs), "bias": (outputs,)}
    table["mrcnn_bbox_fc"] = {"kernel": (1024, 4 * outputs), "bias": (4 * outputs,)}
    for index in range(1, 5):
        table[f"mrcnn_mask_conv{index}"], table[f"mrcnn_mask_bn{index}"] = conv(3, 256, 256), norm(256)
    table["mrcnn_mask_deconv"] = conv(2, 256, 256)
    table["mrcnn_mask"] = conv(1, 256, outputs)
    return table


def random_arrays(table: Table, seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return {
        layer: {
            name: np.abs(rng.standard_normal(shape, np.float32)) + np.float32(0.1)
            if name == "moving_variance"
            else rng.standard_normal(shape, np.float32)
            for name, shape in weights.items()
        }
        for layer, weights in table.items()
    }


def table_of(layers: dict[str, Any]) -> Table:
    """Return the shapes of a network's layers, to write files for networks smaller than the published."""
    return {
        name: {w.name.split("/")[-1].split(":")[0]: tuple(w.shape) for w in layer.weights}
        for name, layer in layers.items()
    }


def write_file(
    path: Path,
    arrays: dict[str, dict[str, np.ndarray]],
    *,
    path_of: str = "{layer}/{name}:0",
    nested: tuple[str, ...] = ("rpn_",),
    nested_name: str = "rpn_model",
    names: dict[str, str] | None = None,
    whole: bool = False,
    text: bool = False,
    chunk: int = 0,
    attributes: dict[str, str] | None = None,
    extra: dict[str, dict[str, np.ndarray]] | None = None,
) -> None:
    """Write weights as one of the many writers did.

    Args:
        path: the file.
        arrays: by layer and weight.
        path_of: how a weight is called below its group; fields ``layer`` and ``name``.
        nested: beginnings of the layers that are in a model inside the model.
        nested_name: that model's name.
        names: other names for weights.
        whole: below ``model_weights``, with an optimizer's state beside.
        text: names as text instead of bytes.
        chunk: names in one attribute, where they are cut into several.
        attributes: of the root.
        extra: more layers.
    """

    def put(group: Any, name: str, values: list[str]) -> None:
        kept: Any = values if text else [value.encode() for value in values]
        if not chunk:
            group.attrs[name] = kept if values else np.zeros(0, "S1")
        for part, first in enumerate(range(0, len(kept) if chunk else 0, chunk or 1)):
            group.attrs[f"{name}{part}"] = kept[first : first + chunk]

    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        if whole:
            file["optimizer_weights/training/SGD/conv1/kernel/momentum:0"] = np.zeros(3)
        for name, value in (attributes or {}).items():
            root.attrs[name] = value
        groups: dict[str, list[str]] = {"input_image": [], "zero_padding2d_1": []}
        for layer, weights in (arrays | (extra or {})).items():
            group = nested_name if layer.startswith(nested) else layer
            for name, array in weights.items():
                place = path_of.format(layer=layer, name=(names or {}).get(name, name))
                root.create_dataset(f"{group}/{place}", data=array)
                groups.setdefault(group, []).append(place)
        for group, paths in groups.items():
            if not paths and chunk:
                root.require_group(group).attrs["weight_names"] = np.zeros(0, "S1")
            else:
                put(root.require_group(group), "weight_names", paths)
        put(root, "layer_names", list(groups))
