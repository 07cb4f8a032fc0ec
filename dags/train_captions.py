"""### Train the caption generator on the cluster.

One Slurm job with a rank per GPU (Horovod over MPI). It learns to describe a picture from the detector's boxes, after
context, and their features; from a prepared data set, or from the store: pictures whose metadata holds sentences that
the caption classifier took for captions (`docs/captions.md`). It is measured on pictures that training never saw
(CIDEr-D, BLEU, ROUGE-L), beside the best constant caption, and registered as a version.

**Promotion.** A new version describes pictures from the next night on when there is no other, or when the lower end of
the 95 % interval of its CIDEr-D on the same held-out pictures is above that of the champion. Otherwise it stays a
candidate: `sgob models promote ID`.

**Healthy if** the last run passed and the new version is in `sgob models list`.

**When it fails**: the job's log is in the log of `train`. A job that ran out of time goes on from its last checkpoint
when the task is cleared.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
from pendulum import datetime
from sgob_airflow.common import CLUSTER_CONNECTION, DEFAULT_ARGS, GENERATOR, TAGS, param, run_step, this_run
from sgob_airflow.slurm_operator import SlurmJobOperator

with DAG(
    "train_captions",
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
            description_md="A folder with `train` and `val`. Empty: the configured one, or the captions in the store.",
        ),
        "budget_s": Param(
            None,
            type=["null", "integer"],
            minimum=30,
            title="Training budget (seconds)",
            description_md="Empty: no limit.",
        ),
        "nodes": Param(
            None, type=["null", "integer"], minimum=1, title="Nodes", description_md="Empty: the site's own."
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
            enum=["auto", "always", "never"],
            title="Make it the champion",
            description_md="`auto`: where it is better beyond doubt, see above.",
        ),
    },
):

    @task
    def prepare() -> Any:
        """Check the training data, or gather it from the store; write the job directory."""
        names = ("dataset", "budget_s", "nodes")
        return run_step("captions.prepare_training", run_id=this_run(), **{name: param(name) for name in names})

    @task(outlets=[GENERATOR])
    def register(job: dict[str, object]) -> Any:
        """Register the version with its scores; promote it where it is better than the champion."""
        return run_step("captions.register_training", run_id=this_run(), job=job, promote=param("promote"))

    job = prepare()
    train = SlurmJobOperator.from_job(
        task_id="train",
        job=job,
        ssh_conn_id=CLUSTER_CONNECTION,
        resubmit="{{ params.again }}",
        pool="cluster_jobs",
        execution_timeout=None,
    )
    train >> register(job)
