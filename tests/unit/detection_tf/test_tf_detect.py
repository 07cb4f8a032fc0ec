"""Detection end to end: any weights file, stops and restarts, too little memory, the SavedModel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pycocotools import mask as rle_codec

sys.path.insert(0, str(Path(__file__).parent))
import matterport

from sgob_tasks.detection import detect, export_model
from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.detect_config import DetectConfig
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.inference.measure import Meter, duration, peak_memory
from sgob_tasks.detection.inference.opening import open_model
from sgob_tasks.detection.inference.stream import Stream
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.pictures import load_picture
from sgob_tasks.detection.training.interruption import EXIT_CONTINUE
from sgob_tasks.detection.vocabularies import coco_classes
from sgob_tasks.detection.weights.model_files import ModelInfo, save_model
from sgob_tasks.errors import InputError, PermanentError

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
SMALL = {
    "image_size": 64, "blocks": (1, 1, 1, 1), "widths": (4, 4, 8, 8), "stem_channels": 4, "fpn_channels": 8,
    "rpn_channels": 8, "head_channels": 8, "mask_channels": 8,
}  # fmt: skip


def small(classes: tuple[str, ...], **changes: Any) -> DetectorConfig:
    return preset_config("resnet50", classes, **(SMALL | changes))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 5 classes in the Matterport layout whose network finds something everywhere."""
    table = matterport.table_of(MaskRCNN(small(tuple("abcde"))).layers())
    arrays = matterport.random_arrays(table, seed=2)
    for layer, own in arrays.items():
        if "kernel" in own:  # scores neither all 0 nor all 1, boxes not far from their anchors
            gain = 1e-4 if layer.startswith("fpn_p") else 0.3 if "bbox" in layer else 1.5
            own["kernel"] *= np.float32(gain / np.sqrt(np.prod(own["kernel"].shape[:-1])))
            own["bias"] *= np.float32(0.1)
    path = tmp_path_factory.mktemp("weights") / "fork.h5"
    matterport.write_file(path, arrays)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    (folder / "sub").mkdir()
    for number, name in enumerate(("b.png", "a.png", "sub/c.png", "d.jpg")):
        pixels = np.random.default_rng(number).integers(0, 255, (50 + number, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(autouse=True)
def _same_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the device of this process as it is: it can be set once only, and for all its tests."""
    monkeypatch.setattr("sgob_tasks.detection.inference.measure.use_repeatable_device", lambda: None)


WANTED = DetectConfig(image_size=64, min_confidence=0.0, max_detections=6)
CONFIG = "image_size = 64\nmin_confidence = 0.0\nmax_detections = 6\n"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sgob_tasks.detection.detect", *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)


def test_a_folder_is_searched_and_the_rest_is_said(tmp_path: Path, weights: Path, images: Path) -> None:
    (tmp_path / "detect.toml").write_text(CONFIG)
    out = tmp_path / "out" / "results.json"
    done = run(
        "--weights", weights, "--images", images, "--out", out, "--config", tmp_path / "detect.toml",
        "--annotated", tmp_path / "drawn", "--batch-size", "2", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "broken.jpg: cannot be decoded" in done.stderr
    assert "op_level_cost_estimator" not in done.stderr  # TensorFlow's noise
    summary = json.loads(done.stdout)
    assert summary == json.loads((tmp_path / "out" / "results.summary.json").read_text())
    assert (summary["pictures"], sum(summary["errors"].values()), summary["done_before"]) == (4, 1, 0)
    assert summary["weights"]["loaded"] > 50
    assert summary["classes_from"] == "the number of outputs (6)"
    assert summary["seconds"] >= summary["seconds_to_first"] > 0
    assert summary["memory"]["rss_bytes"] > 1e8
    assert summary["tensorflow"] == tf.__version__
    assert summary["config"]["max_detections"] == 6
    errors = json.loads((tmp_path / "out" / "results.errors.json").read_text())
    assert [entry["file_name"] for entry in errors] == ["broken.jpg"]
    results = json.loads(out.read_text())
    assert len(results) == summary["detections"] > 4
    # Sorted: a.png, b.png, broken.jpg, d.jpg, sub/c.png
    assert {entry["file_name"]: entry["image_id"] for entry in results} == {
        "a.png": 1, "b.png": 2, "d.jpg": 4, "sub/c.png": 5,
    }  # fmt: skip
    for entry in results:
        assert entry["class_name"] == f"class {entry['category_id']}"
        assert next(iter(entry["candidates"])) == entry["class_name"]
        assert sum(entry["candidates"].values()) + entry["background"] == pytest.approx(1, abs=1e-4)
        with Image.open(images / entry["file_name"]) as picture:
            assert entry["segmentation"]["size"] == [picture.height, picture.width]
        assert rle_codec.decode(entry["segmentation"]).shape == tuple(entry["segmentation"]["size"])
    drawn = sorted(path.name for path in (tmp_path / "drawn").rglob("*.jpg"))
    assert drawn == ["a.png.jpg", "b.png.jpg", "c.png.jpg", "d.jpg"]
    assert not list((tmp_path / "out").glob("*.part"))


@pytest.fixture
def broken_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let the network fail once it has seen as many batches as the list says."""
    left: list[int] = []
    whole = Detector.detect_prepared

    def failing(self: Detector, pictures: Any) -> Any:
        if left:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        return whole(self, pictures)

    monkeypatch.setattr(Detector, "detect_prepared", failing)
    return left  # type: ignore[return-value]


def folder_of(weights: Path, images: Path, out: Path, **options: Any) -> dict[str, Any]:
    return detect.detect_folder(weights, images, out, WANTED, **options)


def test_a_stopped_run_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, weights: Path, images: Path, broken_off: list[int]
) -> None:
    folder_of(weights, images, tmp_path / "whole.json")
    folder_of(weights, images, tmp_path / "twice.json")
    whole = (tmp_path / "whole.json").read_bytes()
    assert whole == (tmp_path / "twice.json").read_bytes()
    assert len(json.loads(whole)) > 4
    out = tmp_path / "results.json"
    broken_off[:] = [2]
    with pytest.raises(KeyboardInterrupt):
        folder_of(weights, images, out)
    assert not out.exists()
    with (tmp_path / "results.json.part").open("ab") as file:
        file.write(b'{"file_name": "d.j')  # it was writing
    with pytest.raises(InputError, match=r"results\.json\.part: config = .*--fresh"):
        detect.detect_folder(weights, images, out, DetectConfig(image_size=128))
    broken_off.clear()
    said: list[str] = []
    summary = folder_of(weights, images, out, say=said.append)
    assert summary["done_before"] == 2
    assert "going on: 2 of 5 pictures are done" in said
    assert out.read_bytes() == whole
    assert folder_of(weights, images, out, fresh=True)["done_before"] == 0


def test_ids_may_be_those_of_a_truth(tmp_path: Path, weights: Path, images: Path) -> None:
    truth = {
        "images": [{"id": 31, "file_name": "a.png"}, {"id": 12, "file_name": "c.png"}],
        "categories": [{"id": 9, "name": "horse"}, {"id": 8, "name": "dragon"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    wanted = DetectConfig(image_size=64, min_confidence=0.0, classes=("horse", "dragon", "lance", "crown", "tree"))
    summary = detect.detect_folder(weights, images, tmp_path / "results.json", wanted, truth=tmp_path / "truth.json")
    results = json.loads((tmp_path / "results.json").read_text())
    assert {entry["image_id"] for entry in results} == {31, 12}
    assert summary["not_in_truth"] == ["b.png", "broken.jpg", "d.jpg"]
    ids = {entry["name"]: entry["id"] for entry in summary["categories"]}
    assert ids == {"horse": 9, "dragon": 8, "lance": 10, "crown": 11, "tree": 12}
    assert all(entry["category_id"] == ids[entry["class_name"]] for entry in results)


def test_wrong_use_and_failure_have_their_exit_codes(
    tmp_path: Path, weights: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def code(*words: str | Path) -> int:
        return detect.main([f"--weights={weights}", f"--out={tmp_path / 'r.json'}", *map(str, words)])

    (tmp_path / "c.toml").write_text("image_size = 65")
    assert code("--images", images, "--config", tmp_path / "c.toml") == 2
    assert "detect: " in capsys.readouterr().err
    assert code("--images", tmp_path / "none") == 2
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "c.toml").write_text(CONFIG)
    assert code("--images", tmp_path / "bad", "--config", tmp_path / "c.toml") == 1
    assert "1 pictures are broken" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text()) == []


def test_a_model_is_opened_as_what_it_is(tmp_path: Path, weights: Path) -> None:
    opened = open_model(weights)
    assert opened.config.classes == ("class 1", "class 2", "class 3", "class 4", "class 5")
    assert (opened.config.image_size, opened.config.detection_min_score, opened.has_masks) == (1024, 0.7, True)
    with pytest.raises(InputError, match=r"c\.toml: backbone = 'resnet101': .*fork\.h5 is a resnet14"):
        open_model(weights, DetectConfig("c.toml", backbone="resnet101"))
    with pytest.raises(InputError, match=r"c\.toml: classes = 2: .*fork\.h5 has 5 classes"):
        open_model(weights, DetectConfig("c.toml", classes=("a", "b")))
    config = preset_config("tiny", ("horse",), image_size=64)
    save_model(tmp_path / "model", MaskRCNN(config), ModelInfo(config, False, {}))
    for path in (tmp_path / "model", tmp_path / "model" / "weights.h5"):
        opened = open_model(path, DetectConfig(nms=0.5))
        assert (opened.config.classes, opened.config.detection_nms_iou, opened.has_masks) == (("horse",), 0.5, False)
        assert opened.classes_from == "model.json"
    assert open_model(tmp_path / "model", DetectConfig(classes=("mare",))).config.classes == ("mare",)
    with pytest.raises(InputError, match=r"defaults: classes = 2: .*model\.json has 1 classes"):
        open_model(tmp_path / "model", DetectConfig(classes=("a", "b")))
    with pytest.raises(InputError, match=r"none\.h5"):
        open_model(tmp_path / "none.h5")
    arrays = matterport.random_arrays(matterport.table_of(MaskRCNN(small(coco_classes())).layers()))
    boxes_only = {layer: value for layer, value in arrays.items() if not layer.startswith("mrcnn_mask")}
    matterport.write_file(tmp_path / "coco.h5", boxes_only)
    opened = open_model(tmp_path / "coco.h5", DetectConfig(image_size=64))
    assert (opened.config.classes, opened.has_masks) == (coco_classes(), False)
    assert opened.build()[1].missing[0] == "mrcnn_mask_conv1"


class Scarce(Detector):
    """A detector whose memory holds two pictures."""

    most = 2

    def detect_prepared(self, pictures: Any) -> Any:
        if self.batch_size > self.most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nwith more lines")
        return super().detect_prepared(pictures)

    def with_batch_size(self, batch_size: int) -> Detector:
        other = Scarce(self.model, has_masks=self.has_masks, batch_size=batch_size, min_score=self.min_score)
        other.most = self.most
        return other


def test_a_batch_that_the_memory_does_not_hold_is_halved(weights: Path, images: Path) -> None:
    model, _ = open_model(weights, WANTED).build()
    names = ["a.png", "broken.jpg", "b.png", "sub/c.png", "none.png", "d.jpg", "a.png"]
    said: list[str] = []
    scarce = Stream(Scarce(model, has_masks=True, batch_size=8), lambda n: load_picture(images / n), say=said.append)
    seen = [one for batch in scarce.batches(names) for one in batch]
    assert [one.item for one in seen] == names
    assert said == [
        f"out of memory with {size} pictures at once (OOM when allocating tensor): going on with {size // 2}"
        for size in (8, 4)
    ]
    assert scarce.detector.batch_size == 2
    assert [bool(one.error) for one in seen] == [False, True, False, False, True, False, False]
    assert len(seen[0].detections) > 1
    assert seen[0].detections == seen[-1].detections
    assert (seen[0].width, seen[0].height) == (64, 51)
    plain = Stream(Detector(model, has_masks=True, batch_size=2), lambda n: load_picture(images / n))
    assert [one.detections for batch in plain.batches(names) for one in batch] == [one.detections for one in seen]
    none = Scarce(model, has_masks=True, batch_size=2)
    none.most = 0
    with pytest.raises(PermanentError, match=r"with one picture of 64 x 64 pixels .*smaller image_size"):
        list(Stream(none, lambda n: load_picture(images / n)).batches(names))


def test_a_stream_stops_between_batches(weights: Path, images: Path) -> None:
    model, _ = open_model(weights, WANTED).build()
    answers = iter([False, False, True])
    detector = Detector(model, has_masks=False, batch_size=1)
    stream = Stream(detector, lambda name: load_picture(images / name), stop=lambda: next(answers))
    assert len(list(stream.batches(["a.png"] * 50))) == 2
    assert stream.stopped


def test_a_signal_ends_inference_between_batches_and_the_next_job_goes_on(
    tmp_path: Path, weights: Path, images: Path
) -> None:
    opened = open_model(weights, WANTED)
    model, _ = opened.build()
    save_model(tmp_path / "input" / "model", model, ModelInfo(opened.config, True, {}))
    (tmp_path / "input" / "shards").mkdir()
    shutil.copy(images / "a.png", tmp_path / "input" / "a")
    pictures = [{"sha256": f"{number}", "file": "input/a"} for number in range(300)]
    (tmp_path / "input" / "shards" / "0000.json").write_text(json.dumps({"pictures": pictures}))
    (tmp_path / "job.json").write_text(json.dumps({"parameters": {"batch_size": 2}}))
    command = [sys.executable, "-m", "sgob_tasks.detection.infer", str(tmp_path)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    results = tmp_path / "results" / "0000.jsonl"
    while process.poll() is None and not (results.exists() and results.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    shown = process.communicate()[0]
    assert process.returncode == EXIT_CONTINUE
    assert "asked to make room" in shown
    content = results.read_bytes()
    assert content.endswith(b"\n")
    begun = content.count(b"\n")
    assert begun % 2 == 0
    assert 0 < begun < 300
    assert not (tmp_path / "results" / "0000.summary.json").exists()
    pictures = pictures[: begun + 4]
    (tmp_path / "input" / "shards" / "0000.json").write_text(json.dumps({"pictures": pictures}))
    assert subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=False).returncode == 0
    whole = results.read_bytes()
    assert whole.startswith(content)
    found = [json.loads(line) for line in whole.splitlines()]
    assert [entry["sha256"] for entry in found] == [entry["sha256"] for entry in pictures]
    for place in (0, 1):  # the same picture at the same place of its batch: the same bytes
        assert len({json.dumps(entry["detections"]) for entry in found[place::2]}) == 1
    summary = json.loads((tmp_path / "results" / "0000.summary.json").read_text())
    assert (summary["done_before"], summary["count"], summary["batch_size"]) == (begun, begun + 4, 2)
    assert summary["memory"]["rss_bytes"] > 1e8
    assert summary["pictures_per_s"] > 0


def test_the_exported_model_finds_the_same_without_us(tmp_path: Path, weights: Path) -> None:
    wanted = DetectConfig(image_size=64, min_confidence=0.2, max_detections=9)
    assert export_model.main([str(weights), f"--out={tmp_path / 'none'}", f"--config={tmp_path / 'none.toml'}"]) == 2
    result = export_model.export_model(weights, tmp_path / "saved", wanted)
    assert result["classes"] == 5
    pictures = np.random.default_rng(7).integers(0, 255, (3, 64, 64, 3), np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    # A process that has never heard of this project.
    alone = """
import sys
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1] + "/saved")
found = loaded.signatures["serving_default"](images=tf.constant(np.load(sys.argv[1] + "/pictures.npy")))
arrays = {name: value.numpy() for name, value in found.items()}
np.savez(sys.argv[1] + "/found.npz", names=loaded.class_names.numpy().astype("S"), **arrays)
assert not any(name.startswith("sgob") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", alone, str(tmp_path)], check=True, cwd=tmp_path)
    found = np.load(tmp_path / "found.npz")
    opened = open_model(weights, wanted)
    model, _ = opened.build()
    detections = Detector(model, has_masks=True, batch_size=3).detect(list(pictures))
    names = [name.decode() for name in found["names"]]
    assert names == ["background", *opened.config.classes]
    assert sum(map(len, detections)) > 3
    for place, mine in enumerate(detections):
        boxes = found["boxes"][place][: found["count"][place]]
        # What is thinner than a pixel is nothing to draw: the detector leaves it out.
        sides = np.minimum(boxes[:, :2] + boxes[:, 2:], 64) - np.maximum(boxes[:, :2], 0)
        kept = np.flatnonzero((sides >= 1).all(1))
        assert [names[c] for c in found["classes"][place][kept]] == [d.class_name for d in mine]
        np.testing.assert_allclose(found["scores"][place][kept], [d.score for d in mine], atol=1e-5)
        np.testing.assert_allclose(boxes[kept], [d.box for d in mine], atol=0.02)
        for index, detection in zip(kept, mine, strict=True):
            spread = dict(zip(names, found["distribution"][place][index], strict=True))
            assert spread == pytest.approx({"background": detection.background, **detection.candidates}, abs=1e-5)
        assert not found["classes"][place][found["count"][place] :].any()
        assert found["masks"].shape[2:] == (28, 28)
    assert json.loads((tmp_path / "saved" / "detector.json").read_text())["class_names"] == names
    with pytest.raises(InputError, match=r"--out = .*: exists already"):
        export_model.export_model(weights, tmp_path / "saved", wanted)


def test_a_meter_leaves_the_first_batch_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("sgob_tasks.detection.inference.measure.time.monotonic", lambda: now[0])
    meter = Meter(90.0, 12)
    assert meter.to_json() == {"seconds": 10.0, "seconds_to_first": None, "pictures_per_s": None}
    meter.batch(2)
    assert meter.left() == "2 of 12 pictures"
    now[0] = 104.0
    meter.batch(2)
    assert meter.left() == "4 of 12 pictures, 0.50 pictures/s, 16 s left"
    assert meter.to_json() == {"seconds": 14.0, "seconds_to_first": 10.0, "pictures_per_s": 0.5}
    assert [duration(s) for s in (0.4, 65, 3600, 7384)] == ["0 s", "1 min 05 s", "1 h 00 min", "2 h 03 min"]
    assert peak_memory()["rss_bytes"] > 1e7


def test_sgob_weights_says_what_a_file_holds(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sgob_tasks.detection.weights.__main__ import main

    assert main([str(weights)]) == 0
    assert "classes: 5 and the background" in capsys.readouterr().out
    assert main([str(weights), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_count"] == 5
    assert main([str(tmp_path)]) == 2
    assert "weights.h5" in capsys.readouterr().err
