"""The caption generator's network, decoding and programs, with tiny networks."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

from sgob_tasks.captions.generator import generate, pool, train
from sgob_tasks.captions.generator.class_words import names
from sgob_tasks.captions.generator.config import SPECIAL, GeneratorConfig
from sgob_tasks.captions.generator.dataset import Captions, config_of, read_split
from sgob_tasks.captions.generator.decoding import Generator
from sgob_tasks.captions.generator.describe import describe
from sgob_tasks.captions.generator.encoding import Encoder, Seen
from sgob_tasks.captions.generator.model_files import load_generator, save_generator
from sgob_tasks.captions.generator.network import CaptionNetwork
from sgob_tasks.captions.generator.parameters import Generation, GeneratorTraining
from sgob_tasks.captions.generator.prepare import write_split
from sgob_tasks.captions.generator.regions import Picture, Region
from sgob_tasks.captions.generator.training_step import CaptionStep
from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.detection import job_program
from sgob_tasks.detection.inference import measure
from sgob_tasks.detection.training import distributed
from sgob_tasks.detection.training.interruption import EXIT_CONTINUE
from sgob_tasks.errors import InputError


@pytest.fixture(autouse=True)
def one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run in this process, whose TensorFlow has begun: it takes no other number of threads any more."""
    hvd.init()
    monkeypatch.setattr(distributed, "start", lambda stall_s: distributed.Ranks(0, 1, 0, 1))
    monkeypatch.setattr(distributed, "stop", lambda: None)
    monkeypatch.setattr(measure, "use_repeatable_device", lambda: None)


WORDS = (*SPECIAL, "a", "horse", "bicycle", "bikes", "cell", "phone", "left", "right", "dragon")
CONFIG = GeneratorConfig(
    WORDS, (*SPECIAL, "saint"), ("", "horse", "dragon"), units=12, embedding_size=6, attention_size=5, max_words=6,
    max_regions=4, max_title_words=3,
)  # fmt: skip
HORSE, DRAGON = Region("horse", 0.9, (0, 0, 40, 40)), Region("dragon", 0.8, (60, 10, 30, 30))
PICTURES = [
    Picture("a" * 64, 100, 80, (HORSE, DRAGON), "Saint George", 1500, 1510, ("bicycle", "cell phone")),
    Picture("b" * 64, 100, 80, (), "", None, None, ("bicycle",)),
    Picture("c" * 64, 100, 80, (DRAGON,) * 9, "x" * 50_000, 1900, None),
]


def network(seed: int = 1, **changes: Any) -> CaptionNetwork:
    tf.keras.utils.set_random_seed(seed)
    made = CaptionNetwork(GeneratorConfig(**(CONFIG.to_json() | changes)))
    rng = np.random.default_rng(seed)
    for weight in made.weights:
        weight.assign(rng.normal(size=weight.shape))
    return made


def seen(config: GeneratorConfig = CONFIG) -> Seen:
    return Seen(*map(tf.constant, Encoder(config).pictures(PICTURES)))


def generator(made: CaptionNetwork, **how: Any) -> Generator:
    return Generator(made, batch_size=4, beam_width=2, **how)


def test_attention_is_shared_among_what_is_there() -> None:
    made = network()
    captions = tf.constant(Encoder(CONFIG).captions([["a", "horse"]] * 3))
    _, weights = made.unroll(made.memory(seen()), captions[:, :-1])
    assert weights.shape == (3, 7, CONFIG.memory_places)
    np.testing.assert_allclose(weights.numpy().sum(-1), 1, rtol=1e-5)
    present = made.memory(seen()).present.numpy()
    assert present.tolist() == [
        [1, 1, 1, 0, 0, 1, 1, 0, 1],  # nothing in particular; two regions; two title words; date
        [1, 0, 0, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 0, 0, 1],
    ]
    assert not weights.numpy()[:, :, :][np.broadcast_to(present[:, None] == 0, weights.shape)].any()


def test_without_attention_every_region_counts_alike() -> None:
    made = network(attention=False)
    weights = made.attend(made.memory(seen()), tf.zeros([3, CONFIG.units])).numpy()
    assert weights[0].tolist() == [0, 0.5, 0.5, 0, 0, 0, 0, 0, 0]
    assert weights[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert len(made.trainable_weights) == len(network().trainable_weights) - 4


def test_one_word_at_a_time_says_what_all_at_once_say() -> None:
    made = network()
    words = tf.constant(Encoder(CONFIG).captions([["a", "horse", "left"], ["dragon"], []]))[:, :-1]
    memory = made.memory(seen())
    logits, weights = made.unroll(memory, words)
    state = made.begin(3)
    for place in range(words.shape[1]):
        state, looked = made.advance(memory, made.gates(words[:, place]), state)
        np.testing.assert_allclose(made.say(state.second), logits[:, place], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(looked, weights[:, place], rtol=1e-4, atol=1e-6)


def test_the_loss_of_a_caption_does_not_depend_on_its_neighbours() -> None:
    made = network(dropout=0.0, region_dropout=0.0)
    captions = Encoder(CONFIG).captions([["a"], ["a", "horse", "left", "a", "dragon", "right"], []])
    whole = made.losses(seen(), tf.constant(captions), tf.constant([1, 2]))
    for row in range(3):
        one = Seen(*(values[row : row + 1] for values in seen()))
        alone = made.losses(one, tf.constant(captions[row : row + 1]), tf.constant([3, 4]))
        for name in ("words", "coverage"):
            np.testing.assert_allclose(alone[name], whole[name][row : row + 1], rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_never_names_what_is_ruled_out_and_says_where_it_looked(seed: int) -> None:
    told = generator(network(seed)).describe(PICTURES)
    for picture, caption in zip(PICTURES, told, strict=True):
        for text in (caption.text, *(other for other, _ in caption.others)):
            assert not any(names(tokenise(text), name) for name in picture.forbidden)
        assert tokenise(caption.text) == [word.text for word in caption.words]
        for word in caption.words:
            assert all(0 <= place < len(picture.regions) for place, _ in word.regions)
            total = sum(weight for _, weight in word.regions) + word.elsewhere
            assert total == pytest.approx(1, abs=1e-3)
        assert json.loads(json.dumps(caption.to_json()))["forbidden"] == list(picture.forbidden)


def test_says_the_same_again_wherever_a_picture_is_in_its_batch() -> None:
    made = generator(network())
    texts = [caption.text for caption in made.describe_all(PICTURES * 2)]
    assert texts[:3] == texts[3:]
    assert [made.describe([picture])[0].text for picture in PICTURES] == texts[:3]
    with pytest.raises(ValueError, match="do not fit"):
        made.describe(PICTURES * 2)


def data(folder: Path, count: int = 12) -> Path:
    """A horse or a dragon, on the left or on the right."""
    for split in ("train", "val"):
        images, found, told = [], {}, []
        for number in range(count):
            name, side = ("horse", "dragon")[number % 2], ("left", "right")[number // 2 % 2]
            sha256 = f"{number + (100 if split == 'val' else 0):064x}"
            images.append({"id": number, "sha256": sha256, "width": 100, "height": 100, "title": "Saint"})
            box = [5 if side == "left" else 65, 30, 30, 30]
            found[number] = [{"class_name": name, "score": 0.9, "bbox": box}]
            told.append({"id": number, "image_id": number, "caption": f"a {name} on the {side}"})
        write_split(folder / split, {"images": images, "annotations": told}, found)
    return folder


def test_learns_what_is_where(tmp_path: Path) -> None:
    parameters = GeneratorTraining(
        least_word_count=1,
        coverage=0.1,
        fine_places=True,
        config={"units": 24, "embedding_size": 8, "attention_size": 8, "dropout": 0.0},
    )
    split = read_split(data(tmp_path) / "train")
    config = config_of(split, parameters)
    tf.keras.utils.set_random_seed(0)
    made = CaptionNetwork(config)
    step, batches = CaptionStep(made, parameters), Captions(split, config, batch_size=12)
    losses = []
    for number in range(80):
        step.add(batches.part(number, 0))
        losses.append(float(step.apply(1e-2).losses[0]))
    assert losses[-1] < 0.1 * losses[0]
    assert step._add.experimental_get_tracing_count() == 1
    assert generator(made).describe(split.pictures[:4])[1].text == "A dragon on the left."


def test_a_generator_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = network()
    save_generator(tmp_path, made, {"steps": 3})
    again, info = load_generator(tmp_path)
    assert info.config == made.config
    assert info.training == {"steps": 3}
    assert all(np.array_equal(a, b) for a, b in zip(again.weights, made.weights, strict=True))
    (tmp_path / "weights.npz").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="no generator's weights"):
        load_generator(tmp_path)
    save_generator(tmp_path, network(units=8), {})
    described = json.loads((tmp_path / "generator.json").read_text())
    described["config"]["units"] = 9
    (tmp_path / "generator.json").write_text(json.dumps(described))
    with pytest.raises(InputError, match="must be"):
        load_generator(tmp_path)


def write_job(folder: Path, **parameters: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps({"parameters": parameters}))
    return folder


SMALL = {"units": 8, "embedding_size": 4, "attention_size": 4, "max_words": 6}


def test_a_training_ends_goes_on_and_describes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = write_job(tmp_path / "job", steps=4, batch_size=5, evaluations=1, least_word_count=1, config=SMALL)
    data(job / "input" / "data")

    class Stopped:
        requested = True

    with monkeypatch.context() as patched:
        patched.setattr(job_program, "Interruption", Stopped)
        assert train.main([str(job)]) == EXIT_CONTINUE
    assert list((job / "checkpoints").glob("step-*.npz"))
    assert train.main([str(job)]) == 0
    summary = json.loads((job / "results" / "summary.json").read_text())
    assert summary["training"]["steps"] == 4
    assert set(summary["scores"]) == set(summary["intervals"])
    assert len(json.loads((job / "results" / "val_captions.json").read_text())) == 12
    metrics = [json.loads(line) for line in (job / "results" / "metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["step"] == 4
    assert json.loads((job / "results" / "evaluations.jsonl").read_text().splitlines()[0])["cider_d"] >= 0

    out = write_job(tmp_path / "out", batch_size=5)
    shard = out / "input" / "regions" / "0000.jsonl"
    shard.parent.mkdir(parents=True)
    shard.write_bytes((job / "input" / "data" / "val" / "regions" / "0000.jsonl").read_bytes())
    (out / "input" / "model").symlink_to(job / "results" / "model")
    assert not generate.run(out, 0, time.monotonic(), iter([False, True, True]).__next__)
    assert len((out / "results" / "0000.jsonl").read_text().splitlines()) == 5
    with (out / "results" / "0000.jsonl").open("a") as file:
        file.write('{"sha256": "torn')
    assert generate.run(out, 0, time.monotonic())
    lines = [json.loads(line) for line in (out / "results" / "0000.jsonl").read_text().splitlines()]
    assert len({line["sha256"] for line in lines}) == len(lines) == 12
    assert json.loads((out / "results" / "0000.summary.json").read_text())["done_before"] == 5
    before = (out / "results" / "0000.jsonl").read_bytes()
    assert generate.run(out, 0, time.monotonic())
    assert (out / "results" / "0000.jsonl").read_bytes() == before
    assert generate.main([str(out), "--task", "1"]) == job_program.EXIT_WRONG_USE

    assert describe(job / "results" / "model", shard.parent, tmp_path / "told.json", Generation(batch_size=5)) == 12
    told = {entry["image_id"]: entry["caption"] for entry in json.loads((tmp_path / "told.json").read_text())}
    assert told == {line["sha256"]: line["caption"] for line in lines}


def test_wrong_use_of_a_training_has_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main([str(write_job(tmp_path / "a", colour=1))]) == job_program.EXIT_WRONG_USE
    assert "parameters.colour" in capsys.readouterr().err
    assert train.main([str(write_job(tmp_path / "b", steps=1))]) == job_program.EXIT_WRONG_USE
    assert "captions.json" in capsys.readouterr().err


def test_the_detectors_features_are_pooled_and_used(tmp_path: Path) -> None:
    from PIL import Image

    from sgob_tasks.detection.config import preset_config
    from sgob_tasks.detection.inference.pooling import RegionPooler
    from sgob_tasks.detection.network.model import MaskRCNN
    from sgob_tasks.detection.weights.model_files import ModelInfo, save_model

    detector = MaskRCNN(preset_config("tiny", ("horse", "dragon"), image_size=64, fpn_channels=8, rpn_channels=8))
    save_model(tmp_path / "detector", detector, ModelInfo(detector.config, True, {}))
    pixels = np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)
    pooler = RegionPooler(detector, batch_size=2)
    boxes = [(0.0, 0.0, 40.0, 40.0), (60.0, 10.0, 30.0, 30.0)]
    first, none = pooler.features([pixels, pixels], [boxes, []])
    assert first.shape == (2, 8)
    assert none.shape == (0, 8)
    assert np.abs(first).sum() > 0
    np.testing.assert_array_equal(pooler.features([pixels], [boxes[1:]])[0], first[1:])
    with pytest.raises(ValueError, match="for a batch of 2"):
        pooler.features([pixels] * 3, [[]] * 3)

    job = write_job(tmp_path / "job", batch_size=2)
    Image.fromarray(pixels).save(tmp_path / "job" / "picture.png")
    line = {"sha256": "a" * 64, "width": 100, "height": 80, "file": "picture.png"}
    line["detections"] = [{"class_name": "horse", "score": 1.0, "bbox": list(box)} for box in boxes]
    shard = job / "input" / "regions" / "0000.jsonl"
    shard.parent.mkdir(parents=True)
    shard.write_text(json.dumps(line) + "\n" + json.dumps(line | {"sha256": "b" * 64, "detections": []}) + "\n")
    save_generator(job / "input" / "model", network(feature_size=8), {})
    (job / "input" / "detector").symlink_to(tmp_path / "detector")
    assert generate.run(job, 0, time.monotonic())
    assert shard.with_suffix(".npz").exists()
    assert len((job / "results" / "0000.jsonl").read_text().splitlines()) == 2
    shard.write_text(json.dumps(line | {"file": ""}) + "\n")
    with pytest.raises(InputError, match="names no picture"):
        pool.pool_shard(shard, tmp_path / "detector", job)
