"""Where the time of a graph goes: TensorFlow's own trace of one run, summed up by the parts of the network."""

from __future__ import annotations

import importlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = (
    ("backbone", r"features/(conv1|res|zero_padding|max_pooling|re_lu|add)"),
    ("feature pyramid", r"features/"),
    ("proposal network", r"rpn_model|sampled_anchors"),
    ("box head", r"box_head/"),
    ("mask head", r"mask_head/"),
    ("RoI pooling", r"CropAndResize"),
    ("proposals, suppression", r"NonMaxSuppression|TopK"),
    ("optimizer, sums", r"SGD|global_norm|AssignAdd|AssignSub|Resource|AssignVariable"),
)
"""Name and pattern of an operation; the first that fits counts."""


def part_of(operation: str) -> str:
    """Return the part an operation belongs to, and whether it is of the backward pass."""
    name = next((name for name, pattern in PARTS if re.search(pattern, operation)), "rest")
    return f"{name}, backward" if "gradient" in operation and name != "optimizer, sums" else name


def shares(run: Callable[[], Any]) -> dict[str, float]:
    """Return the seconds that the operations of a call take, by part."""
    import tensorflow as tf

    package = "tensorflow.tsl" if tf.__version__ >= "2.12" else "tensorflow.core"
    messages = importlib.import_module(f"{package}.profiler.protobuf.xplane_pb2")
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        space = messages.XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                stats = {plane.stat_metadata[stat.metadata_id].name: stat for stat in event.stats}
                name = plane.event_metadata[event.metadata_id].name
                if "tf_op" in stats or ("/" in name and ":" in name):
                    told = stats.get("tf_op")
                    text = (told.str_value or plane.stat_metadata[told.ref_value].name) if told is not None else name
                    found[part_of(text)] += event.duration_ps / 1e12
    return dict(found.most_common())
