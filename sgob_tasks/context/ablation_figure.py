"""The table of an ablation as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sgob_tasks.context.ablation import Ablation
from sgob_tasks.drawing import ACCENT, INK, SECOND, SOFT, new_figure, save_figure


def draw_ablation(tables: Sequence[Ablation], path: Path) -> Path:
    """Draw AP50 of every system with its 95 % interval, a panel for each set of pictures.

    Args:
        tables: as ``ablation.ablate`` returns them.
        path: of the PNG to write.

    Returns:
        ``path``.
    """
    most = max(len(table.rows) for table in tables)
    figure = new_figure(5.2 * len(tables), 0.9 + 0.55 * most)
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, table in zip(panels, tables, strict=True):
        for place, row in enumerate(table.rows):
            if row.ap50 is None:
                continue
            low = row.ap50 if row.ap50_low is None else row.ap50_low
            high = row.ap50 if row.ap50_high is None else row.ap50_high
            axes.plot([low, high], [place, place], color=SOFT, linewidth=5, solid_capstyle="butt", alpha=0.45)
            axes.plot([row.ap50], [place], "o", color=ACCENT if place == 0 else SECOND, markersize=7)
            axes.annotate(
                f"{row.ap50:.3f}",
                (row.ap50, place),
                (0, 8),
                textcoords="offset points",
                ha="center",
                color=INK,
                fontsize=8,
            )
        axes.set_title(f"{table.subset}: {table.images} pictures, {table.instances} instances", color=INK, fontsize=10)
        axes.set_xlabel("AP50, bar: 95 % interval", color=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.tick_params(colors=SOFT, labelcolor=INK)
    names = max((table.rows for table in tables), key=len)
    panels[0].set_yticks(range(len(names)), [row.system for row in names])
    panels[0].set_ylim(most - 0.5, -0.7)
    save_figure(figure, path)
    return path
