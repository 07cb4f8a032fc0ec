"""What a training tells while it runs: lines in the log, JSON lines, TensorBoard. Rank 0 only."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sgob_tasks.detection.files import write_durably
from sgob_tasks.detection.parameters import LOSSES
from sgob_tasks.detection.training.noise import NoiseScale
from sgob_tasks.detection.training.update import Update


def say(text: str) -> None:
    """Write a line to the job's log at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stdout.flush()


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``42 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def drop_later(path: Path, step: int) -> None:
    """Drop the JSON lines after ``step``, and a torn one: a resumed training writes them again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry["step"] <= step:
            kept.append(line + "\n")
    write_durably(path, lambda file: file.write("".join(kept).encode("utf-8")))


class Report:
    """Progress every few seconds, and evaluations.

    Writes ``metrics.jsonl``, ``evaluations.jsonl`` and ``tensorboard/``.

    Args:
        folder: where they go.
        active: False writes nothing, for all ranks but the first.
        interval_s: seconds between two lines.
        step: steps done before; what an earlier job has written about later ones is dropped.
        losses: names of an update's losses.
    """

    def __init__(
        self, folder: Path, active: bool, interval_s: float, step: int, losses: tuple[str, ...] = LOSSES
    ) -> None:
        self._losses = losses
        self._folder, self._active, self._interval_s = folder, active, interval_s
        self._updates: list[Update] = []
        self._last = self._began = time.monotonic()
        self._done_before = -1.0
        self._entry: dict[str, Any] = {}
        self._noise = NoiseScale()
        if active:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("metrics.jsonl", "evaluations.jsonl"):
                drop_later(folder / name, step)
            self._board = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def add(self, update: Update, *, step: int, epoch: float, rate: float, done: float, trainable: str) -> None:
        """Take note of an update, and write a line when it is time.

        Args:
            update: what came of it.
            step: its number, from 1.
            epoch: passes over the data by now.
            rate: its learning rate.
            done: share of the training that is done, 0 to 1.
            trainable: what is trained at present.
        """
        if not self._active:
            return
        now = time.monotonic()
        if self._done_before < 0:  # the first update traces the graph: no measure for the others
            self._done_before, self._began = done, now
        self._updates.append(update)
        if update.signal_and_noise is not None:
            self._noise.add(*update.signal_and_noise)
        self._entry = {
            "step": step,
            "epoch": round(epoch, 3),
            "elapsed_s": round(update.elapsed_s, 2),
            "learning_rate": float(f"{rate:.4g}"),
            "gradient_norm": round(update.gradient_norm, 4),
            "trainable": trainable,
            "done": round(done, 5),
            "remaining_s": self._remaining_s(done, now),
            "noise_scale": None if self._noise.value is None else round(self._noise.value, 1),
        }
        if now - self._last >= self._interval_s:
            self.flush()

    def _remaining_s(self, done: float, now: float) -> float | None:
        progress = done - self._done_before
        return round((now - self._began) / progress * (1 - done), 1) if progress > 1e-6 else None

    def flush(self) -> None:
        """Write a line about the updates since the last one."""
        if not self._active or not self._updates:
            return
        now = time.monotonic()
        mean = np.mean([update.losses for update in self._updates], axis=0)
        pictures = sum(update.pictures for update in self._updates)
        entry = self._entry
        entry["pictures"] = self._updates[-1].pictures
        entry["seconds_per_step"] = round((now - self._last) / len(self._updates), 4)
        entry["pictures_per_s"] = round(pictures / (now - self._last), 3)
        entry["loss"] = round(float(mean.sum()), 5)
        entry["losses"] = {name: round(float(value), 5) for name, value in zip(self._losses, mean, strict=True)}
        self._append("metrics.jsonl", entry)
        scalars = {f"loss/{name}": value for name, value in entry["losses"].items()}
        scalars |= {name: entry[name] for name in ("loss", "learning_rate", "gradient_norm", "pictures_per_s")}
        scalars |= {} if entry["noise_scale"] is None else {"noise_scale": entry["noise_scale"]}
        self._board_scalars(scalars, entry["step"])
        parts = " ".join(f"{name} {value:.3f}" for name, value in entry["losses"].items())
        left = "" if entry["remaining_s"] is None else f", {duration(entry['remaining_s'])} left"
        say(
            f"step {entry['step']} epoch {entry['epoch']:.1f} loss {entry['loss']:.3f} ({parts})"
            f" rate {entry['learning_rate']:.2e} {entry['seconds_per_step']:.3f} s/step"
            f" {entry['pictures_per_s']:.1f} pictures/s, {100 * entry['done']:.0f} %{left}"
        )
        self._updates, self._last = [], now

    def evaluated(self, scores: dict[str, float | None], *, step: int, epoch: float, elapsed_s: float) -> None:
        """Write how good the network is on the held-out pictures by now."""
        if not self._active:
            return
        self._last = time.monotonic()  # the evaluation is no part of the next steps' time
        entry = {"step": step, "epoch": round(epoch, 3), "elapsed_s": round(elapsed_s, 2)} | scores
        self._append("evaluations.jsonl", entry)
        known = {name: value for name, value in scores.items() if value is not None}
        self._board_scalars({f"evaluation/{name}": value for name, value in known.items()}, step)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in known.items())
        say(f"step {step}: held-out pictures: {shown or 'none'}")

    def _append(self, name: str, entry: dict[str, Any]) -> None:
        with (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _board_scalars(self, scalars: dict[str, float], step: int) -> None:
        with self._board.as_default(step=step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._board.flush()
