"""The model registry: one champion whatever happens, legal changes of state only, and how each came about."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.store import models
from sgob_tasks.store.engine import MIGRATIONS, migrate
from sgob_tasks.store.tables import model_changes
from sgob_tasks.store.tables import models as table

pytestmark = pytest.mark.integration


def register(store: sa.Engine, sha256: str, **more: Any) -> models.Registered:
    values = {"name": "detector", "sha256": sha256, "config": {}, "scores": {}, "training": {}}
    return models.register(store, values | more, lambda model_id: None)


def states(store: sa.Engine) -> dict[str, str]:
    return {str(row["id"]): str(row["state"]) for row in models.versions(store)}


def promote(store: sa.Engine, model_id: str, **more: Any) -> models.Changed:
    return models.promote(store, model_id, **({"actor": "a person", "reason": "tests"} | more))


def test_registering_twice_changes_nothing(store: sa.Engine) -> None:
    installed: list[str] = []
    values = {"name": "detector", "sha256": "a", "config": {}, "scores": {}, "training": {}}
    first = models.register(store, values, installed.append)
    assert first == models.Registered("detector-1", 1, "candidate", known=False)
    again = models.register(store, values | {"scores": {"other": 1}}, installed.append)
    assert again == models.Registered("detector-1", 1, "candidate", known=True)
    assert installed == ["detector-1"]
    assert models.find(store, "detector-1")["scores"] == {}
    assert register(store, "b").id == "detector-2"
    assert models.registered(store, "detector", "c") is None


def test_a_model_without_its_files_is_not_registered(store: sa.Engine) -> None:
    def install(model_id: str) -> None:
        raise OSError("the disk is full")

    values = {"name": "detector", "sha256": "a", "config": {}, "scores": {}, "training": {}}
    with pytest.raises(OSError, match="full"):
        models.register(store, values, install)
    assert models.versions(store) == []
    assert register(store, "a").version == 1


def test_registrations_at_once_get_numbers_of_their_own(store: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: register(store, str(n % 4)), range(8)))
    assert {one.id for one in found} == {f"detector-{n}" for n in range(1, 5)}
    assert sum(not one.known for one in found) == 4


def test_the_way_to_a_new_champion_and_back(store: sa.Engine) -> None:
    for sha256 in "ab":
        register(store, sha256)
    assert promote(store, "detector-1", instead_of=None) == models.Changed("detector-1", "champion", None, changed=True)
    assert promote(store, "detector-2", decision={"x": 0.5}, run_id="r").replaced == "detector-1"
    assert states(store) == {"detector-1": "retired", "detector-2": "champion"}
    assert promote(store, "detector-1", reason="the new one is worse").replaced == "detector-2"
    assert states(store) == {"detector-1": "champion", "detector-2": "retired"}
    champion = models.champion(store)
    assert champion is not None
    assert champion["id"] == "detector-1"
    history = [
        (c["number"], c["state_before"], c["state_after"], c["reason"]) for c in models.changes(store, "detector-1")
    ]
    assert history == [
        (1, "candidate", "champion", "tests"),
        (2, "champion", "retired", "replaced by detector-2"),
        (3, "retired", "champion", "the new one is worse"),
    ]
    second = models.changes(store, "detector-2")
    assert (second[0]["actor"], second[0]["decision"], second[0]["run_id"]) == ("a person", {"x": 0.5}, "r")
    assert second[1]["decision"] is None


def test_promoting_the_champion_changes_nothing(store: sa.Engine) -> None:
    register(store, "a")
    promote(store, "detector-1")
    assert promote(store, "detector-1", instead_of="detector-9") == models.Changed(
        "detector-1", "champion", None, changed=False
    )
    assert len(models.changes(store, "detector-1")) == 1


def test_a_promotion_over_another_champion_than_the_compared_one_is_refused(store: sa.Engine) -> None:
    for sha256 in "abc":
        register(store, sha256)
    promote(store, "detector-1")
    promote(store, "detector-2", instead_of="detector-1")
    with pytest.raises(PermanentError, match="compared with detector-1, but the champion is detector-2 by now"):
        promote(store, "detector-3", instead_of="detector-1")
    with pytest.raises(PermanentError, match="compared with no champion"):
        promote(store, "detector-3", instead_of=None)
    assert states(store)["detector-2"] == "champion"


def test_retiring(store: sa.Engine) -> None:
    for sha256 in "ab":
        register(store, sha256)
    promote(store, "detector-1")
    assert models.retire(store, "detector-2", actor="a", reason="no use").changed
    assert models.retire(store, "detector-1", actor="a", reason="no use").changed
    assert not models.retire(store, "detector-1", actor="a", reason="again").changed
    assert models.champion(store) is None
    assert promote(store, "detector-2").replaced is None
    for call in (models.find, models.retire, models.promote):
        with pytest.raises(InputError, match=r"detector-9.*is no registered model"):
            call(store, "detector-9", **({} if call is models.find else {"actor": "a", "reason": "r"}))


@pytest.mark.parametrize("instead_of", [models.ANY, None])
def test_of_promotions_at_once_exactly_one_is_the_champion(store: sa.Engine, instead_of: str | None) -> None:
    for number in range(6):
        register(store, str(number))
    start = threading.Barrier(6)

    def run(number: int) -> str:
        start.wait()
        try:
            promote(store, f"detector-{number}", instead_of=instead_of)
        except PermanentError:
            return "refused"
        return "promoted"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(run, range(1, 7)))
    assert list(states(store).values()).count("champion") == 1
    # Compared with nobody, only the first can win; without a comparison, each replaces the one before.
    assert outcomes.count("promoted") == (1 if instead_of is None else 6)


def test_the_database_itself_takes_one_champion_and_legal_changes_only(store: sa.Engine) -> None:
    for sha256 in "ab":
        register(store, sha256)
    with pytest.raises(sa.exc.IntegrityError, match="uq_models_champion"), store.begin() as connection:
        connection.execute(sa.update(table).values(state="champion"))
    with store.begin() as connection:  # a champion of another name is no matter
        connection.execute(sa.update(table).where(table.c.id == "detector-2").values(name="captioner"))
        connection.execute(sa.update(table).values(state="champion"))
    entry = {"model_id": "detector-1", "number": 1, "actor": "a", "reason": "r", "state_before": "champion"}
    with pytest.raises(sa.exc.IntegrityError, match="ck_model_changes_transition"), store.begin() as connection:
        connection.execute(sa.insert(model_changes).values(entry | {"state_after": "candidate"}))


def test_the_same_decision_is_written_once(store: sa.Engine) -> None:
    register(store, "a")
    decision = {"action": "keep", "reason": "r", "comparison": {"ap50_low": 0.1, "per_class": {"horse": [0.5, 1.0]}}}

    def version() -> Any:
        with store.connect() as connection:
            return connection.execute(sa.text("SELECT xmin FROM models")).scalar_one()

    models.note_decision(store, "detector-1", decision)
    before = version()
    models.note_decision(store, "detector-1", decision)
    assert version() == before
    models.note_decision(store, "detector-1", decision | {"action": "ask"})
    assert models.find(store, "detector-1")["decision"]["action"] == "ask"


def test_older_models_keep_what_is_known_of_them(store: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        for number in (1, 2):
            connection.execute(
                sa.text(
                    "INSERT INTO models "
                    "(id, name, version, state, path, sha256, config, scores, training, run_id) VALUES "
                    "(:id, 'detector', :n, 'champion', 'p', :id, '{}', '{}', '{\"val_sha256\": \"v\"}', :run)"
                ),
                {"id": f"detector-{number}", "n": number, "run": f"run-{number}"},
            )
        connection.execute(
            sa.text(
                "INSERT INTO slurm_jobs (key, cluster, owner, state, generation, run_dir, tasks, details) VALUES "
                "('sgob-train-1', 'c', 'train_detector/run-1/train', 'succeeded', 1, '/r', 1, '{}')"
            )
        )
    migrate(store)
    rows = {row["id"]: row for row in models.versions(store)}
    assert {key: row["state"] for key, row in rows.items()} == {"detector-1": "retired", "detector-2": "champion"}
    assert [rows[f"detector-{n}"]["held_out_sha256"] for n in (1, 2)] == ["v", "v"]
    assert [rows[f"detector-{n}"]["job_key"] for n in (1, 2)] == ["sgob-train-1", None]
