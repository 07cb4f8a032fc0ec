"""The batch size study as a picture: noise scale, direction of gradients, accuracy for the hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.drawing import SOFT, new_figure, save_figure


def draw_study(study: Mapping[str, Any], out: Path) -> Path:
    """Draw a study.

    Args:
        study: what ``steps.study.batch_size_study`` returns.
        out: the PNG file.

    Returns:
        ``out``.
    """
    figure = new_figure(13, 4.6)
    scale, direction, accuracy = figure.subplots(1, 3)
    _noise_scale(scale, study["trainings"])
    _direction(direction, study["gradients"])
    _accuracy(accuracy, study["trainings"])
    figure.suptitle(study["recommendation"]["text"], fontsize=10, wrap=True)
    return save_figure(figure, out)


def _colour(place: int, count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * place / max(1, count - 1))


def _noise_scale(axes: Any, trainings: Sequence[Mapping[str, Any]]) -> None:
    for place, training in enumerate(trainings):
        points = [(entry["epoch"], entry["noise_scale"]) for entry in training["noise"]]
        if points:
            label = f"batches of {training['batch_size']}"
            axes.plot(*zip(*points, strict=True), color=_colour(place, len(trainings)), label=label)
    axes.set(
        xlabel="epoch", ylabel="gradient noise scale (pictures)", yscale="log", title="How noisy: over the training"
    )
    axes.grid(alpha=0.25, which="both")
    _legend(axes)


def _direction(axes: Any, gradients: Sequence[Mapping[str, Any]]) -> None:
    for place, measured in enumerate(gradients):
        sizes = [entry["size"] for entry in measured["statistics"]]
        variance = [1 - entry["cosine"] for entry in measured["statistics"]]
        colour = _colour(place, len(gradients))
        axes.plot(sizes, variance, "o-", markersize=4, color=colour, label=f"after {measured['step']} steps")
        if measured["noise_scale"]:
            expected = [1 - 1 / (1 + measured["noise_scale"] / size) for size in sizes]
            axes.plot(sizes, expected, ":", color=colour, linewidth=1)
    axes.set(xlabel="batch size (pictures)", ylabel="1 - cosine of two batches", ylim=(0, 1.05))
    axes.set_xscale("log", base=2)
    axes.set_title("Variance of the direction (dotted: from the noise scale)", fontsize=10)
    axes.grid(alpha=0.25)
    _legend(axes)


def _accuracy(axes: Any, trainings: Sequence[Mapping[str, Any]]) -> None:
    for place, training in enumerate(trainings):
        points = [(entry["gpu_hours"], entry["ap50"]) for entry in training["accuracy"]]
        label = f"batches of {training['batch_size']}: {training['steps']} steps"
        colour = _colour(place, len(trainings))
        if points:
            axes.plot(*zip(*points, strict=True), "o-", markersize=4, color=colour, label=label)
    axes.set(
        xlabel="GPU-hours",
        ylabel="AP50 on held-out pictures",
        title="What the hours bring",
        ylim=(0, 1),
        xlim=(0, None),
    )
    axes.grid(alpha=0.25)
    _legend(axes)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    else:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, color=SOFT, ha="center")
