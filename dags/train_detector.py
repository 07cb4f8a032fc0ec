"""### Train the detector on the cluster.

One Slurm job with a rank per GPU (Horovod over MPI), from a prepared data set, or from a folder of
pictures with Pascal VOC, COCO or VIA boxes, which is checked and prepared first (`docs/detector.md`).
The model is evaluated on pictures that training never saw, before and after the time context, and registered as
a candidate: with its scores, hashes of weights and data, the code's git revision, plan and GPU-hours.

**Promotion.** The job evaluates the champion, which the nightly run uses, on the same held-out pictures. By itself a
candidate replaces it only when it is better beyond doubt: AP50 after the time context is higher by
`training.promote_margin` (0.01) or more, and the lower end of the 95 % interval of the difference (paired bootstrap
over the pictures) is above zero; or when there is no champion yet. Both are compared on the classes that both know; a
candidate that lacks classes of the champion is never promoted by itself. In every other case a person sees the
comparison and decides (`approve_promotion` in *Browse → Required actions*; nobody within seven days is a no), or the
model stays a candidate where `training.require_promotion_approval` is off. After a no it stays one; who thinks again
clears `approve_promotion`, which asks once more. The way back is `sgob models promote ID`, which keeps who, when and
why, as `approve_promotion` does (`sgob models show ID`). A promotion starts `reenrich_pictures`.

How many nodes it gets says the resource plan (`docs/plan.md`), unless the run names a number or the site has
`plan = false`. The plan is in the log and the result of `prepare`. Where `training.require_approval` is on, a
person sees it and approves first: the task `approve` waits in *Browse → Required actions*.

**Healthy if** the last run passed and the new version is in `sgob models list`.

**When it fails**: the job's log is in the log of `train`. A job that ran out of time goes on from its last
checkpoint when the task is cleared. `promote` refuses when the champion has changed since the comparison: compare
again (`sgob models compare`) and promote by hand.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, TriggerRule, task
from pendulum import datetime
from sgob_airflow.common import (
    CHAMPION,
    CLUSTER_CONNECTION,
    DEFAULT_ARGS,
    DETECTOR,
    TAGS,
    answer_of,
    param,
    run_step,
    this_run,
)
from sgob_airflow.slurm_operator import SlurmJobOperator

with DAG(
    "train_detector",
    schedule=None,
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "cluster"],
    doc_md=__doc__,
    params={
        "dataset": Param(
            None,
            type=["null", "string"],
            title="Training data",
            description_md="What `sgob dataset prepare` made, or anything it reads. Empty: the configured one.",
        ),
        "preset": Param(None, type=["null", "string"], enum=[None, "tiny", "resnet50", "resnet101"], title="Network"),
        "epochs": Param(None, type=["null", "integer"], minimum=1, maximum=1000, title="Epochs"),
        "budget_s": Param(
            None,
            type=["null", "integer"],
            minimum=30,
            title="Training budget (seconds)",
            description_md="Start and final evaluation included. Empty: no limit.",
        ),
        "nodes": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Nodes",
            description_md="Empty: as the resource plan says; the site's own where it has `plan = false`.",
        ),
        "again": Param(
            False,
            type="boolean",
            title="Train again",
            description_md="Also where the same training was done already: its result is replaced.",
        ),
        "promote": Param(
            "auto",
            type="string",
            enum=["auto", "ask", "always", "never"],
            title="Make it the champion",
            description_md="`auto`: where it is better beyond doubt, see above; `ask`: a person decides in any case.",
        ),
    },
):

    @task
    def prepare() -> Any:
        """Check the training data, plan the nodes, write the job directory."""
        names = ("dataset", "preset", "epochs", "budget_s", "nodes")
        return run_step("train.prepare", run_id=this_run(), **{name: param(name) for name in names})

    @task.branch
    def approval_needed() -> str:
        """Ask a person, where the installation is configured so."""
        return "approve" if run_step("train.approval_needed") else "train"

    approve = ApprovalOperator(
        task_id="approve",
        subject="Train the detector as planned?",
        body="{{ ti.xcom_pull(task_ids='prepare')['plan']['text'] }}",
        doc_md="Show a person the plan; a no ends the run.",
        response_timeout=timedelta(days=7),
    )

    @task(outlets=[DETECTOR])
    def register(job: dict[str, object]) -> Any:
        """Evaluate before and after the time context, register the model version, compare it with the champion."""
        return run_step("train.register", run_id=this_run(), job=job, promote=param("promote"))

    @task.branch
    def decide(registered: dict[str, Any]) -> str | None:
        """Promote it, ask a person, or leave it a candidate."""
        return {"promote": "promote", "ask": "approve_promotion", "keep": None}[registered["decision"]["action"]]

    approve_promotion = ApprovalOperator(
        task_id="approve_promotion",
        subject="Make {{ ti.xcom_pull(task_ids='register')['model'] }} the champion?",
        body="{{ ti.xcom_pull(task_ids='register')['text'] }}",
        doc_md="Show a person the comparison with the champion; a no leaves the model a candidate.",
        defaults=["Reject"],
        response_timeout=timedelta(days=7),
    )

    @task(outlets=[CHAMPION], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def promote(registered: dict[str, Any]) -> Any:
        """Make it the champion and retire the one that was."""
        approval = answer_of("approve_promotion")
        return run_step("models.promote_decided", run_id=this_run(), registered=registered, approval=approval)

    job = prepare()
    branch = approval_needed()
    train = SlurmJobOperator.from_job(
        task_id="train",
        job=job,
        ssh_conn_id=CLUSTER_CONNECTION,
        resubmit="{{ params.again }}",
        pool="cluster_jobs",
        execution_timeout=None,
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
    )
    registered = register(job)
    decision = decide(registered)
    promoted = promote(registered)
    job >> branch >> approve >> train
    branch >> train >> registered
    decision >> approve_promotion >> promoted
    decision >> promoted
