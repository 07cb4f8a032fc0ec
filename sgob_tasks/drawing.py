"""Figures as PNG files, drawn with Matplotlib in the project's colours.

Matplotlib is imported where it draws: the cluster's programs run without it. Figures are made without ``pyplot``, which
keeps every figure it has made and is not meant for threads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

INK, SOFT, ACCENT, SECOND = "#231f1a", "#6a6258", "#7a2e12", "#c08a2d"
DOTS_PER_INCH = 110


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all, with the same bytes for the same figure; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    figure.savefig(temporary, dpi=DOTS_PER_INCH, format="png", metadata={"Software": None})
    temporary.replace(path)
    return path


def plain(text: str, longest: int = 28) -> str:
    """Return a name as it is drawn: not too long, and without what Matplotlib takes for mathematics."""
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")
