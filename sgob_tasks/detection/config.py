"""What a detector looks like: one frozen description, three presets, and its JSON form."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sgob_tasks.errors import InputError

PRESETS = ("resnet101", "resnet50", "tiny")


@dataclass(frozen=True)
class DetectorConfig:
    """Shape of a Mask R-CNN and of its targets. The defaults are those of the Matterport implementation.

    Attributes:
        preset: name of the preset this configuration came from.
        classes: class names without the background; index ``i`` of the network's output is ``classes[i - 1]``.
        image_size: side of the square network input in pixels, a multiple of 64.
        blocks: residual blocks of stages 2 to 5.
        widths: channels inside the residual blocks of stages 2 to 5.
        stem_channels: channels of the first convolution.
        expansion: channels a block gives out, as a multiple of its width.
        downsample_at: convolution of a block that carries the stride: ``2a`` (Matterport) or ``2b``.
        train_batch_norm: False keeps batch norm in inference mode and its weights as loaded.
        rpn_levels: pyramid levels with anchors; level 6 is level 5 at half resolution.
        anchor_sizes: sides in pixels of the square anchor, a tuple per entry of ``rpn_levels``.
        anchor_ratios: width / height of the anchors.
        rpn_positive_iou, rpn_negative_iou: anchors at or above, below these IoUs with an instance are targets.
        rpn_samples: anchors of one picture that enter the loss, at most half of them positive.
        pre_nms: best-scored anchors of one picture that are kept for non-maximum suppression.
        proposals_training, proposals_inference: proposals of one picture after it.
        roi_levels: pyramid levels that regions of interest (RoIs) are pooled from.
        roi_samples: RoIs of one picture that enter the head's loss.
        roi_positive_fraction: largest share of them that overlaps an instance (IoU of 0.5 or more).
        propose_instances: also offer the instances themselves as RoIs while training (useful from random weights).
        class_agnostic: one box correction and one mask for all classes; fewer weights that see more examples.
        head_dropout: share of the box head's features that is dropped while training.
        max_instances: instances of one picture that training sees; fixed, so that the step is traced once.
        mini_mask: side of the stored instance masks, relative to their boxes.
        detection_min_score: detections below it are dropped.
        detection_nms_iou: two boxes of one class that overlap more are one.
        cross_class_iou: two boxes of different classes that overlap more are one; 1 keeps both.
        mask_threshold: pixels of a mask at least as probable belong to the object. Less than one half is kinder to thin
            things (a lance, a halo), whose probabilities a small network spreads.
        pixel_mean: RGB mean that is subtracted from the picture.
    """

    preset: str
    classes: tuple[str, ...]
    image_size: int = 1024
    blocks: tuple[int, int, int, int] = (3, 4, 23, 3)
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    stem_channels: int = 64
    expansion: int = 4
    downsample_at: str = "2a"
    train_batch_norm: bool = False
    batch_norm_momentum: float = 0.99
    fpn_channels: int = 256
    rpn_channels: int = 512
    rpn_levels: tuple[int, ...] = (2, 3, 4, 5, 6)
    anchor_sizes: tuple[tuple[float, ...], ...] = ((32.0,), (64.0,), (128.0,), (256.0,), (512.0,))
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    rpn_positive_iou: float = 0.7
    rpn_negative_iou: float = 0.3
    rpn_samples: int = 256
    rpn_nms_iou: float = 0.7
    pre_nms: int = 6000
    proposals_training: int = 2000
    proposals_inference: int = 1000
    roi_levels: tuple[int, ...] = (2, 3, 4, 5)
    roi_samples: int = 200
    roi_positive_fraction: float = 1 / 3
    propose_instances: bool = False
    roi_pool: int = 7
    mask_pool: int = 14
    head_channels: int = 1024
    head_dropout: float = 0.0
    mask_channels: int = 256
    class_agnostic: bool = False
    max_instances: int = 100
    mini_mask: int = 56
    rpn_box_std: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    box_std: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    detection_min_score: float = 0.7
    detection_nms_iou: float = 0.3
    cross_class_iou: float = 1.0
    max_detections: int = 100
    mask_threshold: float = 0.5
    pixel_mean: tuple[float, float, float] = (123.7, 116.8, 103.9)

    def __post_init__(self) -> None:
        source = f"preset {self.preset}"
        if not self.classes:
            raise InputError(source, "classes", self.classes, "at least one class is needed")
        if len(set(self.classes)) != len(self.classes):
            raise InputError(source, "classes", self.classes, "a class is named twice")
        if self.image_size < 64 or self.image_size % 32:
            raise InputError(source, "image_size", self.image_size, "must be 64 or more and a multiple of 32")
        if self.downsample_at not in {"2a", "2b"}:
            raise InputError(source, "downsample_at", self.downsample_at, "must be 2a or 2b")
        if len(self.anchor_sizes) != len(self.rpn_levels):
            raise InputError(source, "anchor_sizes", self.anchor_sizes, "one tuple per entry of rpn_levels is needed")
        if len({len(sizes) for sizes in self.anchor_sizes}) != 1:
            raise InputError(source, "anchor_sizes", self.anchor_sizes, "all levels need as many sizes")

    @property
    def class_count(self) -> int:
        """Number of the network's classes, background (index 0) included."""
        return len(self.classes) + 1

    @property
    def anchors_per_cell(self) -> int:
        """Anchors at one position of a feature map."""
        return len(self.anchor_sizes[0]) * len(self.anchor_ratios)

    @property
    def positive_rois(self) -> int:
        """Largest number of sampled RoIs of one picture that overlap an instance."""
        return max(1, round(self.roi_samples * self.roi_positive_fraction))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)


# What the tiny preset is for: a handful of classes, pictures of a few hundred pixels, a CPU, and minutes. Its layers
# carry the same names as the large ones; it is narrow, pools at stride 4 and 8 only, and learns its batch norm.
_TINY: dict[str, Any] = {
    "image_size": 160,
    "blocks": (2, 2, 2, 1),
    "widths": (16, 24, 40, 48),
    "stem_channels": 16,
    "downsample_at": "2b",
    "train_batch_norm": True,
    "batch_norm_momentum": 0.95,
    "fpn_channels": 64,
    "rpn_channels": 64,
    "rpn_levels": (3, 4, 5),
    "anchor_sizes": ((12.0, 22.0), (34.0, 52.0), (76.0, 112.0)),
    "rpn_positive_iou": 0.6,
    "rpn_samples": 128,
    "pre_nms": 300,
    "proposals_training": 100,
    "proposals_inference": 100,
    "roi_levels": (2, 3),
    "roi_samples": 48,
    "roi_positive_fraction": 0.4,
    "propose_instances": True,
    "head_channels": 192,
    "mask_channels": 16,
    "class_agnostic": True,
    "max_instances": 24,
    "mini_mask": 28,
    "detection_min_score": 0.3,
    "detection_nms_iou": 0.45,
    "cross_class_iou": 0.8,
    "max_detections": 40,
    "mask_threshold": 0.35,
}


def preset_config(preset: str, classes: tuple[str, ...], **changes: Any) -> DetectorConfig:
    """Return the configuration of a preset.

    Args:
        preset: ``resnet101``, ``resnet50`` or ``tiny``.
        classes: class names without the background.
        changes: fields to set otherwise than the preset does.

    Raises:
        InputError: there is no such preset or field, or a value does not fit.
    """
    if preset not in PRESETS:
        raise InputError("job.json", "preset", preset, f"must be one of {', '.join(PRESETS)}")
    values: dict[str, Any] = {"preset": preset, "classes": classes}
    if preset == "resnet50":
        values["blocks"] = (3, 4, 6, 3)
    elif preset == "tiny":
        values |= _TINY
    return config_from_json(values | changes, source="job.json")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def config_from_json(values: dict[str, Any], source: str) -> DetectorConfig:
    """Read a configuration back from ``DetectorConfig.to_json``.

    Args:
        values: the decoded JSON object.
        source: where it was read, for messages.

    Raises:
        InputError: an unknown field, or a value that does not fit.
    """
    known = {field.name for field in dataclasses.fields(DetectorConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(source, unknown[0], values[unknown[0]], "is no field of the detector's configuration")
    if "classes" not in values or "preset" not in values:
        raise InputError(source, "classes, preset", sorted(values), "both are needed")
    return DetectorConfig(**{name: _frozen(value) for name, value in values.items()})
