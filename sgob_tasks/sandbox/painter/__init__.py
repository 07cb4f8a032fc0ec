"""A painter of synthetic art whose every picture comes with the whole truth about it.

:func:`paint_scene` paints one picture, :func:`paint_collection` what the stand-in Europeana serves, and
:func:`paint_training_set` what the detector learns from.
"""

from __future__ import annotations

from sgob_tasks.sandbox.painter.dataset import paint_training_set
from sgob_tasks.sandbox.painter.demo import paint_collection
from sgob_tasks.sandbox.painter.scene import CLASSES, SIZE, Scene, paint_scene

__all__ = ["CLASSES", "SIZE", "Scene", "paint_collection", "paint_scene", "paint_training_set"]
