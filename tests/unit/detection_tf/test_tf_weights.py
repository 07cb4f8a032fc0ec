"""Weights files in the Matterport layout: every layer by name and shape, writers' habits, ways to be wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))
import matterport

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.network.heads import CLASS_LAYERS
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.vocabularies import coco_classes, deart_classes
from sgob_tasks.detection.weights.describe import config_of, describe_weights, known_classes
from sgob_tasks.detection.weights.hdf5 import read_h5, weight_name
from sgob_tasks.detection.weights.layers import load_weights, save_weights
from sgob_tasks.detection.weights.model_files import ModelInfo, save_model
from sgob_tasks.detection.weights.surgery import load_pretrained
from sgob_tasks.errors import InputError

SMALL = {
    "image_size": 64, "blocks": (1, 1, 2, 1), "widths": (4, 4, 8, 8), "stem_channels": 4, "fpn_channels": 8,
    "rpn_channels": 8, "head_channels": 8, "mask_channels": 8,
}  # fmt: skip


def small(classes: tuple[str, ...] = ("horse", "dragon", "lance"), **changes: Any) -> DetectorConfig:
    """Matterport's geometry on a network of a few thousand numbers."""
    return preset_config("resnet50", classes, **(SMALL | changes))


def numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(1, count + 1))


@pytest.fixture(scope="module")
def model() -> MaskRCNN:
    return MaskRCNN(small())


@pytest.fixture(scope="module")
def arrays(model: MaskRCNN) -> dict[str, dict[str, np.ndarray]]:
    return matterport.random_arrays(matterport.table_of(model.layers()))


def assert_loaded(model: MaskRCNN, arrays: dict[str, dict[str, np.ndarray]]) -> None:
    for name, layer in model.layers().items():
        for weight in layer.weights:
            np.testing.assert_array_equal(weight.numpy(), arrays[name][weight_name(weight.name)], err_msg=weight.name)


@pytest.mark.parametrize(("backbone", "outputs", "layers"), [("resnet50", 70, 133), ("resnet101", 81, 235)])
def test_every_published_layer_is_loaded_by_name_and_shape(
    tmp_path: Path, backbone: str, outputs: int, layers: int
) -> None:
    table = matterport.published_table(backbone, outputs)
    assert len(table) == layers
    arrays = matterport.random_arrays(table)
    path = tmp_path / "weights.h5"
    matterport.write_file(path, arrays)
    described = describe_weights(path)
    assert (described.backbone, described.class_count, described.masks) == (backbone, outputs - 1, True)
    assert described.vocabulary == {70: "deart", 81: "coco"}[outputs]
    model = MaskRCNN(config_of(described, described.default_classes(), image_size=64))
    assert model.config == preset_config(backbone, described.default_classes(), image_size=64)
    assert matterport.table_of(model.layers()) == table
    report = load_weights(model.layers(), path)
    assert set(report.loaded) == set(table)
    assert (report.skipped, report.missing, report.unused) == ((), (), ())
    assert_loaded(model, arrays)


WRITERS: dict[str, dict[str, Any]] = {
    "Keras 2 on TensorFlow 1": {},
    "names as text": {"text": True},
    "a whole model with optimizer weights": {"whole": True},
    "attributes cut into parts": {"chunk": 2},
    "attributes of a whole model cut into parts, as text": {"chunk": 1, "whole": True, "text": True},
    "weights without a scope": {"path_of": "{name}:0", "nested": ("none",)},
    "scope twice": {"path_of": "{layer}/{layer}/{name}:0"},
    "scope of the model": {"path_of": "mask_rcnn/{layer}/{name}:0"},
    "made a second time in one session": {"path_of": "{layer}_1/{name}_1:0"},
    "all in one nested model": {"nested": ("",), "nested_name": "model_1"},
    "Keras 1": {"names": {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std"}},
    "names with the layer's": {"path_of": "{layer}_{name}:0", "nested": ("none",)},
    "layers of one's own": {
        "extra": {"anchors": {"Variable": np.zeros((1, 5, 4), np.float32)}, "my_head": {"kernel": np.zeros((2, 2))}}
    },
}


@pytest.mark.parametrize("writer", WRITERS)
def test_files_of_all_writers_are_loaded(
    tmp_path: Path, model: MaskRCNN, arrays: dict[str, dict[str, np.ndarray]], writer: str
) -> None:
    for layer in model.layers().values():
        layer.set_weights([np.zeros(w.shape) for w in layer.weights])
    matterport.write_file(tmp_path / "fork.h5", arrays, **WRITERS[writer])
    report = load_weights(model.layers(), tmp_path / "fork.h5")
    assert set(report.loaded) == set(model.layers())
    assert report.unused == (("anchors", "my_head") if "extra" in WRITERS[writer] else ())
    assert_loaded(model, arrays)


def test_weights_whose_names_say_nothing_are_told_by_their_order(tmp_path: Path, model: MaskRCNN) -> None:
    arrays = matterport.random_arrays(matterport.table_of(model.layers()), seed=3)
    path = tmp_path / "fork.h5"
    matterport.write_file(path, arrays)
    with h5py.File(path, "r+") as file:
        for layer in ("bn_conv1", "conv1"):
            new = []
            for number, old in enumerate(file[layer].attrs["weight_names"]):
                new.append(f"Variable_{number}:0".encode())
                file[layer].move(old.decode() if isinstance(old, bytes) else old, new[-1].decode())
            file[layer].attrs["weight_names"] = new
    load_weights(model.layers(), path)
    assert_loaded(model, arrays)


def test_a_file_of_keras_itself_is_loaded(tmp_path: Path) -> None:
    """The names that the TensorFlow at hand gives: time-distributed heads, a nested model, a layer made twice."""
    layers = tf.keras.layers
    for _ in range(2):
        feature = layers.Input((None, None, 3))
        shared = layers.Conv2D(4, 3, name="rpn_conv_shared")(feature)
        inner = tf.keras.Model(feature, shared, name="rpn_model")
    image = layers.Input((8, 8, 3))
    rois = layers.Reshape((1, 8, 8, 3))(image)
    head = layers.TimeDistributed(layers.Conv2D(2, 8), name="mrcnn_class_conv1")(rois)
    head = layers.TimeDistributed(layers.BatchNormalization(), name="mrcnn_class_bn1")(head)
    logits = layers.TimeDistributed(layers.Dense(5), name="mrcnn_class_logits")(head)
    whole = tf.keras.Model(image, [inner(image), logits])
    whole.compile("sgd", "mse")
    whole.save_weights(tmp_path / "weights.h5")
    whole.save(tmp_path / "whole.h5")
    wanted = {
        "rpn_conv_shared": {"kernel": (3, 3, 3, 4), "bias": (4,)},
        "mrcnn_class_conv1": {"kernel": (8, 8, 3, 2), "bias": (2,)},
        "mrcnn_class_bn1": matterport.norm(2),
        "mrcnn_class_logits": {"kernel": (2, 5), "bias": (5,)},
    }
    for name in ("weights.h5", "whole.h5"):
        found = read_h5(tmp_path / name)
        assert {layer: {n: a.shape for n, a in weights.items()} for layer, weights in found.items()} == wanted
        kernel = whole.get_layer("mrcnn_class_logits").get_weights()[0]
        np.testing.assert_array_equal(found["mrcnn_class_logits"]["kernel"], kernel)


def test_keras_loads_what_we_write(tmp_path: Path, model: MaskRCNN) -> None:
    save_weights(model.layers(), tmp_path / "weights.h5")
    mine, layers = model.layers(), tf.keras.layers
    conv, norm = mine["mrcnn_class_conv1"], mine["mrcnn_class_bn1"]
    depth, filters = conv.kernel.shape[2:]
    plain = tf.keras.Sequential(
        [layers.Conv2D(filters, conv.kernel_size, name=conv.name), layers.BatchNormalization(name=norm.name)]
    )
    plain.build((None, *conv.kernel_size, depth))
    plain.load_weights(tmp_path / "weights.h5", by_name=True)
    for one, two in zip(
        [*conv.weights, *norm.weights], [w for part in plain.layers for w in part.weights], strict=True
    ):
        np.testing.assert_array_equal(one, two)


def drop(layer: str, name: str = "") -> Any:
    def change(arrays: dict[str, dict[str, np.ndarray]]) -> None:
        arrays.pop(layer) if not name else arrays[layer].pop(name)

    return change


def put(layer: str, name: str, value: np.ndarray) -> Any:
    def change(arrays: dict[str, dict[str, np.ndarray]]) -> None:
        arrays[layer][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("fpn_c2p2"), r"bad\.h5: layers = 'fpn_c2p2': 1 of the model's \d+ layers are missing"),
        (drop("bn_conv1", "beta"), r"bad\.h5: bn_conv1/beta = \[.*\]: is missing; the model's is \(4,\)"),
        (
            put("conv1", "kernel", np.zeros((7, 7, 3, 5), np.float32)),
            r"bad\.h5: conv1/kernel = \(7, 7, 3, 5\): the model's is \(7, 7, 3, 4\)",
        ),
        (put("conv1", "bias", np.zeros(4, np.int64)), r"conv1/bias = 'int64': must be floating-point"),
        (put("conv1", "bias", np.array([0, 1, np.nan, 0], np.float32)), r"conv1/bias = 'NaN or infinity'"),
        (put("conv1", "gamma", np.zeros(4, np.float32)), r"conv1/gamma = \(4,\): the model's layer has no such weight"),
    ],
)  # fmt: skip
def test_half_fitting_files_are_refused_and_change_nothing(
    tmp_path: Path, model: MaskRCNN, arrays: dict[str, dict[str, np.ndarray]], change: Any, message: str
) -> None:
    bad = {layer: dict(weights) for layer, weights in arrays.items()}
    change(bad)
    matterport.write_file(tmp_path / "bad.h5", bad)
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(InputError, match=message):
        load_weights(model.layers(), tmp_path / "bad.h5")
    for old, now in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, now)


def test_what_may_be_missing_is_reported(
    tmp_path: Path, model: MaskRCNN, arrays: dict[str, dict[str, np.ndarray]]
) -> None:
    no_masks = {layer: weights for layer, weights in arrays.items() if not layer.startswith("mrcnn_mask")}
    matterport.write_file(tmp_path / "boxes.h5", no_masks)
    allowed = [name for name in model.layers() if name.startswith("mrcnn_mask")]
    report = load_weights(model.layers(), tmp_path / "boxes.h5", skip=["mrcnn_bbox_fc"], allow_missing=allowed)
    assert set(report.missing) == set(allowed)
    assert "missing (allowed): mrcnn_mask_conv1" in report.text()
    assert "mrcnn_bbox_fc: kernel [8, 16] -> [8, 16], bias [16] -> [16] (file -> model)" in report.text()
    shown = json.loads(json.dumps(report.to_json()))
    assert shown["shapes"]["mrcnn_bbox_fc"]["bias"] == {"file": [16], "model": [16]}
    assert shown["loaded"] == len(model.layers()) - len(allowed) - 1
    assert not describe_weights(tmp_path / "boxes.h5").masks
    assert set(load_pretrained(model, tmp_path / "boxes.h5").missing) == set(allowed) - {"mrcnn_mask"}


def test_files_that_are_no_weights_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "keras3.h5", "w") as file:
        file.create_group("layers/conv2d/vars")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with h5py.File(tmp_path / "nameless.h5", "w") as file:
        file.create_group("conv1")
        file.attrs["layer_names"] = [b"conv1"]
    with h5py.File(tmp_path / "hollow.h5", "w") as file:
        file.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
        file.attrs["layer_names"] = [b"conv1"]
    with h5py.File(tmp_path / "twice.h5", "w") as file:
        for group in ("rpn_model", "rpn_conv_shared"):
            file[f"{group}/rpn_conv_shared/kernel:0"] = np.zeros(1)
            file[group].attrs["weight_names"] = [b"rpn_conv_shared/kernel:0"]
        file.attrs["layer_names"] = [b"rpn_model", b"rpn_conv_shared"]
    matterport.write_file(tmp_path / "theano.h5", {"conv1": {"bias": np.zeros(2)}}, attributes={"backend": "theano"})
    whole = (tmp_path / "theano.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no HDF5")
    for name, message in {
        "keras3.h5": "has Keras 3's layout",
        "other.h5": "no attribute layer_names",
        "nameless.h5": "no attribute weight_names",
        "hollow.h5": "is no Keras weights file",
        "twice.h5": "is in the file twice",
        "theano.h5": "backend = 'theano'",
        "cut.h5": "is no Keras weights file",
        "text.h5": "is no Keras weights file",
        "none.h5": "is no Keras weights file",
    }.items():
        with pytest.raises(InputError, match=rf"{name}.*{message}"):
            read_h5(tmp_path / name)


def filled(classes: tuple[str, ...], path: Path, seed: int = 5, **changes: Any) -> dict[str, dict[str, np.ndarray]]:
    found = matterport.random_arrays(matterport.table_of(MaskRCNN(small(classes, **changes)).layers()), seed)
    matterport.write_file(path, found)
    return found


def test_classes_of_the_same_name_keep_their_rows(tmp_path: Path) -> None:
    stored = filled(coco_classes(), tmp_path / "mask_rcnn_coco.h5")
    model = MaskRCNN(small(("dragon", "horse", "mouse", "person")))
    before = {name: [w.numpy() for w in model.layers()[name].weights] for name in CLASS_LAYERS}
    report = load_pretrained(model, tmp_path / "mask_rcnn_coco.h5")
    assert report.classes_taken == ("horse", "person")  # DEArt's mouse is an animal, COCO's is not
    assert set(report.skipped) == set(CLASS_LAYERS)
    assert "80 classes are not the model's 4" in report.note
    assert "rows taken over for 2 classes: horse, person" in report.text()
    assert_loaded_but(model, stored)
    for layer, width in zip(CLASS_LAYERS, (1, 4, 1), strict=True):
        for weight, old in zip(model.layers()[layer].weights, before[layer], strict=True):
            new, file = weight.numpy(), stored[layer][weight_name(weight.name)]
            for mine, theirs in ((0, 0), (2, 1 + coco_classes().index("horse")), (4, 1)):
                np.testing.assert_array_equal(
                    new[..., mine * width : (mine + 1) * width], file[..., theirs * width : (theirs + 1) * width]
                )
            for mine in (1, 3):
                columns = slice(mine * width, (mine + 1) * width)
                np.testing.assert_array_equal(new[..., columns], old[..., columns])


def assert_loaded_but(model: MaskRCNN, arrays: dict[str, dict[str, np.ndarray]]) -> None:
    for name, layer in model.layers().items():
        for weight in layer.weights if name not in CLASS_LAYERS else ():
            np.testing.assert_array_equal(weight.numpy(), arrays[name][weight_name(weight.name)])


def test_classes_without_known_names_begin_anew(tmp_path: Path) -> None:
    stored = filled(numbered(5), tmp_path / "fork.h5")
    model = MaskRCNN(small())
    before = {name: [w.numpy() for w in model.layers()[name].weights] for name in CLASS_LAYERS}
    report = load_pretrained(model, tmp_path / "fork.h5")
    assert (report.classes_taken, set(report.skipped)) == ((), set(CLASS_LAYERS))
    assert "5 classes have no known names" in report.note
    for name, old in before.items():
        for one, two in zip(old, model.layers()[name].weights, strict=True):
            np.testing.assert_array_equal(one, two)
    told = load_pretrained(model, tmp_path / "fork.h5", file_classes=("a", "lance", "b", "c", "d"))
    assert told.classes_taken == ("lance",)
    np.testing.assert_array_equal(
        model.layers()["mrcnn_class_logits"].get_weights()[1][3], stored["mrcnn_class_logits"]["bias"][2]
    )
    assert load_pretrained(model, tmp_path / "fork.h5", file_classes=numbered(5), take_rows=False).classes_taken == ()
    with pytest.raises(InputError, match=r"fork\.h5: classes = 3: the file has 5, and the background"):
        load_pretrained(model, tmp_path / "fork.h5", file_classes=("a", "b", "c"))
    matterport.write_file(tmp_path / "half.h5", {"conv1": stored["conv1"]})
    with pytest.raises(InputError, match=r"half\.h5: mrcnn_class_logits = .*no weights of a Mask R-CNN"):
        load_pretrained(model, tmp_path / "half.h5")


def test_the_same_classes_are_taken_over_whole(tmp_path: Path) -> None:
    model = MaskRCNN(small())
    save_model(tmp_path, model, ModelInfo(model.config, True, {}))
    other = MaskRCNN(small())
    report = load_pretrained(other, tmp_path / "weights.h5")
    assert report.skipped == ()
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    # One answer for all classes does not fit a head with one for each, though the classes are the same.
    agnostic = MaskRCNN(small(class_agnostic=True))
    report = load_pretrained(agnostic, tmp_path / "weights.h5")
    assert set(report.skipped) == set(CLASS_LAYERS)
    assert report.classes_taken == ("horse", "dragon", "lance")
    np.testing.assert_array_equal(
        agnostic.layers()["mrcnn_class_logits"].get_weights()[0], model.layers()["mrcnn_class_logits"].get_weights()[0]
    )


def test_a_file_describes_itself(tmp_path: Path) -> None:
    filled(deart_classes(), tmp_path / "released.h5")
    described = describe_weights(tmp_path / "released.h5")
    assert described.default_classes() == deart_classes()
    assert known_classes(tmp_path / "released.h5") is None  # 70 outputs may be somebody else's
    assert (described.backbone, described.blocks, described.batch_norm) == ("resnet17", (1, 1, 2, 1), "trained")
    assert (described.fpn_channels, described.head_channels, described.anchors_per_cell) == (8, 8, 3)
    assert "classes: 69 and the background (as many as DEArt has)" in described.text()
    assert json.loads(json.dumps(described.to_json()))["levels"] == [2, 3, 4, 5]
    filled(coco_classes(), tmp_path / "coco.h5")
    assert (
        known_classes(tmp_path / "coco.h5")
        == coco_classes()
        == describe_weights(tmp_path / "coco.h5").default_classes()
    )
    arrays = filled(numbered(5), tmp_path / "fork.h5")
    for layer in [layer for layer in arrays if layer.startswith("mrcnn_") and "bn" in layer]:
        arrays[layer] |= {"moving_mean": np.zeros(8, np.float32), "moving_variance": np.ones(8, np.float32)}
    matterport.write_file(
        tmp_path / "fork.h5", arrays, whole=True, attributes={"keras_version": "2.2.5", "backend": "tensorflow"},
        extra={"anchors": {"Variable": np.zeros(3)}},
    )  # fmt: skip
    described = describe_weights(tmp_path / "fork.h5")
    assert described.default_classes() == numbered(5)
    assert (described.batch_norm, described.vocabulary, described.foreign) == ("frozen", "", ("anchors",))
    assert "written by: Keras 2.2.5, tensorflow backend, whole model" in described.text()
    assert "not of the network: anchors" in described.text()


def test_files_that_do_not_describe_a_mask_rcnn_are_named(tmp_path: Path) -> None:
    arrays = filled(numbered(3), tmp_path / "whole.h5")
    for layer, message in {
        "res3a_branch2a": r"bad\.h5: res3 = '': are not the blocks",
        "conv1": r"bad\.h5: conv1/kernel = None: is missing",
        "mrcnn_class_logits": r"mrcnn_class_logits/kernel = None: is missing",
    }.items():
        matterport.write_file(tmp_path / "bad.h5", {name: value for name, value in arrays.items() if name != layer})
        with pytest.raises(InputError, match=message):
            describe_weights(tmp_path / "bad.h5")
    strange = arrays | {"mrcnn_bbox_fc": {"kernel": np.zeros((8, 12), np.float32), "bias": np.zeros(12, np.float32)}}
    matterport.write_file(tmp_path / "bad.h5", strange)
    with pytest.raises(InputError, match=r"mrcnn_bbox_fc/kernel = 12: must be four for each of the 4 outputs"):
        describe_weights(tmp_path / "bad.h5")
    described = describe_weights(tmp_path / "whole.h5")
    with pytest.raises(InputError, match=r"whole\.h5: classes = 2: the file has 3"):
        config_of(described, ("a", "b"))
    tiny = MaskRCNN(preset_config("tiny", ("horse",), image_size=64))
    save_weights(tiny.layers(), tmp_path / "tiny.h5")
    with pytest.raises(InputError, match=r"tiny\.h5: geometry = .*give the model's folder"):
        config_of(describe_weights(tmp_path / "tiny.h5"), ("horse",))
    (tmp_path / "model.json").write_text('{"classes": 3}')
    with pytest.raises(InputError, match=r"model\.json: classes = 3: must be a list of names"):
        known_classes(tmp_path / "whole.h5")
