"""Which weights a part of the training changes.

The words are those of the Matterport implementation: ``heads`` leaves the whole ResNet as it was loaded, ``4+`` trains
its stages 4 and 5 besides, ``all`` everything.
"""

from __future__ import annotations

import re
from typing import Any

from sgob_tasks.detection.network.model import MaskRCNN

_RESNET = re.compile(r"(?:res|bn)(\d)[a-z]+_branch")


def resnet_stage(layer: str) -> int | None:
    """Return the stage, 1 to 5, of a layer of the ResNet; None for the layers after it."""
    if layer in {"conv1", "bn_conv1"}:
        return 1
    found = _RESNET.match(layer)
    return int(found[1]) if found else None


def freeze(model: MaskRCNN, trainable: str) -> list[Any]:
    """Make only some of the layers trainable, and return their weights in a fixed order.

    Batch norm that the configuration keeps frozen stays so.

    Args:
        model: the network.
        trainable: ``all``, ``3+``, ``4+``, ``5+`` or ``heads``.
    """
    first = {"all": 1, "heads": 6}.get(trainable) or int(trainable[0])
    for name, layer in model.layers().items():
        stage = resnet_stage(name)
        is_norm = hasattr(layer, "moving_mean")
        layer.trainable = (stage is None or stage >= first) and (model.config.train_batch_norm or not is_norm)
    return model.trainable_weights


def stage_at(parts: tuple[tuple[str, float], ...], done: float) -> str:
    """Return what is trained when a share of the training is done.

    Args:
        parts: ``(trainable, until which share)``, see ``TrainingParameters.parts``.
        done: 0 to 1.
    """
    return next((trainable for trainable, until in parts if done < until), parts[-1][0])
