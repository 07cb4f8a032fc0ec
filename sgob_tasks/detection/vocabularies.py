"""Lists of classes that weights are known in: MS COCO's 80, with its category ids (1 to 90), and DEArt's 69.

Lin et al., Microsoft COCO (arXiv 1405.0312); ids and names as in ``instances_val2017.json``. Eleven ids of the first
list (such as 12, street sign) were never annotated: the 80 that were have the gaps.
"""

from __future__ import annotations

from sgob_tasks.detection.classes import ClassTable

COCO_CATEGORIES: tuple[tuple[int, str], ...] = (
    (1, "person"), (2, "bicycle"), (3, "car"), (4, "motorcycle"), (5, "airplane"), (6, "bus"), (7, "train"),
    (8, "truck"), (9, "boat"), (10, "traffic light"), (11, "fire hydrant"), (13, "stop sign"), (14, "parking meter"),
    (15, "bench"), (16, "bird"), (17, "cat"), (18, "dog"), (19, "horse"), (20, "sheep"), (21, "cow"), (22, "elephant"),
    (23, "bear"), (24, "zebra"), (25, "giraffe"), (27, "backpack"), (28, "umbrella"), (31, "handbag"), (32, "tie"),
    (33, "suitcase"), (34, "frisbee"), (35, "skis"), (36, "snowboard"), (37, "sports ball"), (38, "kite"),
    (39, "baseball bat"), (40, "baseball glove"), (41, "skateboard"), (42, "surfboard"), (43, "tennis racket"),
    (44, "bottle"), (46, "wine glass"), (47, "cup"), (48, "fork"), (49, "knife"), (50, "spoon"), (51, "bowl"),
    (52, "banana"), (53, "apple"), (54, "sandwich"), (55, "orange"), (56, "broccoli"), (57, "carrot"), (58, "hot dog"),
    (59, "pizza"), (60, "donut"), (61, "cake"), (62, "chair"), (63, "couch"), (64, "potted plant"), (65, "bed"),
    (67, "dining table"), (70, "toilet"), (72, "tv"), (73, "laptop"), (74, "mouse"), (75, "remote"), (76, "keyboard"),
    (77, "cell phone"), (78, "microwave"), (79, "oven"), (80, "toaster"), (81, "sink"), (82, "refrigerator"),
    (84, "book"), (85, "clock"), (86, "vase"), (87, "scissors"), (88, "teddy bear"), (89, "hair drier"),
    (90, "toothbrush"),
)  # fmt: skip
"""Category id and COCO's name, in the order of the networks' outputs."""


def coco_classes() -> tuple[str, ...]:
    """Return our names of COCO's classes, in its order: COCO's own, but ``computer mouse`` for ``mouse``.

    DEArt's ``mouse`` is the animal (see ``detection.classes``).
    """
    table = ClassTable.load()
    return tuple(table.from_coco(name) or name for _, name in COCO_CATEGORIES)


def deart_classes() -> tuple[str, ...]:
    """Return DEArt's 69 classes, in the order of the project's released model."""
    return tuple(entry.name for entry in ClassTable.load().values() if entry.vocabulary in {"deart", "both"})


def vocabulary_of(classes: tuple[str, ...]) -> str:
    """Return ``coco`` or ``deart`` for their classes in their order, else an empty text."""
    return {coco_classes(): "coco", deart_classes(): "deart"}.get(classes, "")
