"""What the detector's benchmark and its measured processes say to each other: a line of JSON each way.

A measured process lives in the cluster's environment. It answers one command at a time and waits in between, so that
two of them can be measured in turns while the other one sleeps. Standard library and NumPy only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "ANSWER "


@dataclass(frozen=True)
class Setting:
    """What a process is to run.

    Attributes:
        backbone: ``resnet50`` or ``resnet101``.
        size: side of the network's input in pixels.
        classes: number of classes without the background.
        weights: HDF5 file in Matterport's layout.
        pictures: files to detect in or to train on.
        min_score: detections below it are dropped.
        trainable: ``all`` or ``heads`` to train; empty to detect.
    """

    backbone: str
    size: int
    classes: int
    weights: str
    pictures: tuple[str, ...]
    min_score: float = 0.0
    trainable: str = ""


def instance_boxes(size: int) -> list[tuple[int, int, int, int]]:
    """Return the ``(x, y, width, height)`` of the eight objects in every training picture."""
    unit = size // 16
    shapes = [(1, 1, 3, 5), (5, 1, 4, 4), (10, 1, 5, 3), (1, 7, 6, 6), (8, 5, 3, 6), (12, 5, 3, 3), (8, 12, 7, 3)]
    return [(x * unit, y * unit, w * unit, h * unit) for x, y, w, h in [*shapes, (2, 13, 3, 2)]]


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """Return the wall-clock and processor seconds of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "value": value}


def answer(value: Any) -> None:
    """Send an answer."""
    sys.stdout.write(f"\n{MARK}{json.dumps(value)}\n")  # (a progress bar may stand in the line)
    sys.stdout.flush()


def next_command() -> dict[str, Any] | None:
    """Wait for a command; None when there will be none."""
    line = sys.stdin.readline()
    return json.loads(line) if line.strip() else None


class Measured:
    """A process that is measured: started with a setting, then asked.

    Args:
        module: file in this folder that the process runs.
        setting: its only argument.
        python: interpreter of an environment with TensorFlow.
        prefix: command in front of it, such as ``taskset`` or ``mpirun``.
        environment: variables to add.
    """

    def __init__(
        self,
        module: str,
        setting: Setting,
        python: str,
        *,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        command = [*prefix, python, "-m", f"tests.benchmarks.{module}", json.dumps(asdict(setting))]
        variables = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)} | (environment or {})
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not os.environ.get("SGOB_BENCH_VERBOSE") else None,
        )
        self.first = self._answer()
        self.first_s = time.perf_counter() - self._started
        """Seconds from the start of the process to its first answer."""

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                found: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return found
        message = self._process.stderr.read() if self._process.stderr else ""
        raise RuntimeError(f"the measured process ended: {message[-2000:]}")

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
