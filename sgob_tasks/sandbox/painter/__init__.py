"""A painter of synthetic art whose every picture comes with the whole truth about it.

:func:`paint_scene` paints one picture, :func:`paint_collection` what the stand-in Europeana serves,
:func:`paint_training_set` what the detector learns from, and :func:`paint_set_by_lot` pictures whose things stand in
places drawn by lot.
"""

from __future__ import annotations

from sgob_tasks.sandbox.painter.by_lot_set import paint_set_by_lot
from sgob_tasks.sandbox.painter.dataset import paint_training_set
from sgob_tasks.sandbox.painter.demo import paint_collection
from sgob_tasks.sandbox.painter.scene import CLASSES, SIZE, Scene, paint_scene

__all__ = ["CLASSES", "SIZE", "Scene", "paint_collection", "paint_scene", "paint_set_by_lot", "paint_training_set"]
