"""The page of an evaluation as files: ``index.html`` and ``pictures/*.jpg`` beside it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from markupsafe import Markup

from sgob_tasks.detection.evaluation.matching import COCO_NAMES, Matching
from sgob_tasks.detection.evaluation.mistakes import KINDS, Mistakes
from sgob_tasks.detection.evaluation.operating_point import OperatingPoint
from sgob_tasks.errors import PermanentError
from sgob_tasks.progress import track
from sgob_tasks.report.assets import asset, environment, policy
from sgob_tasks.report.evaluation_page import COCO_TEXTS, KIND_TEXTS, Card, mistake_cards, picture_cards
from sgob_tasks.report.pictures import shrink

log = logging.getLogger(__name__)

CROP_SIDE_PX = 480

IOU_NAMES = {"bbox": "Boxes", "segm": "Masks"}


@dataclass(frozen=True)
class EvaluationView:
    """What the page shows.

    Attributes:
        results: name of the detector's results.
        truth: name of the data set.
        figures: by ``bbox`` and ``segm``: what ``metrics`` returned.
        mistakes: by ``bbox`` and ``segm``.
        matching: of the boxes, or of the masks where only these were evaluated.
        point: the detector at its best threshold.
        charts: file name and description of the pictures beside the page.
        against: name of the results it was compared to.
        comparisons: by ``bbox`` and ``segm``: ``Comparison.to_json()``.
        intervals: by ``bbox`` and ``segm``: ``Interval.to_json()``.
        notes: what a reader must know, such as why masks were not evaluated.
    """

    results: str
    truth: str
    figures: Mapping[str, Mapping[str, Any]]
    mistakes: Mapping[str, Mistakes]
    matching: Matching
    point: OperatingPoint
    charts: Sequence[tuple[str, str]] = ()
    against: str | None = None
    comparisons: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    intervals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def _style() -> Markup:
    return asset("style.css", "evaluation.css")


def _script() -> Markup:
    return asset("frame.js.j2")


def evaluation_policy() -> str:
    """Return the policy of the page of an evaluation."""
    return policy(_style(), _script())


def render_evaluation(
    view: EvaluationView, cards: tuple[Sequence[Card], Sequence[Card], Sequence[Card]], sources: Mapping[int, str]
) -> str:
    """Render the page.

    Args:
        view: what was measured.
        cards: mistakes, best and worst pictures.
        sources: addresses of the pictures' copies by the cards' numbers; a card without one is shown in words.
    """
    first = view.mistakes[view.matching.iou_type]
    kinds = sorted(KINDS, key=lambda kind: -(first.costs[kind] or 0.0))
    return environment().get_template("evaluation.html.j2").render(
        view=view,
        main=view.figures[view.matching.iou_type],
        iou_names=IOU_NAMES,
        coco=[(name, COCO_TEXTS[name]) for name in COCO_NAMES],
        kinds=[(kind, KIND_TEXTS[kind], len(first.found[kind])) for kind in kinds],
        longest=max([cost for one in view.mistakes.values() for cost in one.costs.values() if cost] or [1.0]),
        wrong=cards[0],
        whole=(("Worst pictures", "worst", cards[2]), ("Best pictures", "best", cards[1])),
        sources=sources,
        policy=evaluation_policy(),
        css=_style(),
        js=_script(),
    )  # fmt: skip


def write_evaluation(view: EvaluationView, folder: Path, images: Path | None) -> tuple[Path, int]:
    """Write the page, and with a folder of pictures the parts of them that show the mistakes.

    A picture whose file is missing or broken does not stop the page: it says so in its place.

    Args:
        view: what was measured.
        folder: the page's; it is made.
        images: folder that the data set's ``file_name`` is relative to; None for a page without pictures.

    Returns:
        The page, and how many pictures could not be shown.
    """
    wrong = mistake_cards(view.mistakes[view.matching.iou_type], view.matching)
    best, worst = picture_cards(view.point, view.matching, len(wrong) + 1)
    sources: dict[int, str] = {}
    failed = set()
    if images is not None:
        for card in track((*wrong, *best, *worst), "Cutting out mistakes"):
            name = f"pictures/{card.kind}-{card.number:03d}.jpg"
            try:
                source = _source(images, str(view.matching.truth.images[card.image].get("file_name") or ""))
                shrink(source, folder / name, max_side=CROP_SIDE_PX, size=card.size, region=card.region)
            except PermanentError as error:
                failed.add(card.image)
                log.warning("%s: the page shows no picture: %s", card.title, error)
            else:
                sources[card.number] = name
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    temporary = folder / ".index.html.part"
    temporary.write_text(render_evaluation(view, (wrong, best, worst), sources), encoding="utf-8")
    temporary.replace(page)
    return page, len(failed)


def _source(images: Path, name: str) -> Path:
    """Return a picture's file, which lies below the folder whatever its name says.

    Raises:
        PermanentError: the name leads out of the folder, or no such file is there.
    """
    relative = PurePosixPath(name)
    if not name or relative.is_absolute() or ".." in relative.parts:
        raise PermanentError(f"{name!r} is no path below the folder of the pictures")
    for path in (images / relative, images / relative.name):
        if path.is_file():
            return path
    raise PermanentError(f"{name!r} is not in {images}")
