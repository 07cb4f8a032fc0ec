"""All figures of one evaluation, for people and machines: COCO's twelve, by class, by century and by style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sgob_tasks.detection.evaluation.average_precision import mean
from sgob_tasks.detection.evaluation.groups import Groups
from sgob_tasks.detection.evaluation.matching import Matching
from sgob_tasks.detection.evaluation.truth import Id
from sgob_tasks.detection.evaluation.weighted import mean_precision


def metrics(matching: Matching, groups: Groups) -> dict[str, Any]:
    """Return all figures as JSON values; None where there is no instance to measure on.

    Args:
        matching: of boxes or masks, with sizes.
        groups: as :func:`sgob_tasks.detection.evaluation.groups.group` returns them.

    Returns:
        COCO's twelve figures by their names; ``by_class`` with ``AP``, ``AP50`` and ``instances`` of each class; and
        ``by_century``, ``by_style`` and ``anachronistic`` with ``AP``, ``AP50``, ``images`` and ``instances`` of each
        group, where the data set says so much of its pictures.
    """
    precision = matching.precision
    by_class = {
        name: {
            "AP": mean(precision[:, :, place]),
            "AP50": mean(precision[0, :, place]),
            "instances": int(of_class.instances.sum()),
        }
        for place, (name, of_class) in enumerate(zip(matching.truth.categories.values(), matching.classes, strict=True))
    }
    figures = {f"by_{name}": _grouped(matching, groups.get(name, {})) for name in ("century", "style")}
    tricky = _grouped(matching, groups.get("anachronistic", {}))
    return {**matching.summary(), "by_class": by_class, **figures, "anachronistic": tricky.get("anachronistic")}


def _grouped(matching: Matching, members: dict[str, tuple[Id, ...]]) -> dict[str, dict[str, Any]]:
    if not members:
        return {}
    weights = np.array([_flags(matching.images, set(chosen)) for chosen in members.values()], np.int64)
    ap50, ap = mean_precision(matching, weights)
    counts = np.sum([of_class.instances for of_class in matching.classes], axis=0, dtype=np.int64)
    instances = weights @ (counts if matching.classes else np.zeros(len(matching.images), np.int64))
    return {
        name: {
            "AP": _value(ap[place]),
            "AP50": _value(ap50[place]),
            "images": int(weights[place].sum()),
            "instances": int(instances[place]),
        }
        for place, name in enumerate(members)
    }


def _flags(images: Sequence[Id], chosen: set[Id]) -> list[bool]:
    return [image in chosen for image in images]


def _value(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
