"""How fast the detector is: pictures, first result, training steps, two ranks; beside a Matterport fork where one is.

``SGOB_PEER`` names a checkout of the fork, ``SGOB_PEER_PYTHON`` an interpreter that has TensorFlow and what the fork
imports (default: the cluster's environment). Without a fork only our figures are printed.

Both have the same weights (random, in Matterport's layout), picture, proposals (1000; 2000 in training) and limits
(100 detections, 200 regions), and run in turns, so that what else the machine does meets both. Seconds are medians;
*cpu* is processor time divided by the cores, which other processes change little. The fork draws 100 masks whatever it
finds; we draw what was found, so that our figure depends on it: none, about ten, a hundred.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sgob_tasks.cluster_python import cluster_python
from tests.benchmarks.detector_protocol import Measured, Setting

PYTHON = str(cluster_python())
PEER_PYTHON = os.environ.get("SGOB_PEER_PYTHON", PYTHON)
HAS_PEER = "SGOB_PEER" in os.environ
CORES = len(os.sched_getaffinity(0))
CLASSES = 69
REPEATS = {512: 5, 1024: 3}
STEPS = 4
MPI = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--map-by", "core", "--bind-to", "core", "-np", "2"]
MPI += ["-mca", "btl", "self,vader,tcp", "-mca", "btl_tcp_if_include", "lo"]


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def prepared(folder: Path, backbone: str, size: int) -> Setting:
    """Write random pictures and weights, and return the setting that names them."""
    pictures = []
    for number in range(4):
        path = folder / f"{size}-{number}.jpg"
        if not path.exists():
            noise = np.random.default_rng(number).integers(0, 255, (size // 8, size // 8, 3), np.uint8)
            Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC).save(path, quality=90)
        pictures.append(str(path))
    setting = Setting(backbone, size, CLASSES, str(folder / f"{backbone}.h5"), tuple(pictures))
    if not Path(setting.weights).exists():
        Measured("detector_ours", setting, PYTHON).end()
    return setting


def peer(setting: Setting, **environment: str) -> Measured | None:
    """Start the fork, where there is one."""
    return Measured("detector_peer", setting, PEER_PYTHON, environment=environment) if HAS_PEER else None


class Turns:
    """Several things measured in turns."""

    def __init__(self, cases: dict[str, Callable[[], dict[str, Any]]], rounds: int) -> None:
        self.found: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, run in cases.items():
                self.found[name].append(run())

    def seconds(self, name: str) -> float:
        """Return the median wall-clock time."""
        return statistics.median(one["seconds"] for one in self.found[name])

    def cpu(self, name: str) -> float:
        """Return the median processor time, as seconds on all cores."""
        return statistics.median(one["cpu_s"] for one in self.found[name]) / CORES

    def value(self, name: str) -> Any:
        """Return what the last run returned."""
        return self.found[name][-1]["value"]

    def columns(self, name: str) -> str:
        """Return median, least and processor time."""
        least = min(one["seconds"] for one in self.found[name])
        return f"{self.seconds(name):7.2f} {least:7.2f} {self.cpu(name):7.2f}"

    def row(self, label: str, name: str) -> str:
        """Return a line: ours, the fork's and the ratios."""
        text = f"{label:32s} {self.columns(name)}"
        if "fork" not in self.found:
            return text
        pairs = zip(self.found[name], self.found["fork"], strict=True)
        ratio = statistics.median(theirs["seconds"] / ours["seconds"] for ours, theirs in pairs)
        return f"{text} | {self.columns('fork')} | {ratio:5.2f} {self.cpu('fork') / self.cpu(name):5.2f}"


HEADER = f"{'seconds':32s} {'ours':>7s} {'least':>7s} {'cpu':>7s} | {'fork':>7s} {'least':>7s} {'cpu':>7s} | ratio, cpu"


def detection(setting: Setting) -> None:
    """Print seconds per picture, and from the start to the first result."""
    label = f"{setting.backbone} {setting.size}"
    ours = Measured("detector_ours", setting, PYTHON)
    other = peer(setting)
    scores = ours.ask("detect", min_score=0.0)["value"]
    thresholds = {"none": 1.0, "ten": scores[9] if len(scores) > 9 else 0.0, "all": 0.0}
    cases = {name: lambda low=low: ours.ask("detect", min_score=low) for name, low in thresholds.items()}
    if other:
        cases["fork"] = lambda: other.ask("detect")
    turns = Turns(cases, REPEATS[setting.size])
    for name in thresholds:
        say(turns.row(f"{label}, {len(turns.value(name))} found", name))
    first = f"{ours.first_s:.1f} s, from the model's build {ours.first['from_build_s']:.1f} s"
    if other:
        first += f" | fork {other.first_s:.1f} s, {other.first['from_build_s']:.1f} s, finds {turns.value('fork')}"
        other.end()
    say(f"  first result: {first}")
    ours.end()


def training(setting: Setting, trainable: str) -> None:
    """Print seconds per training step."""
    setting = replace(setting, trainable=trainable)
    ours = Measured("detector_ours", setting, PYTHON)
    # Without oneDNN, TensorFlow's default on this kind of processor may be, a step of the fork takes twice as long.
    other = peer(setting, TF_ENABLE_ONEDNN_OPTS="1")
    cases = {"ours": lambda: ours.ask("step")}
    if other:
        cases["fork"] = lambda: other.ask("step")
    say(Turns(cases, STEPS).row(f"step, {setting.backbone} {setting.size}, {trainable}", "ours"))
    if other:
        other.end()
    if trainable == "all":
        _print_shares("of a training step", ours.ask("profile")["value"])
    ours.end()


def _print_shares(what: str, parts: dict[str, float]) -> None:
    whole = sum(parts.values())
    text = ", ".join(f"{name} {seconds / whole:.0%}" for name, seconds in parts.items() if seconds / whole >= 0.005)
    say(f"  {what}: {text}")


def profile(setting: Setting) -> None:
    """Print which parts of the network a picture's time goes to."""
    ours = Measured("detector_ours", setting, PYTHON)
    tenth = ours.ask("detect", min_score=0.0)["value"][9]
    plain = ours.ask("detect", min_score=tenth)["seconds"]
    parts = ours.ask("profile", min_score=tenth)["value"]
    parts["decoding, selection, run lengths"] = max(0.0, plain - sum(parts.values()))
    _print_shares(f"of a picture, {setting.backbone} {setting.size}, ten found", parts)
    ours.end()


def scaling(setting: Setting) -> None:
    """Print how two ranks on a core each compare with one rank on one core."""
    setting = replace(setting, trainable="all")
    one_thread = {"OMP_NUM_THREADS": "1", "SLURM_CPUS_PER_TASK": "1"}
    prefixes = {"alone": ["taskset", "-c", "0"], "two": MPI}
    ranks = {
        name: Measured("detector_ours", setting, PYTHON, prefix=prefix, environment=one_thread)
        for name, prefix in prefixes.items()
    }
    turns = Turns({name: partial(one.ask, "step") for name, one in ranks.items()}, 2 * STEPS)
    seconds = {name: [one["seconds"] for one in turns.found[name]] for name in ranks}
    efficiency = statistics.median(a / b for a, b in zip(seconds["alone"], seconds["two"], strict=True))
    least = min(seconds["alone"]) / min(seconds["two"])
    say(
        f"weak scaling, {setting.backbone} {setting.size}, a core a rank: {turns.seconds('alone'):.2f} s a step alone, "
        f"{turns.seconds('two'):.2f} s with two, efficiency {efficiency:.2f} (of the fastest steps: {least:.2f})"
    )
    for one in ranks.values():
        one.end()


def main() -> None:
    """Print all figures."""
    if not HAS_PEER:
        say("no fork to compare with: SGOB_PEER names none")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(HEADER)
        for backbone in ("resnet50", "resnet101"):
            for size in (512, 1024):
                detection(prepared(folder, backbone, size))
        small = prepared(folder, "resnet50", 512)
        profile(small)
        for trainable in ("all", "heads"):
            training(small, trainable)
        scaling(small)


if __name__ == "__main__":
    main()
