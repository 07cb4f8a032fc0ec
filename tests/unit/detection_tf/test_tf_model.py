"""The network as a whole: names, weights files, gradients, inference."""

from __future__ import annotations

import json
import os
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.data.batches import Batch
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.job_program import EXIT_WRONG_USE
from sgob_tasks.detection.network.heads import CLASS_LAYERS
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.parameters import TrainingParameters
from sgob_tasks.detection.training.step import TrainingStep
from sgob_tasks.detection.weights.hdf5 import read_h5
from sgob_tasks.detection.weights.layers import load_weights, save_weights
from sgob_tasks.detection.weights.model_files import ModelInfo, load_model, save_model
from sgob_tasks.errors import InputError

CLASSES = ("horse", "dragon", "lance")
hvd.init()


def small(classes: tuple[str, ...] = CLASSES, **changes: Any) -> DetectorConfig:
    values = {"image_size": 64, "blocks": (1, 1, 1, 1), "head_channels": 16, "fpn_channels": 16, "rpn_channels": 16}
    return preset_config("tiny", classes, **(values | {"mask_channels": 8, "max_instances": 4} | changes))


@pytest.fixture(scope="module")
def model() -> MaskRCNN:
    tf.keras.utils.set_random_seed(1)
    return MaskRCNN(small())


def matterport_layers(blocks_of_4: int) -> set[str]:
    """Return the names of the layers with weights in the Matterport implementation."""
    names = {"conv1", "bn_conv1"}
    for stage, count in ((2, 3), (3, 4), (4, blocks_of_4), (5, 3)):
        for letter in string.ascii_lowercase[:count]:
            branches = ("2a", "2b", "2c", "1") if letter == "a" else ("2a", "2b", "2c")
            names |= {f"{kind}{stage}{letter}_branch{b}" for kind in ("res", "bn") for b in branches}
    names |= {f"fpn_c{n}p{n}" for n in range(2, 6)} | {f"fpn_p{n}" for n in range(2, 6)}
    names |= {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"}
    names |= {"mrcnn_class_conv1", "mrcnn_class_bn1", "mrcnn_class_conv2", "mrcnn_class_bn2"}
    names |= {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask_deconv", "mrcnn_mask"}
    return names | {f"mrcnn_mask_{kind}{n}" for kind in ("conv", "bn") for n in range(1, 5)}


@pytest.mark.parametrize(("preset", "blocks_of_4"), [("resnet50", 6), ("resnet101", 23)])
def test_layers_have_matterports_names_and_shapes(preset: str, blocks_of_4: int) -> None:
    big = MaskRCNN(preset_config(preset, tuple(f"class {n}" for n in range(80)), image_size=128))
    layers = big.layers()
    assert set(layers) == matterport_layers(blocks_of_4)
    shapes = {
        f"{name}/{w.name.split('/')[-1]}": tuple(w.shape) for name, layer in layers.items() for w in layer.weights
    }
    wanted = {
        "conv1/kernel:0": (7, 7, 3, 64),
        "conv1/bias:0": (64,),
        "res4b_branch2b/kernel:0": (3, 3, 256, 256),
        "res5a_branch1/kernel:0": (1, 1, 1024, 2048),
        "fpn_c2p2/kernel:0": (1, 1, 256, 256),
        "rpn_conv_shared/kernel:0": (3, 3, 256, 512),
        "rpn_class_raw/kernel:0": (1, 1, 512, 6),
        "mrcnn_class_conv1/kernel:0": (7, 7, 256, 1024),
        "mrcnn_class_logits/kernel:0": (1024, 81),
        "mrcnn_bbox_fc/kernel:0": (1024, 324),
        "mrcnn_mask_deconv/kernel:0": (2, 2, 256, 256),
        "mrcnn_mask/kernel:0": (1, 1, 256, 81),
    }
    assert {name: shapes[name] for name in wanted} == wanted
    # Frozen batch norm is not trained at all, and has nothing to be averaged over ranks.
    assert not any("bn" in weight.name for weight in big.trainable_weights)
    assert big.averaged_weights == []


def write_matterport(path: Path, layers: dict[str, Any], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Write random weights in the layout of ``mask_rcnn_coco.h5``, and return them by layer and weight."""
    values = {}
    with h5py.File(path, "w") as file:
        groups: dict[str, list[bytes]] = {"input_image": [], "rpn_model": [], "ROI": []}
        for name, layer in layers.items():
            group = "rpn_model" if name.startswith("rpn_") else name
            file.require_group(group)
            for weight in layer.weights:
                short = weight.name.split("/")[-1]
                values[f"{name}/{short}"] = rng.normal(size=weight.shape).astype(np.float32)
                file[group].create_dataset(f"{name}/{short}", data=values[f"{name}/{short}"])
                groups.setdefault(group, []).append(f"{name}/{short}".encode())
        for group, names in groups.items():
            file.require_group(group).attrs["weight_names"] = names or np.zeros(0, "S1")
        file.attrs["layer_names"] = [group.encode() for group in groups]
    return values


def test_a_file_of_other_classes_is_loaded_but_for_the_class_layers(tmp_path: Path) -> None:
    coco = MaskRCNN(small(tuple("abcdefghijklmnop"), class_agnostic=False))
    mine = MaskRCNN(small(class_agnostic=False))
    stored = write_matterport(tmp_path / "mask_rcnn_coco.h5", coco.layers(), np.random.default_rng(0))
    before = {name: mine.layers()[name].get_weights() for name in CLASS_LAYERS}
    report = load_weights(mine.layers(), tmp_path / "mask_rcnn_coco.h5", skip=CLASS_LAYERS)
    assert set(report.skipped) == set(CLASS_LAYERS)
    assert (report.missing, report.unused) == ((), ())
    assert len(report.loaded) == len(mine.layers()) - len(CLASS_LAYERS)
    for name in report.loaded:
        for weight in mine.layers()[name].weights:
            np.testing.assert_array_equal(weight, stored[f"{name}/{weight.name.split('/')[-1]}"])
    for name, values in before.items():
        for old, new in zip(values, mine.layers()[name].get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    with pytest.raises(InputError, match=r"mask_rcnn_coco\.h5: mrcnn_bbox_fc/kernel = \(16, 68\): the model's is"):
        load_weights(mine.layers(), tmp_path / "mask_rcnn_coco.h5")


def test_bad_weights_files_are_named(tmp_path: Path, model: MaskRCNN) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file.create_group("dense").attrs["weight_names"] = [b"dense/kernel:0"]
        file["dense/dense/kernel:0"] = np.zeros((2, 2))
        file.attrs["layer_names"] = [b"dense"]
    for name, message in (
        ("text.h5", "is no Keras weights file"),
        ("other.h5", "no attribute layer_names"),
        ("none.h5", "is no Keras weights file"),
        ("foreign.h5", "layers are missing in the file"),
    ):
        with pytest.raises(InputError, match=rf"{name}.*{message}"):
            load_weights(model.layers(), tmp_path / name)


def test_saved_weights_come_back_in_the_same_layout(tmp_path: Path, model: MaskRCNN) -> None:
    save_weights(model.layers(), tmp_path / "weights.h5")
    with h5py.File(tmp_path / "weights.h5") as file:
        assert "rpn_conv_shared/kernel:0" in file["rpn_model"]
        assert "conv1/kernel:0" in file["conv1"]
    assert set(read_h5(tmp_path / "weights.h5")) == set(model.layers())
    other = MaskRCNN(small())
    load_weights(other.layers(), tmp_path / "weights.h5")
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)


def batch(config: DetectorConfig, count: int, seed: int = 0, has_mask: float = 1.0) -> Batch:
    """Return two pictures with ``count`` instances each."""
    rng = np.random.default_rng(seed)
    most, side, mini = config.max_instances, config.image_size, config.mini_mask
    boxes, classes = np.zeros((2, most, 4), np.float32), np.zeros((2, most), np.int32)
    boxes[:, :count] = np.array([[0.1, 0.1, 0.5, 0.6], [0.4, 0.3, 0.9, 0.8]], np.float32)[:count]
    classes[:, :count] = [1, 3][:count]
    images = rng.integers(0, 255, (2, side, side, 3), np.uint8)
    masks = np.ones((2, most, mini, mini), np.uint8)
    known = np.full((2, most), has_mask, np.float32)
    return Batch(
        images, boxes, classes, masks, known, np.ones(2, np.float32), rng.integers(99, size=(2, 2), dtype=np.int32)
    )


MATTERPORTS_GEOMETRY = {
    "class_agnostic": False,
    "propose_instances": False,
    "rpn_levels": (2, 3, 4, 5, 6),
    "anchor_sizes": ((8.0,), (16.0,), (32.0,), (64.0,), (128.0,)),
    "roi_levels": (2, 3, 4, 5),
    "downsample_at": "2a",
}


@pytest.mark.parametrize("changes", [{}, MATTERPORTS_GEOMETRY], ids=["tiny", "matterport"])
def test_training_learns_one_batch_by_heart(changes: dict[str, Any]) -> None:
    tf.keras.utils.set_random_seed(2)
    config = small(**changes)
    model = MaskRCNN(config)
    step = TrainingStep(model, TrainingParameters(preset="tiny"))
    losses = []
    for _ in range(60):
        step.add(batch(config, 2))
        losses.append(step.apply(3e-3).losses.sum())
    assert np.mean(losses[-5:]) < 0.35 * losses[0]


def test_a_saved_model_finds_the_same(tmp_path: Path, model: MaskRCNN) -> None:
    pictures = [np.random.default_rng(n).integers(0, 255, (40 + n, 64, 3), np.uint8) for n in range(3)]
    save_model(tmp_path / "model", model, ModelInfo(model.config, True, {"steps": 3}))
    first = Detector(model, has_masks=True, batch_size=4, min_score=0.0).detect(pictures)
    second = Detector.load(tmp_path / "model", batch_size=4, min_score=0.0).detect(pictures)
    assert [len(found) for found in first] == [len(found) for found in second]
    assert sum(len(found) for found in first) > 0
    for one, two in zip(first, second, strict=True):
        assert [d.class_name for d in one] == [d.class_name for d in two]
    for picture, found in zip(pictures, first, strict=True):
        for detection in found:
            x, y, width, height = detection.box
            assert 0 <= x <= x + width <= picture.shape[1] + 0.01
            assert 0 <= y <= y + height <= picture.shape[0] + 0.01
            assert detection.mask is not None
            assert detection.mask["size"] == list(picture.shape[:2])
            assert next(iter(detection.candidates)) == detection.class_name
            assert sum(detection.candidates.values()) + detection.background == pytest.approx(1, abs=1e-4)
            assert "background" not in detection.candidates
    described = json.loads((tmp_path / "model" / "model.json").read_text())
    assert described["classes"] == list(CLASSES)
    assert load_model(tmp_path / "model")[1].training == {"steps": 3}
    (tmp_path / "model" / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"model\.json: format = None: must be sgob-mask-rcnn/1"):
        load_model(tmp_path / "model")


def run_inference(job: Path, task: int) -> int:
    """Run the program as the batch script does, in a process of its own; return its exit code."""
    command = [sys.executable, "-m", "sgob_tasks.detection.infer", str(job), "--task", str(task)]
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": str(root)}).returncode


def test_inference_gives_a_line_per_picture_and_goes_on_after_a_stop(tmp_path: Path, model: MaskRCNN) -> None:
    save_model(tmp_path / "input" / "model", model, ModelInfo(model.config, False, {}))
    (tmp_path / "input" / "shards").mkdir()
    pictures = []
    for number in range(5):
        path = tmp_path / "input" / f"{number}"
        pixels = np.random.default_rng(number).integers(0, 255, (50, 60 + number, 3), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
        pictures.append({"sha256": f"{number}", "file": f"input/{number}", "width": 60 + number, "height": 50})
    (tmp_path / "input" / "2").write_bytes(b"no picture")
    (tmp_path / "input" / "3").write_bytes((tmp_path / "input" / "3").read_bytes()[:400])
    (tmp_path / "input" / "shards" / "0001.json").write_text(json.dumps({"shard": 1, "pictures": pictures}))
    parameters = {"batch_size": 2, "min_score": 0.0}
    (tmp_path / "job.json").write_text(json.dumps({"key": "k", "kind": "infer", "parameters": parameters}))
    assert run_inference(tmp_path, 1) == 0
    results = tmp_path / "results" / "0001.jsonl"
    whole = results.read_text()
    lines = [json.loads(line) for line in whole.splitlines()]
    assert [line["sha256"] for line in lines] == ["0", "1", "2", "3", "4"]
    assert all("cannot be decoded" in lines[number]["error"] for number in (2, 3))
    assert [(lines[n]["width"], lines[n]["height"]) for n in (0, 1, 4)] == [(60, 50), (61, 50), (64, 50)]
    assert lines[0]["detections"][0]["mask"] is None  # the model has no masks
    summary = json.loads((tmp_path / "results" / "0001.summary.json").read_text())
    assert (summary["count"], summary["errors"], summary["done_before"]) == (5, 2, 0)
    results.write_text(whole[: whole.index("\n") + 40])  # stopped while the second line was written
    assert run_inference(tmp_path, 1) == 0
    again = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["sha256"] for line in again] == ["0", "1", "2", "3", "4"]
    assert again[0] == lines[0]
    assert json.loads((tmp_path / "results" / "0001.summary.json").read_text())["done_before"] == 1
    assert run_inference(tmp_path, 7) == EXIT_WRONG_USE
