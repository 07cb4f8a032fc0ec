"""A generator as two files: ``generator.json`` (configuration, facts of the training) and ``weights.npz``."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sgob_tasks.captions.generator.config import GeneratorConfig, config_from_json
from sgob_tasks.captions.generator.network import CaptionNetwork
from sgob_tasks.detection.files import load_json, write_durably, write_json
from sgob_tasks.errors import InputError

DESCRIPTION, WEIGHTS = "generator.json", "weights.npz"


@dataclass(frozen=True)
class GeneratorInfo:
    """What ``generator.json`` says: configuration, and facts of the training."""

    config: GeneratorConfig
    training: dict[str, Any] = field(default_factory=dict)


def save_generator(folder: Path, network: CaptionNetwork, facts: dict[str, Any]) -> None:
    """Write a generator; each file whole or not at all, the description last."""
    arrays = {name.replace("/", "__"): weight.numpy() for name, weight in network.named_weights().items()}
    write_durably(folder / WEIGHTS, lambda file: np.savez(file, **arrays))
    write_json(folder / DESCRIPTION, {"config": network.config.to_json(), "training": facts})


def load_generator(folder: Path) -> tuple[CaptionNetwork, GeneratorInfo]:
    """Read a generator.

    Raises:
        InputError: a file is missing, damaged, or the two do not belong together.
    """
    described = load_json(folder / DESCRIPTION)
    if not isinstance(described, dict):
        raise InputError(folder / DESCRIPTION, "file", described, "must be an object")
    config = config_from_json(described.get("config"), folder / DESCRIPTION)
    network, path = CaptionNetwork(config), folder / WEIGHTS
    try:
        with np.load(path, allow_pickle=False) as file:
            for name, weight in network.named_weights().items():
                value = file[name.replace("/", "__")]
                if value.shape != tuple(weight.shape):
                    raise InputError(path, name, value.shape, f"must be {tuple(weight.shape)}")
                weight.assign(value)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, "file", path.name, f"is no generator's weights: {error}") from error
    return network, GeneratorInfo(config, dict(described.get("training") or {}))


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 of a generator's weights file.

    Raises:
        InputError: there is none.
    """
    try:
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(folder / WEIGHTS, "file", WEIGHTS, error.strerror or str(error)) from error
