"""The card of a data set as one picture. Control plane only: matplotlib is not on the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgob_tasks.drawing import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart, and greys.
_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#B8A000",
    "#7F7F7F",
    "#4D4D4D",
    "#BFBFBF",
)
_BAR = "#0072B2"
_LOG_FROM = 100
"""Where the commonest class has this many times the boxes of the rarest, their axis is logarithmic."""

_MOST_STYLES = 12
_MOST_LABELLED = 12


def draw_card(card: dict[str, Any], path: Path) -> None:
    """Draw a card of ``card.dataset_card`` and write it as PNG.

    Args:
        card: what to draw.
        path: the file to write.
    """
    classes = card["classes"]
    figure = new_figure(14, max(9.0, 2.2 + 0.19 * len(classes)))
    figure.suptitle(_title(card), fontsize=13, x=0.01, ha="left")
    grid = figure.add_gridspec(5, 3, width_ratios=(2.0, 1.25, 1.25), height_ratios=(0.9, 1.0, 1.2, 1.2, 1.5))
    _draw_classes(figure.add_subplot(grid[:, 0]), classes)
    _draw_facts(figure.add_subplot(grid[0, 1:]), card)
    _draw_left_out(figure.add_subplot(grid[1, 1:]), card["left_out"])
    panels = [figure.add_subplot(grid[row, column]) for row in (2, 3, 4) for column in (1, 2)]
    _draw_bars(panels[0], card["sizes"]["coco"], "Boxes by size (COCO: 32², 96² pixels)")
    _draw_bars(panels[1], card["sizes"]["relative"], "Boxes by side, share of the picture's")
    _draw_bars(panels[2], card["boxes_per_picture"], "Pictures by number of boxes", upright=True)
    _draw_bars(panels[3], card["centuries"], "Pictures by century", upright=True)
    _draw_bars(panels[4], card["supercategories"], "Boxes by super-category", most=_MOST_STYLES)
    _draw_bars(panels[5], card["styles"], "Pictures by style", most=_MOST_STYLES)
    save_figure(figure, path)


def _title(card: dict[str, Any]) -> str:
    pictures = sum(split["pictures"] for split in card["splits"].values())
    return f"{card['name']}: {pictures:,} pictures, {card['masks']['boxes']:,} boxes, {len(card['classes'])} classes"


def _draw_classes(axes: Axes, classes: list[dict[str, Any]]) -> None:
    """Draw the boxes per class, the commonest on top, coloured by the first word of the super-category."""
    rows = sorted(classes, key=lambda row: (row["boxes"], row["name"]), reverse=True)
    kinds = sorted({_kind(row) for row in rows})
    colour = {kind: _COLOURS[place % len(_COLOURS)] for place, kind in enumerate(kinds)}
    counts = [row["boxes"] for row in rows]
    bars = axes.barh([row["name"] for row in rows], counts, color=[colour[_kind(row)] for row in rows], height=0.75)
    present = [count for count in counts if count]
    if present and max(present) >= _LOG_FROM * min(present):
        axes.set_xscale("log")
        axes.set_xlim(0.7, max(present) * 2.2)
    else:
        axes.set_xlim(0, max([*present, 1]) * 1.12)
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], padding=3, fontsize=8)
    for place, count in enumerate(counts):
        if not count:  # a bar of no length has no place on a logarithmic axis
            axes.text(0.01, place, "0", fontsize=8, va="center", transform=axes.get_yaxis_transform())
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=8.5, length=0)
    axes.set_title("Boxes per class", fontsize=10, loc="left")
    _bare(axes)
    if len(kinds) > 1:
        from matplotlib.patches import Patch

        handles = [Patch(color=colour[kind], label=kind) for kind in kinds]
        axes.legend(handles=handles, loc="lower right", fontsize=8, frameon=False)


def _kind(row: dict[str, Any]) -> str:
    return str(row["supercategory"]).split("/")[0].strip() or "unknown"


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)


def _draw_bars(
    axes: Axes, counts: dict[str, int], title: str, *, upright: bool = False, most: int | None = None
) -> None:
    """Draw counts as bars; what comes after the ``most`` commonest is added up."""
    axes.set_title(title, fontsize=10, loc="left")
    if not counts:
        axes.text(0, 0.9, "not known", fontsize=9, color="#777777", va="top", transform=axes.transAxes)
        axes.axis("off")
        return
    shown = dict(counts)
    if most is not None and len(shown) > most:
        names = list(shown)
        rest = names[most - 1 :]
        shown = {name: shown[name] for name in names[: most - 1]} | {f"{len(rest)} others": sum(shown[n] for n in rest)}
    names, values = list(shown), list(shown.values())
    if upright:
        bars = axes.bar(names, values, color=_BAR, width=0.8)
        if len(names) <= _MOST_LABELLED:
            axes.bar_label(bars, [f"{value:,}" if value else "" for value in values], fontsize=7, padding=1)
        else:
            axes.set_xticks(range(0, len(names), 2), names[::2])
        axes.set_ylim(0, max([*values, 1]) * 1.12)
        axes.tick_params(axis="y", labelsize=8)
    else:
        bars = axes.barh(names, values, color=_BAR, height=0.75)
        axes.bar_label(bars, [f"{value:,}" for value in values], fontsize=8, padding=3)
        axes.set_xlim(0, max([*values, 1]) * 1.18)
        axes.invert_yaxis()
        axes.tick_params(axis="y", labelsize=8, length=0)
    _bare(axes)


def _draw_facts(axes: Axes, card: dict[str, Any]) -> None:
    axes.axis("off")
    axes.set_title("Splits", fontsize=10, loc="left")
    lines = [f"{'':<7}{'pictures':>9}{'boxes':>9}{'masks':>9}{'empty':>7}"]
    for split, row in card["splits"].items():
        numbers = (
            f"{row['pictures']:>9,}",
            f"{row['boxes']:>9,}",
            f"{row['with_mask']:>9,}",
            f"{row['without_boxes']:>7,}",
        )
        lines.append(f"{split:<7}{''.join(numbers)}")
    masks = card["masks"]
    lines += [
        "",
        f"masks   {masks['share']:.0%} of the boxes",
        f"longest side  {card['max_side']} px at most" if card["max_side"] else "pictures are as they came",
        f"sha256  {card['sha256'][:16]}...",
    ]
    axes.text(0, 0.95, "\n".join(lines), fontsize=8.5, family="monospace", va="top", transform=axes.transAxes)


def _draw_left_out(axes: Axes, left_out: dict[str, Any] | None) -> None:
    axes.axis("off")
    axes.set_title("Left out, and why", fontsize=10, loc="left")
    if left_out is None:
        lines = ["not known: not prepared by `sgob dataset prepare`"]
    elif not left_out["counts"]:
        lines = ["nothing"]
    else:
        lines = ["   ".join(f"{kind}: {count:,}" for kind, count in left_out["counts"].items())]
        for row in left_out["reasons"][:8]:
            text = f"{row['count']:>5,} {row['kind']}: {row['reason']}"
            lines.append(text if len(text) <= 96 else text[:93] + "...")
    axes.text(0, 0.95, "\n".join(lines), fontsize=8, va="top", transform=axes.transAxes, parse_math=False)
