"""What an inference run costs: time to the first result, throughput, memory; and on what it ran."""

from __future__ import annotations

import platform
import resource
import time
from typing import Any

import tensorflow as tf

from sgob_tasks.detection.training.devices import cores_per_rank, use_devices


class Meter:
    """Measures a run, its first batch apart: that one pays for tracing.

    Args:
        started: ``time.monotonic()`` when the program began.
        total: pictures to come.
    """

    def __init__(self, started: float, total: int) -> None:
        self.started, self.total = started, total
        self.done = 0
        self._first: tuple[float, int] | None = None
        self._last = started

    def batch(self, pictures: int) -> None:
        """Note that a batch has come out."""
        self.done += pictures
        self._last = time.monotonic()
        if self._first is None and pictures:
            self._first = (self._last, pictures)

    @property
    def pictures_per_s(self) -> float | None:
        """Throughput after the first batch; None before there is any."""
        if self._first is None or self.done == self._first[1]:
            return None
        return (self.done - self._first[1]) / max(self._last - self._first[0], 1e-9)

    def left(self) -> str:
        """Return how far it is and how long it will take, in words."""
        rate = self.pictures_per_s
        text = f"{self.done} of {self.total} pictures"
        if rate is None:
            return text
        return f"{text}, {rate:.2f} pictures/s, {duration((self.total - self.done) / rate)} left"

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values: seconds, pictures per second."""
        rate = self.pictures_per_s
        return {
            "seconds": round(time.monotonic() - self.started, 3),
            "seconds_to_first": None if self._first is None else round(self._first[0] - self.started, 3),
            "pictures_per_s": None if rate is None else round(rate, 4),
        }


def duration(seconds: float) -> str:
    """Return ``1 h 02 min``, ``3 min 05 s`` or ``12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def peak_memory() -> dict[str, int]:
    """Return the largest memory so far in bytes: ``rss_bytes`` of the process, ``gpu_bytes`` of the GPU in use."""
    # Linux gives kibibytes (getrusage(2)).
    peak = {"rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if tf.config.get_visible_devices("GPU"):
        peak["gpu_bytes"] = int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return peak


def surroundings() -> dict[str, str]:
    """Return what it runs on: TensorFlow, Python, device, host."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        device = f"GPU {details.get('device_name', gpus[0].name)}"
    else:
        device = f"CPU, {tf.config.threading.get_intra_op_parallelism_threads() or 'all'} threads"
    return {
        "tensorflow": str(tf.__version__),
        "python": platform.python_version(),
        "device": device,
        "host": platform.node(),
    }


def use_repeatable_device() -> None:
    """Take one GPU (memory as needed, not all of it) or this process' cores, and the same sums every time.

    Without the last, cuDNN may choose another algorithm in the next run, and a score another last digit.
    """
    use_devices(0, cores_per_rank(1))
    tf.config.experimental.enable_op_determinism()
    if not tf.config.get_visible_devices("GPU"):
        # Measured (ResNet-50, 512 pixels): Grappler gains nothing here, delays the first result, and prints a page of
        # warnings on costs that it cannot estimate. On a GPU it chooses the layout of the arrays: there it stays.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
