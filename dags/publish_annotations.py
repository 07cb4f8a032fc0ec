"""### Publish annotations to Europeana.

Sends the night's annotations, each through the publication ledger: intent before the call, outcome after it,
and after a crash the ledger is compared with Europeana before anything is sent again. Every published
annotation is read back.

A person approves first unless `publish.require_approval` is off: the task `approve` waits in *Browse → Required
actions*.

**Healthy if** the last run passed. Refused annotations are counted with the reason; they do not fail the run.

**When it fails**: *401/403* the account may not write (grant type, role); nothing was lost, clear the task.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, TriggerRule, get_current_context, task
from pendulum import datetime
from sgob_airflow.common import ANNOTATIONS, DEFAULT_ARGS, PUBLICATIONS, TAGS, param, run_step, this_run

with DAG(
    "publish_annotations",
    schedule=[ANNOTATIONS],
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "publish"],
    doc_md=__doc__,
    params={
        "limit": Param(
            None, type=["null", "integer"], minimum=1, title="At most this many", description_md="Empty: all"
        ),
    },
):

    @task.branch
    def approval_needed() -> str:
        """Ask a person, where the installation is configured so and there is something to approve."""
        return "approve" if run_step("publish.approval_needed") else "publish"

    approve = ApprovalOperator(
        task_id="approve",
        subject="Publish the proposed annotations to Europeana?",
        body="What they say is on the page *Saint George* in the menu: boxes, labels, captions, corrections.",
        response_timeout=timedelta(days=7),
    )

    @task(pool="europeana", outlets=[PUBLICATIONS], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def publish() -> Any:
        """Send what was proposed before this run, read it back, keep the ledger."""
        until = get_current_context()["dag_run"].start_date
        return run_step(
            "publish.publish",
            run_id=this_run(),
            limit=param("limit"),
            approve_until=until.isoformat() if until else None,
        )

    branch = approval_needed()
    published = publish()
    branch >> approve >> published
    branch >> published
