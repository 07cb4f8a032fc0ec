"""The curves of a training as a picture: losses, average precision, learning rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sgob_tasks.detection.parameters import LOSSES
from sgob_tasks.drawing import ACCENT, SECOND, SOFT, new_figure, save_figure
from sgob_tasks.errors import InputError

_SCORES = {"ap50": "boxes, AP50", "ap": "boxes, AP", "mask_ap50": "masks, AP50", "mask_ap": "masks, AP"}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a JSON-lines file of a training, in the order of their steps; [] where there is none.

    A torn last line, as a training that is running leaves it, is passed over.

    Raises:
        InputError: another line is no JSON object with a step.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            entries.append((entry["step"], entry))
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines):
                raise InputError(path, f"line {number}", line[:80], "is no entry of a training") from error
    return [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]


def draw_training_curves(results: Path, out: Path) -> Path:
    """Draw the curves of a training.

    Args:
        results: its folder with ``metrics.jsonl`` and ``evaluations.jsonl``.
        out: the PNG file.

    Returns:
        ``out``.

    Raises:
        InputError: there are no metrics, or a line does not hold.
    """
    metrics = read_lines(results / "metrics.jsonl")
    if not metrics:
        raise InputError(results, "metrics.jsonl", None, "holds no entry: the training has not begun")
    evaluations = read_lines(results / "evaluations.jsonl")
    figure = new_figure(8, 8.5)
    losses, scores, rates = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    steps = [entry["step"] for entry in metrics]
    losses.plot(steps, [entry["loss"] for entry in metrics], color="black", linewidth=1.6, label="all")
    for name in LOSSES:
        if any(entry["losses"][name] for entry in metrics):
            label = name.replace("rpn_", "proposals: ")
            losses.plot(steps, [entry["losses"][name] for entry in metrics], linewidth=1, label=label)
    losses.set(ylabel="loss", yscale="log")
    losses.legend(ncols=3, frameon=False)
    for (name, label), style in zip(_SCORES.items(), ("-", "--", "-", "--"), strict=True):
        points = [(entry["step"], entry[name]) for entry in evaluations if entry.get(name) is not None]
        if points:
            colour = SECOND if name.startswith("mask") else ACCENT
            scores.plot(*zip(*points, strict=True), style, marker="o", markersize=4, color=colour, label=label)
    scores.set(ylabel="on held-out pictures", ylim=(0, 1))
    scores.grid(alpha=0.25)
    if evaluations:
        scores.legend(frameon=False, loc="lower right")
    else:
        scores.text(0.5, 0.5, "not evaluated yet", transform=scores.transAxes, ha="center", color=SOFT)
    rates.plot(steps, [entry["learning_rate"] for entry in metrics], color=SOFT)
    rates.set(ylabel="learning rate", xlabel="step", ylim=(0, None))
    minutes = metrics[-1]["elapsed_s"] / 60
    figure.suptitle(
        f"{metrics[-1]['epoch']:.1f} epochs, {steps[-1]} steps, {minutes:.1f} minutes", color=SOFT, fontsize=10
    )
    return save_figure(figure, out)
