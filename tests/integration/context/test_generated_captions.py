"""Captions from the generator and back: which pictures wait, what the job gets, what the store keeps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from sgob_tasks.captions.generated import GeneratedCounts, load_generated, looked_at
from sgob_tasks.captions.generator.dataset import read_split
from sgob_tasks.captions.generator.regions import parse_picture
from sgob_tasks.captions.harvested import write_harvested
from sgob_tasks.captions.seen import picture_lines, ruled_out
from sgob_tasks.captions.waiting import Reader, waiting_pictures
from sgob_tasks.config import Settings
from sgob_tasks.context.dates import DateRange
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.steps import captions as steps
from sgob_tasks.store import runs
from sgob_tasks.store.tables import batch_items, batches, captions, detections, media, models, records

pytestmark = pytest.mark.integration
TABLE = ClassTable.load()
FIRST = Reader("generator-1", TABLE)


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture
def settings(store: sa.Engine, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=SecretStr(store.url.render_as_string(hide_password=False)))


def add_record(store: sa.Engine, key: str, picture: str, state: str = "active", **values: Any) -> None:
    url = f"https://example.org/{key}.jpg"
    row = {"id": key, "title": "Saint George", "image_url": url, "content_hash": key, "raw": {}, "state": state}
    with store.begin() as connection:
        connection.execute(sa.insert(records).values(row | values))
        connection.execute(
            sa.insert(media).values(record_id=key, url=url, state="fetched", sha256=sha(picture), width=400, height=300)
        )


@pytest.fixture
def looked(store: sa.Engine) -> sa.Engine:
    """A store in which the detector has looked at pictures a and b: a rider on a in two records, nothing on b."""
    add_record(store, "/1/a", "a", date_text="1500", year_from=1500, year_to=1500)
    add_record(store, "/1/twin", "a", title="Another title", date_text="1990")
    add_record(store, "/1/b", "b", title=None)
    add_record(store, "/1/late", "late")
    add_record(store, "/1/gone", "gone", state="gone")
    with store.begin() as connection:
        connection.execute(
            sa.insert(models).values(
                id="detector-1", name="detector", version=1, state="champion", path="detector-1", sha256="0",
                config={"classes": ["horse"]}, scores={}, training={},
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(batches).values(id="batch", run_id="run", model_id="detector-1", shards=1, pictures=3)
        )
        items = [{"batch_id": "batch", "sha256": sha(n), "shard": 0, "state": "loaded"} for n in ("a", "b", "gone")]
        connection.execute(sa.insert(batch_items), items)
        for record in ("/1/a", "/1/twin"):
            for ordinal, (label, score) in enumerate((("horse", 0.9), ("person", 0.7), (None, 0.0))):
                connection.execute(
                    sa.insert(detections).values(
                        record_id=record, sha256=sha("a"), model_id="detector-1", ordinal=ordinal, class_name="x",
                        score=0.9, x=10.0 * ordinal, y=5, width=50, height=60, label=label, label_score=score,
                    )
                )  # fmt: skip
    return store


def told(name: str, text: str = "A rider on a horse.", **changes: Any) -> str:
    tokens = [{"word": word, "regions": [[0, 0.8], [1, 0.1]], "elsewhere": 0.1} for word in text[:-1].lower().split()]
    value = {"sha256": sha(name), "caption": text, "log_prob": -2.0, "tokens": tokens, "beam": [], "forbidden": ["bus"]}
    return json.dumps(value | {"model_sha256": "f" * 64} | changes) + "\n"


def rows(store: sa.Engine) -> list[dict[str, Any]]:
    with store.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(captions).order_by(captions.c.id)).mappings()]


def test_what_was_looked_at_waits_for_a_caption_also_without_boxes(looked: sa.Engine) -> None:
    waiting = waiting_pictures(looked, FIRST)
    assert [picture.sha256 for picture in waiting] == sorted([sha("a"), sha("b")])
    assert len(waiting_pictures(looked, FIRST, 1)) == 1
    lines = {line["sha256"]: line for line in picture_lines(looked, waiting, TABLE)}
    first, second = lines[sha("a")], lines[sha("b")]
    assert [one["class_name"] for one in first["detections"]] == ["horse", "person"]
    assert (first["title"], first["year_from"]) == ("Saint George", 1500)
    assert "bicycle" in first["forbidden"]  # in 1990 it might be one, but the first record says 1500
    assert (second["title"], second["detections"], second["forbidden"]) == ("", [], [])
    for line in lines.values():
        assert parse_picture("line", json.loads(json.dumps(line))) is not None


def test_only_hard_bounds_rule_out(looked: sa.Engine) -> None:
    assert "kite" not in ruled_out(TABLE, DateRange(1300, 1300))
    assert {"bicycle", "airplane", "cell phone"} <= ruled_out(TABLE, DateRange(1300, 1300))
    assert ruled_out(TABLE, None) == ruled_out(TABLE, DateRange(1300, None)) == frozenset()


def job(looked: sa.Engine, folder: Path, *lines: str) -> Path:
    for name in ("input/regions", "results"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    described = picture_lines(looked, waiting_pictures(looked, Reader("nobody", TABLE)), TABLE)
    told = (line | {"inputs": FIRST.fingerprint(line)} for line in described)
    (folder / "input" / "regions" / "0000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
    (folder / "results" / "0000.jsonl").write_text("".join(lines))
    return folder


def test_captions_are_kept_once_for_every_record_that_shows_the_picture(looked: sa.Engine, tmp_path: Path) -> None:
    folder = job(looked, tmp_path, told("a"), told("b", "A painted scene."))
    assert load_generated(looked, folder, "generator-1") == GeneratedCounts(2, 3, 0, 0)
    written = rows(looked)
    assert {(row["record_id"], row["sha256"]) for row in written} == {
        ("/1/a", sha("a")), ("/1/twin", sha("a")), ("/1/b", sha("b")),
    }  # fmt: skip
    first = next(row for row in written if row["record_id"] == "/1/a")
    assert (first["source"], first["classifier"], first["is_caption"]) == ("generator", "generator-1", True)
    assert 0 < first["score"] < 1
    words = looked_at(first["attention"])
    assert [word for word, _ in words] == ["a", "rider", "on", "a", "horse"]
    assert (words[4][1][0].label, words[4][1][0].box, words[4][1][0].weight) == ("horse", (0, 5, 50, 60), 0.8)
    assert first["attention"]["forbidden"] == ["bus"]
    bare = next(row for row in written if row["record_id"] == "/1/b")
    assert not any(boxes for _, boxes in looked_at(bare["attention"]))  # no region there: the weights are dropped

    assert load_generated(looked, folder, "generator-1").captions == 0
    assert rows(looked) == written
    assert waiting_pictures(looked, FIRST) == []
    assert len(waiting_pictures(looked, Reader("generator-2", TABLE))) == 2
    job(looked, tmp_path, told("a", "A dragon."))
    assert load_generated(looked, tmp_path, "generator-1").captions == 2
    assert len(rows(looked)) == 3


def test_lines_that_cannot_be_used_are_counted_with_their_reason(looked: sa.Engine, tmp_path: Path) -> None:
    bad = ["nonsense\n", "[]\n", told("a", caption=3), told("a", tokens=[{"word": 3}]), told("a", tokens=3)]
    counts = load_generated(looked, job(looked, tmp_path, *bad, told("a"), told("stranger")), "generator-1")
    assert (counts.pictures, counts.captions, counts.unknown, counts.malformed) == (1, 2, 1, 5)
    assert "0000.jsonl, line 1" in counts.examples[0]
    with pytest.raises(InputError, match="left no captions"):
        load_generated(looked, tmp_path / "nothing", "generator-1")


def trained(settings: Settings, name: str, cider: float) -> dict[str, Any]:
    """Return a job as a training leaves it."""
    folder = settings.jobs_dir / name
    for split in ("train", "val"):
        (folder / "input" / "data" / split).mkdir(parents=True)
        (folder / "input" / "data" / split / "captions.json").write_text(json.dumps({"images": [], "annotations": []}))
    (folder / "results" / "model").mkdir(parents=True)
    (folder / "results" / "model" / "weights.npz").write_bytes(name.encode())
    (folder / "results" / "model" / "generator.json").write_text(json.dumps({"config": {"feature_size": 0}}))
    summary = {
        "training": {"steps": 1}, "scores": {"CIDEr-D": cider}, "intervals": {"CIDEr-D": [cider - 0.1, cider + 0.1]}
    }  # fmt: skip
    (folder / "results" / "summary.json").write_text(json.dumps(summary))
    return {"job_dir": str(folder), "key": name}


def test_a_better_generator_becomes_the_champion(looked: sa.Engine, settings: Settings) -> None:
    runs.begin(looked, "run", "train_captions")
    first = steps.register_training(settings, "run", trained(settings, "one", 1.0))
    assert (first["model"], first["promoted"]) == ("generator-1", True)
    assert (settings.models_dir / "generator-1" / "weights.npz").read_bytes() == b"one"
    again = steps.register_training(settings, "run", {"job_dir": str(settings.jobs_dir / "one"), "key": "one"})
    assert (again["model"], again["promoted"]) == ("generator-1", False)
    little = steps.register_training(settings, "run", trained(settings, "two", 1.05))
    assert not little["promoted"]
    assert "is not above" in little["reason"]
    assert steps.register_training(settings, "run", trained(settings, "three", 1.5))["promoted"]
    assert not steps.register_training(settings, "run", trained(settings, "four", 9.0), promote="never")["promoted"]
    with pytest.raises(InputError):
        steps.register_training(settings, "run", trained(settings, "five", 9.0), promote="perhaps")
    (settings.jobs_dir / "five" / "results" / "model" / "weights.npz").unlink()
    with pytest.raises(PermanentError, match="left no generator"):
        steps.register_training(settings, "run", {"job_dir": str(settings.jobs_dir / "five"), "key": "five"})


def test_a_training_is_prepared_as_a_job(looked: sa.Engine, settings: Settings) -> None:
    source = Path(trained(settings, "source", 1.0)["job_dir"]) / "input" / "data"
    planned = steps.prepare_training(settings, "run", str(source), budget_s=60, parameters={"beam_width": 2}, nodes=2)
    assert (planned["kind"], planned["resources"]) == ("train_captions", {"nodes": 2})
    assert (Path(planned["job_dir"]) / "input" / "data" / "val" / "captions.json").exists()
    assert planned["parameters"] == {"beam_width": 2, "budget_s": 60.0}
    with pytest.raises(InputError, match="is not there"):
        steps.prepare_training(settings, "run", str(settings.home))
    with pytest.raises(InputError, match="colour"):
        steps.prepare_training(settings, "run", str(source), parameters={"colour": 1})


def test_a_night_plans_once_and_loads_what_came_back(looked: sa.Engine, settings: Settings) -> None:
    runs.begin(looked, "run", "enrich")
    nothing = steps.plan_generation(settings, "run")
    assert (nothing["pictures"], nothing["reason"]) == (0, "there is no caption generator yet")
    assert steps.load_generation(settings, nothing, "run")["captions"] == 0
    steps.register_training(settings, "run", trained(settings, "one", 1.0))
    planned = steps.plan_generation(settings, "run", shard_size=1)
    assert (planned["kind"], planned["tasks"], planned["pictures"]) == ("generate_captions", 2, 2)
    folder = Path(planned["job_dir"])
    assert (folder / "input" / "model" / "weights.npz").exists()
    assert steps.plan_generation(settings, "run", shard_size=1) == planned
    (folder / "results").mkdir()
    for number, name in enumerate(sorted("ab", key=sha)):
        (folder / "results" / f"{number:04d}.jsonl").write_text(told(name))
    result = steps.load_generation(settings, planned, "run")
    assert (result["pictures"], result["captions"], result["shards_lost"]) == (2, 3, 0)
    assert steps.plan_generation(settings, "next")["reason"] == "generator-1 has described every picture"


def sentence(store: sa.Engine, record: str, text: str, **changes: Any) -> None:
    row = {"record_id": record, "source": "description", "ordinal": 0, "text": text, "text_hash": sha(text)}
    row |= {"language": "en", "is_caption": True, "score": 0.9, "classifier": "captions-1"}
    with store.begin() as connection:
        connection.execute(sa.insert(captions).values(row | changes))


def test_the_classifiers_captions_are_training_data(looked: sa.Engine, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture with a caption"):
        write_harvested(looked, tmp_path / "none", TABLE)
    sentence(looked, "/1/a", "A rider on a horse.")
    sentence(looked, "/1/twin", "A horse.")
    sentence(looked, "/1/a", "Oil on panel.", is_caption=False)
    sentence(looked, "/1/a", "Perhaps a horse.", score=0.2)
    sentence(looked, "/1/a", "Ein Pferd.", language="de")
    sentence(looked, "/1/b", "A painted scene.")
    sentence(looked, "/1/late", "Not looked at yet.")
    border = sorted(int(sha(name)[:8], 16) / 16**8 for name in "ab")
    counts = write_harvested(looked, tmp_path / "data", TABLE, held_out=sum(border) / 2)
    assert (counts.train, counts.val, counts.captions) == (1, 1, 3)
    splits = {name: read_split(tmp_path / "data" / name) for name in ("train", "val")}
    both = {one.sha256: set(said) for data in splits.values() for one, said in zip(data.pictures, data.references)}  # noqa: B905
    assert both == {sha("a"): {"A rider on a horse.", "A horse."}, sha("b"): {"A painted scene."}}
