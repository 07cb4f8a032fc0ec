"""### Train the detector on the cluster.

One Slurm job with a rank per GPU (Horovod over MPI), from a folder of pictures with Pascal VOC or COCO boxes.
The model is evaluated on pictures that training never saw, before and after the time context, and registered
with its scores. It becomes the champion, which the nightly run uses, when it is not worse than the present one
on the same held-out pictures.

How many nodes it gets says the resource plan (`docs/plan.md`), unless the run names a number or the site has
`plan = false`. The plan is in the log and the result of `prepare`. Where `training.require_approval` is on, a
person sees it and approves first: the task `approve` waits in *Browse → Required actions*.

**Healthy if** the last run passed and the new version is in `sgob status`.

**When it fails**: the job's log is in the log of `train`. A job that ran out of time goes on from its last
checkpoint when the task is cleared.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, TriggerRule, task
from pendulum import datetime
from sgob_airflow.common import CLUSTER_CONNECTION, DEFAULT_ARGS, DETECTOR, TAGS, param, run_step, this_run
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
            description_md="A folder with `images/` and `annotations/*.xml` (Pascal VOC) or `train.json` and "
            "`val.json` (COCO). Empty: the configured one.",
        ),
        "preset": Param(None, type=["null", "string"], enum=[None, "tiny", "resnet50", "resnet101"], title="Network"),
        "epochs": Param(None, type=["null", "integer"], minimum=1, maximum=1000, title="Epochs"),
        "budget_s": Param(
            None,
            type=["null", "integer"],
            minimum=30,
            title="Training budget (seconds)",
            description_md="Empty: no limit.",
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
        "promote": Param("auto", type="string", enum=["auto", "always", "never"], title="Make it the champion"),
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
        response_timeout=timedelta(days=7),
    )

    @task(outlets=[DETECTOR])
    def register(job: dict[str, object]) -> Any:
        """Evaluate before and after the time context; register the model version."""
        return run_step("train.register", run_id=this_run(), job=job, promote=param("promote"))

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
    job >> branch >> approve >> train
    branch >> train >> register(job)
