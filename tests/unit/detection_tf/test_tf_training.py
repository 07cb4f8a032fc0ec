"""The training step: exact however a batch is cut, the right weights, number types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.data.batches import Batch
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.parameters import LOSSES, TrainingParameters
from sgob_tasks.detection.training.precision import use_precision
from sgob_tasks.detection.training.stages import freeze, resnet_stage, stage_at
from sgob_tasks.detection.training.step import LOSS_SCALE, TrainingStep, Update

SMALL: dict[str, Any] = {"image_size": 64, "blocks": (1, 1, 1, 1), "head_channels": 16, "fpn_channels": 16}
SMALL |= {"rpn_channels": 16, "mask_channels": 8, "max_instances": 4, "train_batch_norm": False}
# All of few proposals are sampled: rounding, which differs with a batch's size, must not choose others.
SMALL |= {"pre_nms": 12, "proposals_training": 12, "rpn_nms_iou": 1.0, "roi_samples": 32, "roi_positive_fraction": 0.5}
PARAMETERS = TrainingParameters(preset="tiny", optimizer="sgd", weight_decay=0.0, clip_norm=1e6)
hvd.init()


@pytest.fixture(scope="module")
def config() -> DetectorConfig:
    return preset_config("tiny", ("horse", "dragon"), **SMALL)


def new_model(config: DetectorConfig) -> MaskRCNN:
    tf.keras.utils.set_random_seed(7)
    return MaskRCNN(config)


def pictures(config: DetectorConfig, count: int) -> list[dict[str, Any]]:
    """Return noisy pictures; the first has no instance, the second one without a mask."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        boxes, classes = np.zeros((config.max_instances, 4), np.float32), np.zeros(config.max_instances, np.int32)
        if number:
            low = rng.uniform(0, 0.4, (2, 2))
            boxes[:2], classes[:2] = np.concatenate([low, low + rng.uniform(0.2, 0.5, (2, 2))], 1), [1, 2]
        shape = (config.max_instances, config.mini_mask, config.mini_mask)
        known = np.full(config.max_instances, float(number != 1), np.float32)
        image = rng.integers(0, 255, (config.image_size, config.image_size, 3), np.uint8)
        seeds = rng.integers(0, 99, 2).astype(np.int32)
        made.append({"images": image, "boxes": boxes, "classes": classes, "masks": np.ones(shape, np.uint8)})
        made[-1] |= {"has_mask": known, "weights": np.float32(1), "seeds": seeds}
    return made


def part(chosen: list[dict[str, Any]], size: int) -> Batch:
    """Put pictures into a part; free places are filled with the first one, which then counts nothing."""
    filled = chosen + [chosen[0] | {"weights": np.float32(0)}] * (size - len(chosen))
    return Batch(**{name: np.stack([entry[name] for entry in filled]) for name in filled[0]})


def one_update(config: DetectorConfig, sizes: list[int], places: int) -> tuple[list[Any], Update]:
    model = new_model(config)
    step = TrainingStep(model, PARAMETERS)
    all_pictures = pictures(config, sum(sizes))
    for size in sizes:
        step.add(part([all_pictures.pop(0) for _ in range(size)], places))
    update = step.apply(0.1, 5.0, stop=True)
    return [weight.numpy() for weight in model.weights], update


def test_a_batch_may_be_cut_into_any_parts(config: DetectorConfig) -> None:
    before = [weight.numpy() for weight in new_model(config).weights]
    whole, update = one_update(config, [7], 7)
    assert (update.pictures, update.elapsed_s, update.stop) == (7, 5.0, True)
    assert np.isfinite(update.losses).all()
    assert update.gradient_norm > 0
    assert any(not np.array_equal(old, new) for old, new in zip(before, whole, strict=True))
    cut, other = one_update(config, [3, 3, 1], 3)
    np.testing.assert_allclose(other.losses, update.losses, rtol=1e-4)
    assert other.pictures == 7
    for old, one, two in zip(before, whole, cut, strict=True):
        np.testing.assert_allclose(two - old, one - old, rtol=1e-2, atol=2e-5)


def test_pictures_without_boxes_give_every_gradient_and_no_new_trace(config: DetectorConfig) -> None:
    step = TrainingStep(new_model(config), PARAMETERS)
    full, empty = pictures(config, 3), pictures(config, 1)
    step.add(part(full[2:], 2))
    assert np.isfinite(step.apply(1e-3).losses).all()
    step.add(part(empty, 2))
    update = step.apply(1e-3)
    losses = dict(zip(LOSSES, update.losses, strict=True))
    assert np.isfinite(update.gradient_norm)
    assert losses["rpn_box"] == losses["box"] == losses["mask"] == 0  # no box to correct, no mask to draw
    assert losses["rpn_class"] > 0
    step.add(part(full[1:2], 2))
    losses = dict(zip(LOSSES, step.apply(1e-3).losses, strict=True))
    assert losses["box"] > 0
    assert losses["mask"] == 0  # its masks are not known
    assert step._add.experimental_get_tracing_count() == step._apply.experimental_get_tracing_count() == 1


def test_only_the_stage_in_turn_is_changed(config: DetectorConfig) -> None:
    model = new_model(config)
    step = TrainingStep(model, TrainingParameters(preset="tiny", trainable="heads"))
    chosen = pictures(config, 3)[2:]

    def changed() -> set[int | None]:
        before = {name: [w.numpy() for w in layer.weights] for name, layer in model.layers().items()}
        step.add(part(chosen, 1))
        step.apply(1e-2)
        after = {name: [w.numpy() for w in layer.weights] for name, layer in model.layers().items()}
        same = {n for n in before if all(np.array_equal(a, b) for a, b in zip(before[n], after[n], strict=True))}
        return {resnet_stage(name) for name in set(before) - same}

    assert changed() == {None}
    step.train("4+")
    assert changed() == {None, 4, 5}
    step.train("all")
    assert changed() == {None, 1, 2, 3, 4, 5}
    # Frozen batch norm stays so in every stage; learnt batch norm does not.
    assert not any("gamma" in weight.name for weight in freeze(model, "all"))
    learnt = MaskRCNN(preset_config("tiny", ("horse",), **(SMALL | {"train_batch_norm": True})))
    assert any("bn5a" in weight.name for weight in freeze(learnt, "5+"))
    assert not any("bn4a" in weight.name for weight in freeze(learnt, "5+"))
    assert [stage_at((("heads", 0.25), ("all", 1.0)), done) for done in (0, 0.24, 0.25, 1)] == [
        "heads", "heads", "all", "all",
    ]  # fmt: skip


def test_without_a_mask_loss_the_mask_head_stays_as_it_is(config: DetectorConfig) -> None:
    model = new_model(config)
    step = TrainingStep(model, PARAMETERS, masks=False)
    before = [weight.numpy() for weight in model.mask_head.weights]
    step.add(part(pictures(config, 3), 3))
    update = step.apply(0.1)
    assert update.losses[LOSSES.index("mask")] == 0
    for old, new in zip(before, model.mask_head.weights, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.fixture
def float16() -> Iterator[str]:
    yield use_precision("mixed_float16")
    use_precision("float32")


def test_mixed_precision_trains_and_leaves_an_overflow_out(config: DetectorConfig, float16: str) -> None:
    assert float16 == "mixed_float16"
    model = new_model(config)
    step = TrainingStep(model, TrainingParameters(preset="tiny"), scaled=True)
    assert {weight.dtype for weight in model.weights} == {tf.float32}
    assert model.features.layers[3].compute_dtype == "float16"
    chosen = pictures(config, 3)[1:]
    losses = []
    for _ in range(12):
        step.add(part(chosen, 2))
        losses.append(step.apply(1e-3).losses.sum())
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    before, scale = [weight.numpy() for weight in model.weights], float(step._scale)
    assert scale <= LOSS_SCALE
    step.add(part(chosen, 2))
    step.sums[0].assign(step.sums[0] * np.inf)
    assert not np.isfinite(step.apply(1e-3).gradient_norm)
    assert float(step._scale) == scale / 2
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(not value.numpy().any() for value in step.sums)


def test_a_machine_without_gpus_computes_in_float32() -> None:
    assert use_precision("auto") == "float32"
