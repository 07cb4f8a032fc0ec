"""Compose, approve and publish with a real PostgreSQL and the stand-in on a real socket, faults included."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from pydantic import SecretStr

from sgob_tasks.annotations.client import AccessError, AnnotationClient, StoredAnnotation
from sgob_tasks.annotations.compose import ComposeCounts, compose_annotations
from sgob_tasks.annotations.publish import PublicationCounts, approve, publish, reopen_refused
from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import TransientError
from sgob_tasks.sandbox.europeana.auth import Tokens
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import ListSource
from sgob_tasks.sandbox.europeana.server import serving
from sgob_tasks.sandbox.europeana.state import State
from sgob_tasks.store import tables as t
from sgob_tasks.store.publications import only_publisher

pytestmark = pytest.mark.integration

CONCEPTS = {
    "horse": "http://www.wikidata.org/entity/Q726",
    "dragon": "http://www.wikidata.org/entity/Q7559",
    "bicycle": "http://www.wikidata.org/entity/Q11442",
}
URL = "https://museum.example/{}.jpg"


@dataclass
class StandIn:
    url: str
    config: StandInConfig
    pauses: list[float] = field(default_factory=list)

    def settings(self, **changes: Any) -> EuropeanaSettings:
        given = {
            "api_url": self.url,
            "api_key": self.config.api_key,
            "token_url": f"{self.url}/auth/realms/europeana/protocol/openid-connect/token",
            "client_id": self.config.client_id,
            "client_secret": self.config.client_secret,
            "username": self.config.username,
            "password": self.config.password,
            "min_interval_s": 0,
            "timeout_s": 2,
        }
        return EuropeanaSettings(**(given | changes))

    def client(self, **changes: Any) -> AnnotationClient:
        return AnnotationClient.from_settings(self.settings(**changes))

    def fault(self, **order: Any) -> None:
        order = {"path": "/annotation/", "method": "POST"} | order
        requests.post(f"{self.url}/_control/faults", json=order, timeout=10).raise_for_status()

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.url}/_control/stats", timeout=10).json()
        return found

    def stored(self) -> int:
        return int(self.stats()["annotations"]["stored"])

    def publish(self, store: sa.Engine, client: Any = None, **arguments: Any) -> PublicationCounts:
        given = {"settle_s": 0.0, "sleep": self.pauses.append} | arguments
        return publish(store, client or self.client(), "run-1", **given)


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    config = StandInConfig(state=tmp_path, base_url="", api_key="key")
    with serving(config, ListSource([])) as url:
        yield StandIn(url, config)


def add_record(
    store: sa.Engine, local: str, labels: Mapping[str, float], sentences: Mapping[str, float] | None = None
) -> str:
    """Add a record with a fetched picture, detections by label and score, and captions by text and score."""
    record_id = f"/1/{local}"
    with store.begin() as connection:
        add = lambda table, **values: connection.execute(sa.insert(table).values(**values))  # noqa: E731
        add(t.records, id=record_id, content_hash="h", raw={}, language="en")
        add(t.media, record_id=record_id, url=URL.format(local), state="fetched", sha256=local, width=640, height=480)
        if connection.scalar(sa.select(sa.func.count()).select_from(t.models)) == 0:
            blank = {"config": {}, "scores": {}, "training": {}, "sha256": "m", "path": "detector-1"}
            add(t.models, id="detector-1", name="detector", version=1, **blank)
        for number, (label, score) in enumerate(labels.items()):
            name = label.split("#")[0]
            box = {"x": 10.5 + number, "y": 20.0, "width": 30.0, "height": 40.0}
            same = {"class_name": name, "score": score, "label": name, "label_score": score}
            add(t.detections, record_id=record_id, sha256=local, model_id="detector-1", ordinal=number, **box, **same)
        for number, (text, score) in enumerate((sentences or {}).items()):
            values = {"text": text, "text_hash": text, "is_caption": score >= 0.5, "score": score}
            add(t.captions, record_id=record_id, source="description", ordinal=number, classifier="c", **values)
    return record_id


def compose(store: sa.Engine, **arguments: Any) -> ComposeCounts:
    return compose_annotations(store, CONCEPTS, **({"run_id": "run-1"} | arguments))


def states(store: sa.Engine) -> dict[str, str]:
    with store.connect() as connection:
        rows = connection.execute(sa.select(t.annotations.c.document, t.annotations.c.state))
        return {row.document["body"].get("source", row.document["body"].get("value")): row.state for row in rows}


def with_column(store: sa.Engine, column: sa.Column[Any]) -> dict[str, Any]:
    with store.connect() as connection:
        rows = connection.execute(sa.select(t.annotations.c.record_id, column))
        return {record_id.removeprefix("/1/"): value for record_id, value in rows}


def ledger(store: sa.Engine) -> list[Any]:
    with store.connect() as connection:
        return list(connection.execute(sa.select(t.publications).order_by(t.publications.c.id)))


def ready(store: sa.Engine, number: int = 3) -> None:
    for n in range(number):
        add_record(store, f"r{n}", {"horse": 0.9})
    compose(store)
    assert approve(store) == number


# -- compose --------------------------------------------------------------------------------------------------------


def test_one_tag_for_each_concept_and_a_description(store: sa.Engine) -> None:
    add_record(
        store,
        "a",
        {"horse": 0.6, "horse#2": 0.9, "dragon": 0.8, "bicycle": 0.3, "tree": 0.9},
        {"A knight kills a dragon.": 0.9, "Oil on canvas.": 0.1},
    )
    counts = compose(store)
    assert (counts.records, counts.new, counts.no_concept) == (1, 3, {"tree": 1})
    with store.connect() as connection:
        rows = list(
            connection.execute(sa.select(t.annotations).order_by(t.annotations.c.motivation, t.annotations.c.score))
        )
    assert [(row.motivation, row.score, row.state) for row in rows] == [
        ("describing", 0.9, "proposed"),
        ("tagging", 0.8, "proposed"),
        ("tagging", 0.9, "proposed"),
    ]
    assert rows[2].document["target"] == {
        "scope": "http://data.europeana.eu/item/1/a",
        "source": "https://museum.example/a.jpg#xywh=11,20,31,40",
    }
    assert rows[0].document["target"]["source"] == "https://museum.example/a.jpg"


def test_composing_again_changes_nothing(store: sa.Engine) -> None:
    add_record(store, "a", {"horse": 0.9}, {"A horse.": 0.9})
    compose(store)
    again = compose(store, run_id="run-2")
    assert (again.new, again.changed, again.same, again.superseded) == (0, 0, 2, 0)
    assert approve(store, "run-2") == 0
    assert approve(store, "run-1") == 2


def test_the_tag_follows_the_label(store: sa.Engine) -> None:
    add_record(store, "a", {"bicycle": 0.9})
    compose(store)
    with store.begin() as connection:
        connection.execute(sa.update(t.detections).values(label="horse", label_reason="no bicycles in 1470"))
    counts = compose(store)
    assert (counts.new, counts.superseded) == (1, 1)
    assert states(store) == {CONCEPTS["bicycle"]: "superseded", CONCEPTS["horse"]: "proposed"}
    with store.begin() as connection:
        connection.execute(sa.update(t.detections).values(label="bicycle"))
    compose(store)
    assert states(store) == {CONCEPTS["bicycle"]: "proposed", CONCEPTS["horse"]: "superseded"}


def test_decisions_stay_and_a_changed_document_needs_a_new_one(store: sa.Engine) -> None:
    decided = {"rejected": "rejected", "published": "published", "approved": "approved", "moved": "approved"}
    for local in decided:
        add_record(store, local, {"horse": 0.9})
    compose(store)
    with store.begin() as connection:
        for local, state in decided.items():
            where = t.annotations.c.record_id == f"/1/{local}"
            connection.execute(sa.update(t.annotations).where(where).values(state=state))
        elsewhere = t.detections.c.record_id != "/1/approved"
        connection.execute(sa.update(t.detections).where(elsewhere).values(x=99.0))
    counts = compose(store)
    assert (counts.new, counts.changed, counts.same, counts.superseded) == (0, 1, 3, 0)
    assert with_column(store, t.annotations.c.state) == decided | {"moved": "proposed"}
    sources = {
        local: document["target"]["source"].partition("#")[2]
        for local, document in with_column(store, t.annotations.c.document).items()
    }
    before, after = "xywh=10,20,31,40", "xywh=99,20,30,40"
    assert sources == {"rejected": before, "published": before, "approved": before, "moved": after}


def test_a_published_tag_stays_when_the_label_changes(store: sa.Engine) -> None:
    add_record(store, "a", {"bicycle": 0.9})
    compose(store)
    with store.begin() as connection:
        connection.execute(sa.update(t.annotations).values(state="published"))
        connection.execute(sa.update(t.detections).values(label="horse"))
    assert compose(store).new == 1
    assert states(store) == {CONCEPTS["bicycle"]: "published", CONCEPTS["horse"]: "proposed"}


def test_what_would_be_refused_is_kept_with_the_reason_and_never_sent(store: sa.Engine, stand_in: StandIn) -> None:
    add_record(store, "a", {"horse": 0.9}, {"A horse.": 0.9})
    with store.begin() as connection:
        connection.execute(sa.update(t.records).values(language=None))
    assert compose(store).invalid == 1
    assert approve(store) == 1
    assert stand_in.publish(store).published == 1
    with store.connect() as connection:
        reason = connection.scalar(sa.select(t.annotations.c.reason).where(t.annotations.c.state == "invalid"))
    assert "body.language" in reason
    with store.begin() as connection:
        connection.execute(sa.update(t.records).values(language="en"))
    compose(store)
    with store.connect() as connection:  # another language is another body, so another annotation
        where = t.annotations.c.motivation == "describing"
        found = connection.scalars(sa.select(t.annotations.c.state).where(where).order_by(t.annotations.c.state))
        assert list(found) == ["proposed", "superseded"]


def test_only_some_records_one_model_and_records_that_are_gone(store: sa.Engine) -> None:
    a, b = add_record(store, "a", {"horse": 0.9}), add_record(store, "b", {"horse": 0.9})
    assert compose(store, record_ids=[a]).new == 1
    with store.begin() as connection:
        same = {"name": "detector", "config": {}, "scores": {}, "training": {}, "path": "p"}
        connection.execute(sa.insert(t.models).values(id="detector-2", version=2, sha256="m2", **same))
        row = {"x": 1, "y": 1, "width": 9, "height": 9, "class_name": "dragon", "score": 0.9, "ordinal": 0}
        connection.execute(
            sa.insert(t.detections).values(
                record_id=a, sha256="a", model_id="detector-2", label="dragon", label_score=0.9, **row
            )
        )
        connection.execute(sa.update(t.records).where(t.records.c.id == b).values(state="gone"))
    compose(store, model_id="detector-1")
    assert states(store) == {CONCEPTS["horse"]: "proposed"}
    compose(store)  # the newest detections of the picture count
    assert states(store) == {CONCEPTS["horse"]: "superseded", CONCEPTS["dragon"]: "proposed"}
    with store.begin() as connection:
        connection.execute(sa.update(t.records).values(state="gone"))
    assert compose(store).superseded == 1
    assert compose(store, describe=False).records == 0


# -- publish --------------------------------------------------------------------------------------------------------


def test_only_approved_annotations_are_sent_read_back_and_not_sent_twice(store: sa.Engine, stand_in: StandIn) -> None:
    add_record(store, "a", {"horse": 0.9, "dragon": 0.8}, {"A knight.": 0.9})
    compose(store)
    assert stand_in.publish(store) == PublicationCounts()
    assert approve(store) == 3
    counts = stand_in.publish(store)
    assert counts == PublicationCounts(published=3, verified=3)
    assert set(states(store).values()) == {"published"}
    for row in ledger(store):
        assert (row.state, row.verified, row.attempts, row.run_id) == ("published", True, 1, "run-1")
        assert row.external_id.startswith("http://data.europeana.eu/annotation/")
        assert row.etag
        assert row.response["ours"] is True
    compose(store)
    approve(store)
    assert stand_in.publish(store) == PublicationCounts()
    assert stand_in.stored() == 3


def test_limit(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 3)
    assert stand_in.publish(store, limit=2) == PublicationCounts(published=2, verified=2, remaining=1)
    assert stand_in.publish(store, limit=2) == PublicationCounts(published=1, verified=1)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut_after"},
        {"kind": "cut_body"},
        {"kind": "status_after", "status": 504},
        {"kind": "status_after", "status": 500},
        {"kind": "delay_after", "delay_s": 2.5},
    ],
    ids=lambda fault: "{kind}{status}".format(**{"status": ""} | fault),
)
@pytest.mark.parametrize("content", ["tag", "description"])
def test_a_lost_answer_is_looked_up_and_adopted(
    store: sa.Engine, stand_in: StandIn, fault: dict[str, Any], content: str
) -> None:
    add_record(store, "a", {"horse": 0.9} if content == "tag" else {}, {} if content == "tag" else {"A knight.": 0.9})
    compose(store)
    approve(store)
    stand_in.fault(**fault)
    assert stand_in.publish(store) == PublicationCounts(adopted=1, verified=1)
    assert stand_in.stored() == 1
    assert [row.state for row in ledger(store)] == ["published"]


@pytest.mark.parametrize("content", ["tag", "description"])
@pytest.mark.parametrize("kind", ["cut", "status"])
def test_a_call_without_effect_is_sent_again(store: sa.Engine, stand_in: StandIn, kind: str, content: str) -> None:
    add_record(store, "a", {"horse": 0.9} if content == "tag" else {}, {} if content == "tag" else {"A knight.": 0.9})
    compose(store)
    approve(store)
    stand_in.fault(kind=kind, status=502)
    assert stand_in.publish(store) == PublicationCounts(published=1, verified=1)
    assert stand_in.stored() == 1
    assert [row.attempts for row in ledger(store)] == [2]


class Dying:
    """A client whose process dies just before or just after a call."""

    def __init__(self, client: AnnotationClient, *, after_call: bool) -> None:
        self._client, self._after_call = client, after_call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create(self, document: Mapping[str, Any]) -> StoredAnnotation:
        if self._after_call:
            self._client.create(document)
        raise KeyboardInterrupt


@pytest.mark.parametrize("after_call", [True, False])
@pytest.mark.parametrize("content", ["tag", "description"])
def test_a_process_that_dies_leaves_exactly_one_annotation(
    store: sa.Engine, stand_in: StandIn, after_call: bool, content: str
) -> None:
    add_record(store, "a", {"horse": 0.9} if content == "tag" else {}, {} if content == "tag" else {"A knight.": 0.9})
    compose(store)
    approve(store)
    with pytest.raises(KeyboardInterrupt):
        stand_in.publish(store, Dying(stand_in.client(), after_call=after_call))
    assert [row.state for row in ledger(store)] == ["intended"]
    counts = stand_in.publish(store)
    assert counts == (
        PublicationCounts(adopted=1, verified=1) if after_call else PublicationCounts(published=1, verified=1)
    )
    assert stand_in.stored() == 1
    assert stand_in.publish(store) == PublicationCounts()


_PUBLISH = """
import sys, sqlalchemy as sa
from sgob_tasks.annotations.client import AnnotationClient
from sgob_tasks.annotations.publish import publish
from sgob_tasks.config import EuropeanaSettings

settings = EuropeanaSettings.model_validate_json(sys.stdin.read())
publish(sa.create_engine(sys.argv[1]), AnnotationClient.from_settings(settings), "run-0")
"""


def test_a_process_killed_while_the_server_works_leaves_exactly_one_annotation(
    store: sa.Engine, stand_in: StandIn
) -> None:
    add_record(store, "a", {}, {"A knight.": 0.9})
    compose(store)
    approve(store)
    stand_in.fault(kind="delay_after", delay_s=20)
    settings = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in stand_in.settings(timeout_s=30)
    }
    url = store.url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", _PUBLISH, url], stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(settings))
        process.stdin.close()
        deadline = time.monotonic() + 20
        while stand_in.stored() == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert [row.state for row in ledger(store)] == ["intended"]
    wait_until_free(store)
    assert stand_in.publish(store) == PublicationCounts(adopted=1, verified=1)
    assert stand_in.stored() == 1


def wait_until_free(store: sa.Engine) -> None:
    """Wait until PostgreSQL has noticed that the killed publisher is gone."""
    deadline = time.monotonic() + 10
    while True:
        try:
            with only_publisher(store):
                return
        except TransientError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_was_refused_can_be_proposed_again(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 1)
    stand_in.fault(kind="status", status=400)
    assert stand_in.publish(store) == PublicationCounts(failed=1)
    compose(store)
    assert (approve(store), reopen_refused(store), approve(store)) == (0, 1, 1)
    assert stand_in.publish(store) == PublicationCounts(published=1, verified=1)


def test_an_index_that_lags_is_waited_for(store: sa.Engine, tmp_path: Path) -> None:
    config = StandInConfig(state=tmp_path / "slow", base_url="", api_key="key", index_delay_s=1.0)
    add_record(store, "a", {}, {"A knight.": 0.9})
    compose(store)
    approve(store)
    with serving(config, ListSource([])) as url:
        slow = StandIn(url, config)
        slow.fault(kind="cut_after")
        arguments: dict[str, Callable[[float], None]] = {"sleep": threading.Event().wait}
        counts = publish(store, slow.client(), "run-1", settle_s=1.5, **arguments)
        assert counts == PublicationCounts(adopted=1, verified=1)
        assert slow.stored() == 1


def test_a_call_in_doubt_that_is_no_longer_approved_is_not_repeated(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 1)
    with pytest.raises(KeyboardInterrupt):
        stand_in.publish(store, Dying(stand_in.client(), after_call=False))
    with store.begin() as connection:
        connection.execute(sa.update(t.annotations).values(state="rejected"))
    assert stand_in.publish(store) == PublicationCounts(failed=1)
    assert stand_in.stored() == 0
    assert stand_in.publish(store) == PublicationCounts()


def test_a_tag_that_another_user_made_counts_as_published(store: sa.Engine, stand_in: StandIn) -> None:
    body = {"type": "SpecificResource", "source": CONCEPTS["horse"]}
    target = {"scope": "http://data.europeana.eu/item/1/r0", "source": "https://museum.example/r0.jpg"}
    token = Tokens(State(stand_in.config.state).token_secret, 300).issue("Bearer", "portal", "somebody", 300)
    answer = requests.post(
        f"{stand_in.url}/annotation/",
        json={"motivation": "tagging", "body": body, "target": target},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.status_code == 201
    ready(store, 1)
    counts = stand_in.publish(store)
    assert (counts.duplicates, counts.published, counts.altered) == (1, 0, 1)
    row = ledger(store)[0]
    assert row.external_id == answer.json()["id"]
    assert (row.verified, row.response["ours"]) == (False, False)
    assert row.response["differences"][0].startswith("target.source")
    assert stand_in.stored() == 1


def test_one_refusal_does_not_end_the_night(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 3)
    with store.begin() as connection:  # as if the server had become stricter than our own checks
        wrong = t.annotations.c.record_id == "/1/r1"
        document = {"motivation": "tagging", "body": "horse", "target": "http://data.europeana.eu/item/1/r1"}
        connection.execute(sa.update(t.annotations).where(wrong).values(document=document))
    counts = stand_in.publish(store)
    assert (counts.published, counts.failed, counts.remaining) == (2, 1, 0)
    failed = next(row for row in ledger(store) if row.state == "failed")
    assert "Cannot parse body" in failed.error
    with store.connect() as connection:
        reason = connection.scalar(sa.select(t.annotations.c.reason).where(t.annotations.c.state == "invalid"))
    assert reason.startswith("Europeana: ")


def test_a_busy_server_is_waited_for_as_long_as_it_says(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 1)
    stand_in.fault(kind="status", status=429, retry_after_s=17, count=2)
    stand_in.fault(kind="status", status=503)
    assert stand_in.publish(store) == PublicationCounts(published=1, verified=1)
    assert stand_in.pauses == [17.0, 17.0, 8.0]
    assert [row.attempts for row in ledger(store)] == [4]


def test_a_server_that_stays_busy_ends_the_step_and_nothing_is_lost(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 2)
    stand_in.fault(kind="status", status=429, retry_after_s=3000)
    with pytest.raises(TransientError, match="429") as caught:
        stand_in.publish(store)
    assert caught.value.retry_after_s == 3000
    stand_in.fault(kind="status", status=503, count=5)
    with pytest.raises(TransientError, match="503"):
        stand_in.publish(store)
    assert stand_in.publish(store).published == 2
    assert stand_in.stored() == 2


@pytest.mark.parametrize(("status", "count"), [(401, 2), (403, 1)])
def test_no_access_ends_the_step_and_the_next_run_goes_on(
    store: sa.Engine, stand_in: StandIn, status: int, count: int
) -> None:
    ready(store, 2)
    stand_in.fault(kind="status", status=status, count=count)
    with pytest.raises(AccessError, match=str(status)):
        stand_in.publish(store)
    assert stand_in.stored() == 0
    assert stand_in.publish(store) == PublicationCounts(published=2, verified=2)


def test_what_could_not_be_read_back_is_read_back_by_the_next_run(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 1)
    stand_in.fault(method="GET", kind="status", status=503, count=5)
    with pytest.raises(TransientError, match="503"):
        stand_in.publish(store)
    assert [(row.state, row.verified) for row in ledger(store)] == [("published", False)]
    assert stand_in.publish(store) == PublicationCounts(verified=1)
    assert [(row.state, row.verified) for row in ledger(store)] == [("published", True)]


def test_one_publisher_at_a_time(store: sa.Engine, stand_in: StandIn) -> None:
    ready(store, 1)
    with only_publisher(store), pytest.raises(TransientError, match="another publication is under way"):
        stand_in.publish(store)
    assert stand_in.publish(store).published == 1


def test_a_night_of_many_faults_ends_with_each_annotation_once(store: sa.Engine, stand_in: StandIn) -> None:
    for number in range(20):
        add_record(store, f"r{number:02d}", {"horse": 0.9, "dragon": 0.8}, {f"A knight, {number}.": 0.9})
    compose(store)
    assert approve(store) == 60
    kinds = ["cut", "cut_after", "cut_body", "status_after", "status"]
    for number in range(15):
        stand_in.fault(kind=kinds[number % 5], status=(500, 502, 503, 504)[number % 4], skip=number * 3)
    totals = [stand_in.publish(store) for _ in range(2)]
    assert stand_in.stored() == 60
    assert sum(c.published + c.adopted + c.duplicates for c in totals) == 60
    assert totals[-1].remaining == totals[-1].ambiguous == 0
    assert {row.state for row in ledger(store)} == {"published"}
    assert len({row.external_id for row in ledger(store)}) == 60
    assert all(row.verified for row in ledger(store))
