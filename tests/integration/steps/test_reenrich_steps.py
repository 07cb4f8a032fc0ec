"""After a promotion: what the night takes, what the backfill takes, within bounds, and what annotations become."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from pydantic import SecretStr

from sgob_tasks.cli import main
from sgob_tasks.config import EnrichSettings, Settings
from sgob_tasks.errors import InputError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.steps import enrich, reenrich
from sgob_tasks.store import backfill, batches
from sgob_tasks.store import models as registry
from sgob_tasks.store.backfill import Bounds
from sgob_tasks.store.tables import annotations, detections, media, records, runs

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(store: sa.Engine, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=SecretStr(store.url.render_as_string(hide_password=False)))


def add_picture(store: sa.Engine, settings: Settings, number: int, record: str, year: int | None = 1500) -> str:
    """Enter a fetched picture of a record; pictures of one number are the same; return its hash."""
    name = settings.home / f"{number}.png"
    Image.fromarray(np.full((48, 64, 3), 20 * number, np.uint8)).save(name)
    sha256 = hashlib.sha256(name.read_bytes()).hexdigest()
    target = media_path(settings.media_dir, sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    name.rename(target)
    url = f"https://example.org/{record.replace('/', '_')}.png"
    values = {"id": record, "title": "A rider", "image_url": url, "content_hash": record, "raw": {}}
    with store.begin() as connection:
        connection.execute(sa.insert(records).values(values | {"year_from": year, "year_to": year}))
        connection.execute(
            sa.insert(media).values(record_id=record, url=url, state="fetched", sha256=sha256, width=64, height=48)
        )
    return sha256


@pytest.fixture
def pictures(store: sa.Engine, settings: Settings) -> list[str]:
    """Six pictures: four of the data set 1, two of the data set 22, from 1400 to 1900."""
    return [add_picture(store, settings, n, f"/{1 if n < 4 else 22}/{n}", 1400 + 100 * n) for n in range(6)]


def add_champion(store: sa.Engine, settings: Settings, sha256: str) -> str:
    values = {"name": "detector", "sha256": sha256, "config": {"classes": ["horse", "angel"]}, "scores": {}}
    model = registry.register(store, values | {"training": {}}, lambda model_id: None)
    folder = settings.models_dir / model.id
    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(sha256.encode())
    registry.promote(store, model.id, actor="tests", reason="tests")
    return model.id


def finish(
    settings: Settings, run_id: str, batch: dict[str, Any], sees: str | dict[str, list[str]], failing: str = ""
) -> dict[str, Any]:
    """Play the cluster, then do what follows; ``sees`` says what is in every picture, or in which ones."""
    results = Path(batch["job_dir"]) / "results"
    results.mkdir(exist_ok=True)
    for path in sorted((Path(batch["job_dir"]) / "input" / "shards").glob("*.json")):
        lines = []
        for one in json.loads(path.read_text())["pictures"]:
            names = [sees] if isinstance(sees, str) else sees.get(one["sha256"], [])
            boxes = [
                {"class_name": name, "score": 0.9, "bbox": [12, 10, 30, 30], "mask": None, "candidates": {name: 0.9}}
                for name in names
            ]
            found: dict[str, Any] = {"sha256": one["sha256"], "width": 64, "height": 48, "detections": boxes}
            lines.append({"sha256": one["sha256"], "error": "torn"} if one["sha256"] == failing else found)
        (results / path.with_suffix(".jsonl").name).write_text("\n".join(map(json.dumps, lines)) + "\n")
    enrich.load(settings, batch, run_id=run_id)
    enrich.context(settings, run_id=run_id)
    return enrich.annotate(settings, run_id=run_id)


def night(settings: Settings, run_id: str, sees: str | dict[str, list[str]] = "horse", **options: Any) -> int:
    batch = enrich.plan_batch(settings, run_id)
    finish(settings, run_id, batch, sees, **options)
    return int(batch["pictures"])


def hashes(batch: dict[str, Any]) -> list[str]:
    shards = sorted((Path(batch["job_dir"]) / "input" / "shards").iterdir())
    return [one["sha256"] for shard in shards for one in json.loads(shard.read_text())["pictures"]]


def tags(store: sa.Engine) -> dict[str, list[str]]:
    """Return the state of every tag by record, with the class of the box that it was made from."""
    query = (
        sa.select(annotations.c.record_id, detections.c.class_name, annotations.c.state)
        .join_from(annotations, detections, annotations.c.detection_id == detections.c.id)
        .order_by(annotations.c.record_id, detections.c.class_name)
    )
    found: dict[str, list[str]] = {}
    with store.connect() as connection:
        for record, name, state in connection.execute(query):
            found.setdefault(record, []).append(f"{name} {state}")
    return found


def set_tags(store: sa.Engine, record: str, state: str) -> None:
    with store.begin() as connection:
        connection.execute(sa.update(annotations).where(annotations.c.record_id == record).values(state=state))


def test_the_night_leaves_to_the_backfill_what_a_champion_has_seen(
    store: sa.Engine, settings: Settings, pictures: list[str]
) -> None:
    add_champion(store, settings, "a")
    assert night(settings, "night 1", failing=pictures[0]) == 6
    second = add_champion(store, settings, "b")
    new = add_picture(store, settings, 9, "/1/9")
    assert [picture.sha256 for picture in batches.unseen_pictures(store)] == [new]
    assert night(settings, "night 2") == 1
    # What the earlier one could not read, the new one may be able to.
    assert backfill.count_outdated(store, second) == 6


def test_a_bounded_run_is_followed_by_the_next_until_nothing_is_left(
    store: sa.Engine, settings: Settings, pictures: list[str]
) -> None:
    add_champion(store, settings, "a")
    night(settings, "night 1")
    add_champion(store, settings, "b")
    bounded = settings.model_copy(update={"enrich": EnrichSettings(backfill_limit=4)})
    first = reenrich.plan_batch(bounded, "day 1", shard_size=3)
    assert (first["model"], first["pictures"], first["tasks"], first["left"]) == ("detector-2", 4, 2, 2)
    assert reenrich.plan_batch(bounded, "day 1", shard_size=1)["batch"] == first["batch"]
    counts = finish(bounded, "day 1", first, "angel")
    assert (counts["new"], counts["superseded"]) == (4, 4)
    assert sorted(map(tuple, tags(store).values())) == sorted(
        [("angel proposed", "horse superseded")] * 4 + [("horse proposed",)] * 2
    )
    second = reenrich.plan_batch(bounded, "day 2")
    assert (second["pictures"], second["left"]) == (2, 0)
    finish(bounded, "day 2", second, "angel")
    assert set(map(tuple, tags(store).values())) == {("angel proposed", "horse superseded")}
    done = reenrich.plan_batch(bounded, "day 3")
    assert (done["pictures"], done["left"], done["reason"]) == (0, 0, "detector-2 has looked at all of them")
    assert night(settings, "night 2") == 0
    assert set(map(tuple, tags(store).values())) == {("angel proposed", "horse superseded")}, "the night leaves it so"
    with store.connect() as connection:
        kinds = {row.id: row.kind for row in connection.execute(sa.select(runs.c.id, runs.c.kind))}
    assert kinds == {"night 1": "enrich", "day 1": "reenrich", "day 2": "reenrich", "night 2": "enrich"}


def test_published_tags_stay_and_unpublished_ones_follow(
    store: sa.Engine, settings: Settings, pictures: list[str]
) -> None:
    add_champion(store, settings, "a")
    night(settings, "night 1")
    set_tags(store, "/1/0", "published")
    set_tags(store, "/1/1", "approved")
    set_tags(store, "/1/2", "rejected")
    add_champion(store, settings, "b")
    finish(settings, "day 1", reenrich.plan_batch(settings, "day 1"), "angel")
    found = tags(store)
    assert found["/1/0"] == ["angel proposed", "horse published"]
    assert found["/1/1"] == ["angel proposed", "horse superseded"]
    assert found["/1/2"] == ["angel proposed", "horse rejected"]


def test_what_the_new_champion_does_not_find_is_superseded(
    store: sa.Engine, settings: Settings, pictures: list[str]
) -> None:
    """Also where it finds nothing at all: having looked counts, not having found."""
    add_champion(store, settings, "a")
    night(settings, "night 1")
    add_champion(store, settings, "b")
    counts = finish(settings, "day 1", reenrich.plan_batch(settings, "day 1"), {pictures[0]: ["horse"]})
    assert counts["superseded"] == 5
    assert tags(store)["/1/0"] == ["horse proposed"]
    # A third one has not looked yet: the second one's word holds, not the first one's.
    add_champion(store, settings, "c")
    enrich.annotate(settings, run_id="night 2")
    assert tags(store)["/1/1"] == ["horse superseded"]


def test_going_back_brings_its_detections_back_without_the_cluster(
    store: sa.Engine, settings: Settings, pictures: list[str]
) -> None:
    first = add_champion(store, settings, "a")
    night(settings, "night 1")
    add_champion(store, settings, "b")
    finish(settings, "day 1", reenrich.plan_batch(settings, "day 1", limit=3), "angel")
    new = add_picture(store, settings, 9, "/1/9")
    night(settings, "night 2", "angel")
    registry.promote(store, first, actor="a person", reason="the new one is worse")
    # Only what came in the meantime is left for it to look at.
    batch = reenrich.plan_batch(settings, "day 2")
    assert hashes(batch) == [new]
    finish(settings, "day 2", batch, "horse")
    assert set(map(tuple, tags(store).values())) == {("angel superseded", "horse proposed"), ("horse proposed",)}


def test_a_record_that_comes_later_gets_what_an_earlier_champion_found(
    store: sa.Engine, settings: Settings, pictures: list[str]
) -> None:
    add_champion(store, settings, "a")
    night(settings, "night 1")
    add_champion(store, settings, "b")
    add_picture(store, settings, 0, "/1/copy")
    assert night(settings, "night 2") == 0
    assert tags(store)["/1/copy"] == ["horse proposed"]
    finish(settings, "day 1", reenrich.plan_batch(settings, "day 1"), "angel")
    assert tags(store)["/1/copy"] == ["angel proposed", "horse superseded"]


@pytest.mark.parametrize(
    ("bounds", "numbers"),
    [
        (Bounds(), {0, 1, 2, 3, 4, 5}),
        (Bounds(dataset="22"), {4, 5}),
        (Bounds(dataset="/22/"), {4, 5}),
        (Bounds(dataset="/1/2"), {2}),
        (Bounds(dataset="2"), {4, 5}),
        (Bounds(dataset="%"), set()),
        (Bounds(year_from=1700), {3, 4, 5}),
        (Bounds(year_to=1500), {0, 1}),
        (Bounds(year_from=1500, year_to=1600), {1, 2}),
        (Bounds(dataset="1", year_from=1700), {3}),
        (Bounds(only="annotated"), {0, 1, 2, 3}),
        (Bounds(only="published"), {3}),
    ],
)
def test_bounds(store: sa.Engine, settings: Settings, pictures: list[str], bounds: Bounds, numbers: set[int]) -> None:
    add_champion(store, settings, "a")
    night(settings, "night 1", {sha256: ["horse"] for sha256 in pictures[:4]})
    set_tags(store, "/1/3", "published")
    add_picture(store, settings, 7, "/1/new")
    with store.begin() as connection:  # no date at all
        connection.execute(sa.update(records).where(records.c.id == "/1/new").values(year_from=None, year_to=None))
    second = add_champion(store, settings, "b")
    found = backfill.outdated_pictures(store, second, bounds, 100)
    assert {picture.sha256 for picture in found} == {pictures[n] for n in numbers}
    assert backfill.count_outdated(store, second, bounds) == len(numbers)


def test_the_most_affected_or_the_oldest_come_first(store: sa.Engine, settings: Settings, pictures: list[str]) -> None:
    add_champion(store, settings, "a")
    first = enrich.plan_batch(settings, "night 1", limit=3)
    early = hashes(first)
    finish(settings, "night 1", first, {early[2]: ["horse"]})
    second = enrich.plan_batch(settings, "night 2")
    late = hashes(second)
    finish(settings, "night 2", second, {late[1]: ["horse", "angel"]})
    champion = add_champion(store, settings, "b")

    def order(by: str) -> list[str]:
        return [picture.sha256 for picture in backfill.outdated_pictures(store, champion, Bounds(order=by), 100)]

    assert order("affected") == [late[1], early[2], *early[:2], late[0], late[2]]
    assert order("oldest") == [early[2], *early[:2], late[1], late[0], late[2]]


def test_a_lost_shard_is_taken_up_by_the_next_run(store: sa.Engine, settings: Settings, pictures: list[str]) -> None:
    add_champion(store, settings, "a")
    night(settings, "night 1")
    add_champion(store, settings, "b")
    batch = reenrich.plan_batch(settings, "day 1", shard_size=4)
    (Path(batch["job_dir"]) / "results").mkdir()
    enrich.load(settings, batch | {"failed": {"0": "NODE_FAIL", "1": "NODE_FAIL"}}, run_id="day 1")
    assert reenrich.plan_batch(settings, "day 2")["pictures"] == 6


def test_a_pause_and_no_champion_are_no_failure(
    store: sa.Engine, settings: Settings, pictures: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert reenrich.plan_batch(settings, "day 0")["reason"] == "there is no champion"
    add_champion(store, settings, "a")
    night(settings, "night 1")
    add_champion(store, settings, "b")
    paused = settings.model_copy(update={"enrich": EnrichSettings(backfill_limit=0)})
    found = reenrich.plan_batch(paused, "day 1")
    assert (found["pictures"], found["left"]) == (0, 6)
    assert "pauses" in found["reason"]
    assert not (settings.jobs_dir / "day 1").exists()
    assert reenrich.plan_batch(paused, "day 2", limit=2)["pictures"] == 2, "a person may go on all the same"
    monkeypatch.setenv("SGOB_HOME", str(settings.home))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))
    assert main(["reenrich", "--limit", "0", "--dataset", "22"]) == 0
    assert "2 pictures wait" in capsys.readouterr().out
    assert main(["reenrich", "--from", "1600", "--to", "1500"]) == 1
    assert "year_from = 1600: is after year_to = 1500" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"only": "some"}, {"order": "best"}])
def test_a_bound_that_makes_no_sense_is_named(settings: Settings, change: dict[str, str]) -> None:
    ((field, value),) = change.items()
    with pytest.raises(InputError, match=f"{field} = '{value}': has to be one of"):
        reenrich.plan_batch(settings, "day 1", **change)  # type: ignore[arg-type]  # words only
