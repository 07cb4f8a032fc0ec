"""The options of the commands that need TensorFlow, as data: ``sgob`` has the same as the programs that it starts.

Standard library only: ``sgob`` reads this in an environment without NumPy's and TensorFlow's weight.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Command:
    """One command with two doors.

    Attributes:
        name: below ``sgob``.
        module: program of the cluster's side.
        help: what it does, in a sentence.
        description: all that ``--help`` says of it.
        options: ``add_argument``'s keywords by the option's name.
    """

    name: str
    module: str
    help: str
    description: str
    options: Options

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the options to a parser."""
        for name, keywords in self.options.items():
            parser.add_argument(name, **keywords)

    def arguments(self, parsed: argparse.Namespace) -> list[str]:
        """Return parsed options as arguments for the other door."""
        arguments: list[str] = []
        for name, keywords in self.options.items():
            value = getattr(parsed, name.lstrip("-").replace("-", "_"))
            if keywords.get("action") == "store_true":
                arguments += [name] if value else []
            elif not name.startswith("-"):
                arguments.append(str(value))
            elif value is not None:
                # One word: a value that begins with a dash is no option.
                arguments.append(f"{name}={value}")
        return arguments


def _natural(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


_JSON: Mapping[str, Any] = {"action": "store_true", "help": "print the result as JSON"}
_CONFIG: Mapping[str, Any] = {
    "type": Path,
    "metavar": "FILE.toml",
    "help": "backbone, image_size, classes, min_confidence, nms, max_detections; default: what the weights say, and "
    "Matterport's 1024 pixels, 0.7, 0.3, 100",
}

DETECT = Command(
    "detect",
    "sgob_tasks.detection.detect",
    "find what the pictures of a folder show, with any Matterport weights file or a model of ours",
    """\
Find what the pictures of a folder show. Writes FILE (COCO results: image_id, category_id, bbox, score, segmentation;
also file_name, class_name, and the whole class distribution as candidates and background), FILE's sibling
.summary.json (counts, errors, throughput, memory, configuration, what was loaded) and, where pictures are broken,
.errors.json. Interrupted, it goes on where it was. Category ids: COCO's (1 to 90) for COCO's classes, else 1, 2, ...
in their order; image ids: 1, 2, ... in the order of file names; with --truth, both are those of that file.
Exit codes: 0 done (broken pictures are left out and named), 1 no picture could be read, 2 wrong use.""",
    {
        "--weights": {
            "type": Path,
            "required": True,
            "metavar": "FILE",
            "help": "mask_rcnn_coco.h5, any fork's .h5, or a folder with model.json and weights.h5",
        },
        "--images": {"type": Path, "required": True, "metavar": "DIR", "help": "searched for pictures, subfolders too"},
        "--out": {"type": Path, "required": True, "metavar": "FILE", "help": "COCO results (JSON)"},
        "--config": _CONFIG,
        "--truth": {"type": Path, "metavar": "FILE.json", "help": "COCO file whose image and category ids to use"},
        "--batch-size": {
            "type": _natural,
            "metavar": "N",
            "help": "pictures at once (default: 1 on a CPU, 4 on a GPU); halved when the memory does not hold them",
        },
        "--annotated": {"type": Path, "metavar": "DIR", "help": "also draw boxes, masks and labels on the pictures"},
        "--fresh": {"action": "store_true", "help": "throw away what an interrupted run left"},
        "--json": _JSON,
    },
)

WEIGHTS = Command(
    "weights",
    "sgob_tasks.detection.weights",
    "say what a weights file holds: backbone, classes, masks, batch norm",
    "Say what a weights file in the Matterport layout holds, told from the file alone.",
    {"file": {"type": Path, "metavar": "FILE", "help": "an .h5 file, or a model folder"}, "--json": _JSON},
)

EXPORT = Command(
    "export-model",
    "sgob_tasks.detection.export_model",
    "write a detector as a TensorFlow SavedModel, which runs without this code",
    "Write a detector as a TensorFlow SavedModel with the choice of detections inside (see detection/export_model.py).",
    {
        "model": {"type": Path, "metavar": "MODEL", "help": "a weights file, or a model folder"},
        "--out": {"type": Path, "required": True, "metavar": "DIR", "help": "folder to write; must not exist"},
        "--config": _CONFIG,
        "--json": _JSON,
    },
)

COMMANDS = (DETECT, WEIGHTS, EXPORT)
