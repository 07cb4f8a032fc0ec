"""### Train the detector on the cluster.

One Slurm job with a rank per GPU (Horovod over MPI), from a folder of pictures with Pascal VOC or COCO boxes.
The model is evaluated on pictures that training never saw, before and after the time context, and registered
with its scores. It becomes the champion, which the nightly run uses, when it is not worse than the present one
on the same held-out pictures.

**Healthy if** the last run passed and the new version is in `sgob status`.

**When it fails**: the job's log is in the log of `train`. A job that ran out of time goes on from its last
checkpoint when the task is cleared.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
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
        "promote": Param("auto", type="string", enum=["auto", "always", "never"], title="Make it the champion"),
    },
):

    @task
    def prepare() -> Any:
        """Check the training data and write the job directory."""
        names = ("dataset", "preset", "epochs", "budget_s")
        return run_step("train.prepare", run_id=this_run(), **{name: param(name) for name in names})

    @task(outlets=[DETECTOR])
    def register(job: dict[str, object]) -> Any:
        """Evaluate before and after the time context; register the model version."""
        return run_step("train.register", run_id=this_run(), job=job, promote=param("promote"))

    job = prepare()
    train = SlurmJobOperator.from_job(
        task_id="train", job=job, ssh_conn_id=CLUSTER_CONNECTION, pool="cluster_jobs", execution_timeout=None
    )
    train >> register(job)
