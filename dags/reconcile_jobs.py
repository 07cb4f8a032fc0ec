"""### Compare the ledger of Slurm jobs with the queue.

Every hour: a job that ended while nobody watched gets its true state; a job whose submitter died before it learnt the
job's id is adopted; a job in the queue that the ledger does not stand for, or whose task has ended, is an orphan and
is cancelled; what sacct could not tell when a job ended is asked again. Nothing is ever submitted. Only jobs older than
the site's `orphan_after_s` are touched, so that a submission under way is safe. A task that ended loses its job at the
second look: clear the task before, and it takes the job up again. A job that neither the ledger nor the job
directories of this installation know is reported as `foreign` and left alone.

**Healthy if** the last run passed. Its return value lists what was found; `unsent` is a job whose task has to be
cleared. The same by hand: `sgob jobs reconcile`, which knows nothing of tasks and leaves their jobs alone.

**When it fails**: the login node or Slurm does not answer. Nothing is lost; the next hour looks again. Pausing this DAG
is safe: no other one needs it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task
from pendulum import datetime
from sgob_airflow.common import CLUSTER_CONNECTION, DEFAULT_ARGS, TAGS, param

with DAG(
    "reconcile_jobs",
    schedule="17 * * * *",
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS | {"execution_timeout": timedelta(minutes=30)},
    tags=[*TAGS, "cluster"],
    doc_md=__doc__,
    params={
        "cancel": Param(
            True,
            type="boolean",
            title="Cancel orphans",
            description_md="Off: they are only reported.",
        ),
    },
):

    @task
    def reconcile() -> Any:
        """Bring the ledger up to date, adopt, and cancel what nobody waits for."""
        from sgob_airflow.reconcile import reconcile as compare

        return compare(CLUSTER_CONNECTION, cancel=param("cancel"))

    reconcile()
