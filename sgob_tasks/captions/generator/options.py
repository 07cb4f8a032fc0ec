"""The options of ``generate``, as data: ``sgob`` has the same as the program that it starts. Standard library only."""

from __future__ import annotations

from pathlib import Path

from sgob_tasks.detection.options import Command

DESCRIBE = Command(
    "generate",
    "sgob_tasks.captions.generator.describe",
    "describe pictures with a trained generator, from what the detector found on them",
    """\
Describe pictures. Reads the detector's results, or regions as `sgob_tasks/captions/generator/regions.py` says (JSON
lines; a file, or a folder of them); writes JSON lines (sha256, caption, log_prob, tokens with the regions that each
word came from, beam, forbidden, model_sha256), or COCO results where FILE ends with .json (image_id is the sha256).""",
    {
        "--model": {"type": Path, "required": True, "metavar": "DIR", "help": "as `train-generator` wrote it"},
        "--in": {
            "type": Path,
            "required": True,
            "metavar": "FILE|DIR",
            "help": "what the detector found",
        },
        "--out": {"type": Path, "required": True, "metavar": "FILE", "help": "the captions"},
        "--beam-width": {"type": int, "default": 3, "metavar": "N", "help": "captions followed at a time (default: 3)"},
        "--batch-size": {"type": int, "default": 32, "metavar": "N", "help": "pictures at a time (default: 32)"},
        "--json": {"action": "store_true", "help": "print the result as JSON"},
    },
)
