"""Which number types the network computes with."""

from __future__ import annotations

import tensorflow as tf

FAST_AT_FLOAT16 = (7, 0)
"""Compute capability from which NVIDIA's GPUs have tensor cores; a K80 (3.7) is slower with float16 than without."""


def use_precision(wanted: str) -> str:
    """Set Keras' policy for all layers that are made from now on, and return it.

    Weights, losses, box geometry and everything that is summed over ranks stay float32 under every policy.

    Args:
        wanted: ``float32``, ``mixed_float16``, ``mixed_bfloat16``, or ``auto``: mixed with float16 where every GPU of
            this process has tensor cores, else float32.
    """
    if wanted == "auto":
        details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")]
        fast = details and all(entry.get("compute_capability", (0, 0)) >= FAST_AT_FLOAT16 for entry in details)
        wanted = "mixed_float16" if fast else "float32"
    tf.keras.mixed_precision.set_global_policy(wanted)
    return wanted
