"""### Find what the new pictures show.

Takes the pictures that the champion detector has not seen yet to the cluster (one Slurm array, a shard of
pictures per task), loads what it found, corrects it by the artworks' dates, finds the metadata sentences that
are captions, and composes Web Annotations.

**Healthy if** the last run passed. A picture that cannot be read on the cluster is counted with its reason. So is a
shard that is lost there after all attempts: the rest of the night goes on, and the next night takes it up.

**When it fails**: without a champion, run `train_detector` first. `infer` fails when not one of its array tasks
succeeds; clear it, and only the missing tasks run again.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, task
from pendulum import datetime
from sgob_airflow.common import ANNOTATIONS, CLUSTER_CONNECTION, DEFAULT_ARGS, PICTURES, TAGS, param, run_step, this_run
from sgob_airflow.slurm_operator import SlurmJobOperator

with DAG(
    "enrich_pictures",
    schedule=[PICTURES],
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "cluster"],
    doc_md=__doc__,
    params={
        "max_pictures": Param(
            None, type=["null", "integer"], minimum=1, title="At most this many pictures", description_md="Empty: all"
        ),
        "shard_size": Param(None, type=["null", "integer"], minimum=1, maximum=10_000, title="Pictures per array task"),
    },
):

    @task
    def plan_batch() -> Any:
        """Choose pictures and model; write the job directory."""
        return run_step(
            "enrich.plan_batch", run_id=this_run(), limit=param("max_pictures"), shard_size=param("shard_size")
        )

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def anything_new(batch: dict[str, object]) -> bool:
        """Leave the cluster alone when there is nothing to look at."""
        return bool(batch["pictures"])

    @task
    def load(found: dict[str, object]) -> Any:
        """Detections into the store, each exactly once."""
        return run_step("enrich.load", batch=found, run_id=this_run())

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def time_context() -> Any:
        """Re-score and relabel what the artwork's date makes impossible."""
        return run_step("enrich.time_context", run_id=this_run())

    @task
    def classify_captions() -> Any:
        """Find the sentences of the metadata that say what is depicted."""
        return run_step("enrich.classify_captions", run_id=this_run())

    @task
    def annotate() -> Any:
        """Compose and validate Web Annotations."""
        return run_step("enrich.annotate", run_id=this_run())

    @task(outlets=[ANNOTATIONS])
    def report() -> Any:
        """Write the page of this run."""
        return run_step("report.write_report", run_id=this_run(), ends=True)

    batch = plan_batch()
    infer = SlurmJobOperator.from_job(
        task_id="infer",
        job=batch,
        ssh_conn_id=CLUSTER_CONNECTION,
        allow_partial=True,
        pool="cluster_jobs",
        execution_timeout=None,
    )
    anything_new(batch) >> infer
    load(infer.output) >> time_context() >> classify_captions() >> annotate() >> report()
