"""Which owners of jobs count as ended."""

from __future__ import annotations

from types import SimpleNamespace

from sgob_airflow.reconcile import ended_owners


def test_only_owners_that_airflow_knows_to_have_ended() -> None:
    asked: list[tuple[str, list[str]]] = []
    answers = {
        "r1": {"infer": "deferred", "load": None, "train": "success", "shard_0": "running", "shard_1": "failed"},
        "r2": {"infer": "up_for_retry"},
    }

    def get_task_states(dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        asked.append((dag_id, run_ids))
        return {run_id: answers[run_id] for run_id in run_ids if run_id in answers and dag_id == "d"}

    owners = [
        "d/r1/infer", "d/r1/load", "d/r1/train", "d/r1/shard/0", "d/r1/shard/1", "d/r1/gone", "d/r2/infer",
        "d/r3/infer", "sgob/by-hand-1/train", "", "me", "d//infer",
    ]  # fmt: skip
    ti = SimpleNamespace(get_task_states=get_task_states)
    assert ended_owners(ti, owners) == ["d/r1/train", "d/r1/shard/1", "d/r1/gone", "d/r3/infer"]
    assert asked == [("d", ["r1"]), ("d", ["r2"]), ("d", ["r3"])], "each run once"
