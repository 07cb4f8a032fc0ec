"""Which owners of Slurm jobs have ended, as Airflow knows it; for the reconciliation of ledger and queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sgob_tasks.cluster.ledger import COMMAND_LINE

ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task instance that nothing follows by itself; no state at all means that it has yet to run."""


def ended_owners(ti: Any, owners: Iterable[str]) -> list[str]:
    """Return the owners whose task instance has ended or is not there any more.

    A worker has no database and no account at the REST API; what it may ask is the Task SDK's ``get_task_states``.
    Owners that are no task (the command line, a caller of its own) are left out: nobody here knows about them.

    Args:
        ti: the running task's instance.
        owners: ``DAG/run/task``, with ``/map index`` for a mapped task.
    """
    ended = []
    known: dict[tuple[str, str], dict[str, str | None]] = {}
    for owner in owners:
        parts = owner.split("/")
        if len(parts) not in {3, 4} or not all(parts) or parts[0] == COMMAND_LINE:
            continue
        dag_id, run_id, task_id = parts[:3]
        if (dag_id, run_id) not in known:
            states = ti.get_task_states(dag_id=dag_id, run_ids=[run_id])
            known[dag_id, run_id] = states.get(run_id, {})
        task = "_".join(parts[2:]) if len(parts) == 4 else task_id
        tasks = known[dag_id, run_id]
        if task not in tasks or tasks[task] in ENDED:
            ended.append(owner)
    return ended


def reconcile(ssh_conn_id: str, *, cancel: bool) -> Any:
    """Compare the ledger with the queue from inside a task.

    Args:
        ssh_conn_id: connection to the login node.
        cancel: cancel orphans, and jobs whose owner has ended.
    """
    from airflow.sdk import get_current_context

    from sgob_airflow.common import run_step
    from sgob_airflow.slurm_hook import SlurmHook

    ended = ended_owners(get_current_context()["ti"], run_step("slurm.open_owners"))
    hook = SlurmHook(ssh_conn_id)
    return run_step("slurm.reconcile", cancel=cancel, ended_owners=ended, connect=hook.cluster)
