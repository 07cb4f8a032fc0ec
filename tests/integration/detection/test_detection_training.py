"""Training with real ranks under a real MPI: equal weights, checkpoints, SIGUSR1, results."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.weights.model_files import ModelInfo, save_model

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
SMALL = {
    "image_size": 64,
    "blocks": [1, 1, 1, 1],
    "fpn_channels": 16,
    "rpn_channels": 16,
    "head_channels": 16,
    "mask_channels": 8,
    "max_instances": 4,
}
MPI = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
MPI += ["-mca", "btl", "self,tcp", "-mca", "btl_tcp_if_include", "lo", "-np", "2"]


def draw_dataset(folder: Path, masks: bool) -> None:
    """Draw red squares and blue discs; every fifth picture is empty."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("val", 5)):
        images, annotations = [], []
        for number in range(1, count + 1):
            picture = Image.new("RGB", (80, 60), (120, 120, 100))
            name = f"{split}{number}.png"
            images.append({"id": number, "file_name": name, "width": 80, "height": 60})
            if number % 5:
                x, y, side = (int(value) for value in rng.integers((2, 2, 18), (50, 30, 28)))
                draw, area = ImageDraw.Draw(picture), (x, y, x + side - 1, y + side - 1)
                (draw.rectangle if number % 2 else draw.ellipse)(
                    area, fill=(200, 30, 30) if number % 2 else (20, 40, 200)
                )
                entry: dict[str, Any] = {"id": number, "image_id": number, "category_id": 1 + number % 2}
                entry |= {"bbox": [x, y, side, side], "area": side * side, "iscrowd": 0}
                if masks:
                    entry["segmentation"] = [[x, y, x + side, y, x + side, y + side, x, y + side]]
                annotations.append(entry)
            picture.save(folder / "images" / name)
        categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "square"}]
        document = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"{split}.json").write_text(json.dumps(document))


def write_job(folder: Path, **parameters: Any) -> None:
    values = {"preset": "tiny", "batch_size": 2, "seed": 1, "config": SMALL, "log_interval_s": 0.2} | parameters
    (folder / "job.json").write_text(json.dumps({"key": "test", "kind": "train", "tasks": 1, "parameters": values}))


@pytest.fixture
def job(tmp_path: Path) -> Path:
    draw_dataset(tmp_path / "input" / "dataset", masks=True)
    return tmp_path


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}


def run_ranks(*command: object, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    words = [*MPI[:-1], str(ranks), sys.executable, *map(str, command)]
    return subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=600, check=False)


def rank_weights(job: Path, ranks: int, *ways: str) -> dict[str, list[dict[str, np.ndarray]]]:
    """Train in several ways (see ``rank_weights.py``); return each way's weights, rank by rank."""
    done = run_ranks(ROOT / "tests/integration/detection/rank_weights.py", job, *ways, ranks=ranks)
    assert done.returncode == 0, done.stderr[-3000:]
    names = [way.partition(":")[0] for way in ways] + [f"{way.partition(':')[0]}-stopped" for way in ways if ":" in way]
    return {name: [dict(np.load(job / f"{name}.{rank}.npz")) for rank in range(ranks)] for name in names}


def metrics(job: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job / "results" / "metrics.jsonl").read_text().splitlines()]


EXACT = SMALL | {
    "pre_nms": 12,
    "proposals_training": 12,
    "rpn_nms_iou": 1.0,
    "roi_samples": 32,
    "roi_positive_fraction": 0.5,
}
"""All of few proposals are sampled: rounding, which differs with a batch's size, must not choose others."""


@pytest.mark.timeout(1200)  # seven trainings, each traced
def test_an_interruption_changes_nothing_and_neither_do_the_ranks(tmp_path: Path) -> None:
    """Ten pictures, global batches of 4, 4 and 2, parts of one: two epochs on two ranks, and the same on one."""
    how = {"batch_size": 1, "global_batch_size": 4, "epochs": 2, "optimizer": "sgd", "learning_rate": 0.01}
    for name, config in (("learnt", EXACT), ("frozen", EXACT | {"train_batch_norm": False})):
        draw_dataset(tmp_path / name / "input" / "dataset", masks=True)
        write_job(tmp_path / name, config=config, **how)
    found = rank_weights(tmp_path / "learnt", 2, "whole", "between:2.1", "within:3.1")
    names = [name for name in found["whole"][0] if name.startswith("w")]
    first, second = found["whole"]
    assert first["step"].tolist() == [6, 0]
    assert not np.array_equal(first["before"], second["before"])
    # Stopped between two updates, or in the middle of one, with the sums of both ranks in the checkpoint.
    assert found["between-stopped"][1]["step"].tolist() == [3, 0]
    assert found["within-stopped"][1]["step"].tolist() == [3, 1]
    for name in names:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        np.testing.assert_array_equal(first[name], found["between"][0][name], err_msg=name)
        np.testing.assert_allclose(first[name], found["within"][0][name], rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(found["within"][0][name], found["within"][1][name], err_msg=name)

    # One epoch only: afterwards rounding, which the order of the sums decides, chooses other anchors here and there.
    write_job(tmp_path / "frozen", config=EXACT | {"train_batch_norm": False}, **(how | {"epochs": 1}))
    alone = rank_weights(tmp_path / "frozen", 1, "alone")["alone"][0]
    shared = rank_weights(tmp_path / "frozen", 2, "shared")["shared"][0]
    assert alone["step"].tolist() == shared["step"].tolist() == [3, 0]
    assert np.abs(alone["w0"] - alone["before"]).max() > 1e-4  # it did learn
    for name in names:
        np.testing.assert_allclose(alone[name], shared[name], rtol=1e-2, atol=5e-5, err_msg=name)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("killed", "noticed that process rank 1|another rank has ended|exited on signal 9"),
        ("stuck", r"rank 0: another rank has not answered for 40 s \((gradients|all ranks)\)"),
        ("diverged", r"rank \d: step \d+: a (loss|gradient) is no number"),
    ],
)
def test_a_rank_that_is_lost_ends_the_job_with_a_message(job: Path, fault: str, message: str) -> None:
    wild = {"learning_rate": 1e12, "clip_norm": 1e12, "warmup_steps": 1} if fault == "diverged" else {}
    write_job(job, steps=100_000, stall_s=40 if fault == "stuck" else 600, evaluations=0, **wild)
    log = start_and_wait_for_steps(job) if not wild else None
    if log is None:
        done = run_ranks("-m", "sgob_tasks.detection.train", job)
        assert (done.returncode, "results/model" in done.stdout) == (1, False)
        assert re.search(message, done.stderr), done.stderr[-3000:]
        return
    process, ranks = log
    victim = ranks[1]
    try:
        os.kill(victim, signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
        assert process.wait(150) != 0
    finally:
        for rank in ranks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)
        process.kill()
    text = (job / "log").read_text()
    assert re.search(message, text), text[-3000:]


def start_and_wait_for_steps(job: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start a training of two ranks; return once it has made steps, with the processes of rank 0 and rank 1."""
    words = [*MPI, sys.executable, "-m", "sgob_tasks.detection.train", str(job)]
    with (job / "log").open("w") as log:
        process = subprocess.Popen(words, env=environment(), stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 260
    try:
        while not (job / "results" / "metrics.jsonl").exists():
            assert process.poll() is None, (job / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, "no step was done"
            time.sleep(0.2)
    except BaseException:
        process.terminate()  # mpirun ends its ranks
        raise
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ranks = {}
    for child in children:
        variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        of_rank = [v.partition(b"=")[2] for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
        if of_rank:
            ranks[int(of_rank[0])] = int(child)
    assert sorted(ranks) == [0, 1]
    return process, [ranks[0], ranks[1]]


def test_a_signal_stops_with_a_checkpoint_and_the_next_job_goes_on(job: Path) -> None:
    write_job(job, steps=100_000)
    process, _ = start_and_wait_for_steps(job)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == 85, (job / "log").read_text()[-3000:]
    (checkpoint,) = (job / "checkpoints").glob("step-*.npz")
    reached = int(checkpoint.stem.split("-")[1])
    assert reached >= 1
    assert metrics(job)[-1]["step"] == reached
    assert not (job / "results" / "summary.json").exists()

    with (job / "results" / "metrics.jsonl").open("a") as file:  # as if it had been killed after later steps
        file.write(json.dumps({"step": reached + 5}) + "\n" + '{"step": 99')
    write_job(job, steps=reached + 4)
    done = run_ranks("-m", "sgob_tasks.detection.train", job)
    assert done.returncode == 0, done.stderr[-3000:]
    steps = [entry["step"] for entry in metrics(job)]
    assert steps == sorted(set(steps))
    assert steps[-1] == reached + 4
    assert f"step {reached} of {reached + 4}" in done.stdout
    check_results(job, masks=True)

    write_job(job, steps=reached + 4, batch_size=4)
    refused = run_ranks("-m", "sgob_tasks.detection.train", job)
    assert refused.returncode == 2
    assert "global_batch_size = 8: the checkpoint was written with 4" in refused.stderr


def check_results(job: Path, masks: bool) -> None:
    model = json.loads((job / "results" / "model" / "model.json").read_text())
    assert (model["classes"], model["masks"], model["preset"]) == (["disc", "square"], masks, "tiny")
    assert (job / "results" / "model" / "weights.h5").stat().st_size > 10_000
    summary = json.loads((job / "results" / "summary.json").read_text())
    assert summary["bbox"]["pictures"] == 5
    assert ("segm" in summary) == masks
    detections = json.loads((job / "results" / "val_detections.json").read_text())
    assert {entry["image_id"] for entry in detections} <= {1, 2, 3, 4, 5}
    assert len(detections) == summary["bbox"]["detections"] > 0
    assert all(("segmentation" in entry) == masks and entry["candidates"] for entry in detections)


def test_one_process_trains_without_masks_and_inside_its_time(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "input" / "dataset", masks=False)
    write_job(tmp_path, budget_s=60, reserve_s=10, epochs=10_000, val_min_score=0.0, warmup_steps=1, evaluations=0)
    command = [sys.executable, "-m", "sgob_tasks.detection.train", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    check_results(tmp_path, masks=False)
    entries = metrics(tmp_path)
    assert all(entry["losses"]["mask"] == 0 for entry in entries)
    # It used its time but for the reserve, and after that began no further step.
    assert entries[-1]["elapsed_s"] > 48
    assert all(entry["elapsed_s"] <= 51 for entry in entries[:-2])
    # The schedule followed the time: the rate had fallen to its floor when it was up, though steps were left.
    assert entries[-1]["learning_rate"] < 0.05 * max(entry["learning_rate"] for entry in entries)


def test_training_learns_and_is_evaluated_beside_the_champion(job: Path) -> None:
    """From weights of other classes; the champion knows one of the data set's classes, and one that it has not."""
    config = preset_config(
        "tiny", ("ghost", "square"), **{k: tuple(v) if k == "blocks" else v for k, v in SMALL.items()}
    )
    champion = MaskRCNN(config)
    save_model(job / "input" / "champion", champion, ModelInfo(config, True, {}))
    how = {"initial_weights": "input/champion/weights.h5", "evaluations": 1, "keep_models": True, "precision": "auto"}
    write_job(job, steps=120, val_min_score=0.0, **how)
    command = [sys.executable, "-m", "sgob_tasks.detection.train", str(job)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "rows taken over for 1 classes: square" in done.stdout
    assert "begin anew" in done.stdout
    entries = metrics(job)
    assert entries[-1]["step"] == 120
    assert entries[-1]["loss"] < 0.7 * entries[0]["loss"]
    assert entries[-1]["remaining_s"] == 0
    results = job / "results"
    (evaluation,) = [json.loads(line) for line in (results / "evaluations.jsonl").read_text().splitlines()]
    assert 0 <= evaluation["ap50"] <= 1
    assert "mask_ap50" in evaluation
    assert (results / "models" / f"{evaluation['step']:08d}" / "weights.h5").exists()
    assert list((results / "tensorboard").glob("events.out.*"))
    beside = json.loads((results / "champion_val_detections.json").read_text())
    squares = {entry["category_id"] for entry in beside}
    assert squares == {2}  # its ghosts are no class of the data set
    facts = json.loads((results / "summary.json").read_text())["training"]
    assert facts["initial_weights"]["classes_taken"] == ["square"]
    assert (facts["precision"], facts["masks"]) == ("float32", "instances")


def test_a_bad_job_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"parameters": {"preset": "tiny", "epoch": 3}}))
    command = [sys.executable, "-m", "sgob_tasks.detection.train", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert "parameters.epoch = 3: is unknown" in done.stderr
