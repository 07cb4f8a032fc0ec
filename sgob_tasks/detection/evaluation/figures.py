"""The figures of an evaluation as pictures: curves, confusion, classes, centuries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sgob_tasks.detection.evaluation.matching import Matching
from sgob_tasks.detection.evaluation.operating_point import OperatingPoint
from sgob_tasks.detection.evaluation.weighted import RECALLS
from sgob_tasks.drawing import ACCENT, INK, SECOND, SOFT, new_figure, plain, save_figure

SHOWN_CLASSES = 10
"""Classes that get a curve of their own: those with most instances."""

_NAMES = {"bbox": "boxes", "segm": "masks"}


def _bare(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=SOFT, labelcolor=INK)


def precision_recall(matching: Matching, path: Path) -> Path | None:
    """Draw precision against recall: the mean of the classes at each IoU, and the largest classes at IoU 0.5.

    Returns:
        ``path``; None where there is no instance.
    """
    from matplotlib import colormaps

    precision = matching.precision
    sizes = [int(of_class.instances.sum()) for of_class in matching.classes]
    present = [place for place, size in enumerate(sizes) if size]
    if not present:
        return None
    figure = new_figure(12, 5.2)
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.06})
    for number, iou in enumerate(np.linspace(0.5, 0.95, 10)):
        mean = precision[number][:, present].mean(axis=1)
        left.plot(RECALLS, mean, color=colormaps["viridis"](number / 10), label=f"{iou:.2f}   {mean.mean():.3f}")
    left.set_title(f"Mean of {len(present)} classes, {_NAMES[matching.iou_type]}", color=INK)
    left.legend(title="IoU       AP", fontsize=8, title_fontsize=8, frameon=False, loc="upper right")
    names = list(matching.truth.categories.values())
    largest = sorted(present, key=lambda place: (-sizes[place], names[place]))[:SHOWN_CLASSES]
    for number, place in enumerate(largest):
        curve = precision[0, :, place]
        label = f"{plain(names[place])} ({sizes[place]})  {curve.mean():.3f}"
        style = "-" if number < 5 else "--"
        right.plot(RECALLS, curve, style, color=colormaps["tab10"](number % 10), label=label)
    most = f"The {len(largest)} classes with most instances" if len(present) > len(largest) else "Each class"
    right.set_title(f"{most}, IoU 0.50", color=INK)
    right.legend(
        title="class (instances)  AP50", fontsize=8, title_fontsize=8, frameon=False, loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )  # fmt: skip
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Recall")
        axes.grid(color="#e0d9cc", linewidth=0.6)
        _bare(axes)
    left.set_ylabel("Precision")
    return save_figure(figure, path)


def confusion_matrix(point: OperatingPoint, path: Path) -> Path | None:
    """Draw the confusion matrix, coloured by the share of its row, with counts where there is room for them.

    Classes that neither occur nor were found are left out.

    Returns:
        ``path``; None where nothing occurs and nothing was found.
    """
    used = np.flatnonzero(point.confusion.any(axis=0) | point.confusion.any(axis=1))
    if not used.size:
        return None
    used = np.union1d(used, [len(point.names) - 1])
    counts = point.confusion[np.ix_(used, used)]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = max(5.0, 0.27 * len(used) + 2.2)
    figure = new_figure(side + 0.8, side)
    axes = figure.subplots()
    axes.hlines(np.arange(len(used) - 1) + 0.5, -0.5, len(used) - 0.5, color="#f0ebe0", linewidth=0.5)
    axes.vlines(np.arange(len(used) - 1) + 0.5, -0.5, len(used) - 0.5, color="#f0ebe0", linewidth=0.5)
    image = axes.imshow(shares, cmap="YlOrBr", vmin=0, vmax=1)
    names = [plain(point.names[place]) for place in used]
    axes.set_xticks(range(len(used)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(used)), names, fontsize=8)
    axes.set_xlabel("Predicted (background: missed)")
    axes.set_ylabel("Truth (background: false alarm)")
    at = f"at score {point.threshold.score:.3g} or more" if point.threshold else "no detection is right"
    axes.set_title(f"Confusion at IoU 0.5, {at}", color=INK)
    letter = 7 if counts.max() < 1000 else 5
    if len(used) <= 80:
        for row, column in np.argwhere(counts > 0):
            axes.text(
                column, row, str(counts[row, column]), ha="center", va="center", fontsize=letter,
                color="white" if shares[row, column] > 0.6 else INK,
            )  # fmt: skip
    figure.colorbar(image, ax=axes, shrink=0.5, aspect=30, fraction=0.03, pad=0.01, label="Share of the row")
    return save_figure(figure, path)


def class_bars(by_class: Mapping[str, Mapping[str, Any]], path: Path) -> Path | None:
    """Draw AP50 and AP of each class that has instances, best first.

    Returns:
        ``path``; None where no class has an instance.
    """
    rows = [(name, one) for name, one in by_class.items() if one["instances"]]
    rows.sort(key=lambda row: (row[1]["AP50"], row[1]["AP"], row[0]))
    title = f"Average precision of {len(rows)} classes"
    return _bars([(f"{plain(name)} ({one['instances']})", one) for name, one in rows], title, path)


def century_bars(by_century: Mapping[str, Mapping[str, Any]], path: Path) -> Path | None:
    """Draw AP50 and AP of each century, oldest first.

    Returns:
        ``path``; None where no picture of a known century has an instance.
    """
    rows = [(name, one) for name, one in by_century.items() if one["instances"]]
    labels = [(f"{plain(name)} ({one['images']})", one) for name, one in reversed(rows)]
    return _bars(labels, "Average precision by century (pictures)", path)


def _bars(rows: list[tuple[str, Mapping[str, Any]]], title: str, path: Path) -> Path | None:
    if not rows:
        return None
    figure = new_figure(7, 1.2 + 0.32 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))
    ap50, ap = ([one[name] for _, one in rows] for name in ("AP50", "AP"))
    axes.barh(places + 0.19, ap50, 0.36, color=ACCENT, label="AP50")
    axes.barh(places - 0.19, ap, 0.36, color=SECOND, label="AP")
    for place, values in zip(places, zip(ap50, ap, strict=True), strict=True):
        for value, shift in zip(values, (0.19, -0.19), strict=True):
            axes.text(value + 0.008, place + shift, f"{value:.2f}", va="center", fontsize=7.5, color=SOFT)
    axes.set_yticks(places, [name for name, _ in rows], fontsize=9)
    axes.set(xlim=(0, 1.05), ylim=(-0.6, len(rows) - 0.4))
    axes.set_title(title, color=INK)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    _bare(axes)
    return save_figure(figure, path)
