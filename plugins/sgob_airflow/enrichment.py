"""The tasks from a chosen batch of pictures to annotations: the night and the backfill differ only in what they choose.

What writes to the store runs in a pool of one slot, so the two take turns.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, task

from sgob_airflow.common import ANNOTATIONS, CLUSTER_CONNECTION, run_step, this_run
from sgob_airflow.slurm_operator import SlurmJobOperator

POOL = "enrichment"


def enrichment(batch: Any, *, goes_on_without_pictures: bool) -> None:
    """Add the tasks after the choice of pictures to the DAG that is being defined.

    Args:
        batch: output of the task that chose: what ``steps.enrich.plan_batch`` returns.
        goes_on_without_pictures: where there are none, whether context, captions and annotations are brought up to
            date all the same, as records may have changed; else the run ends there.
    """

    @task.short_circuit(ignore_downstream_trigger_rules=not goes_on_without_pictures)
    def anything_new(batch: dict[str, object]) -> bool:
        """Leave the cluster alone when there is nothing to look at."""
        return bool(batch["pictures"])

    @task(pool=POOL)
    def load(found: dict[str, object]) -> Any:
        """Detections into the store, each exactly once."""
        return run_step("enrich.load", batch=found, run_id=this_run())

    @task(pool=POOL, trigger_rule=TriggerRule.NONE_FAILED)
    def context() -> Any:
        """Re-score and relabel what the artwork's date makes impossible and its texts make unlikely."""
        return run_step("enrich.context", run_id=this_run())

    @task(pool=POOL)
    def describe_scenes() -> Any:
        """Find what the things in a picture do with each other, and the saints and scenes that speaks for."""
        return run_step("enrich.describe_scenes", run_id=this_run())

    @task(pool=POOL)
    def plan_captions() -> Any:
        """Choose the pictures that the champion among the generators has not described as they are known now."""
        return run_step("captions.plan_generation", run_id=this_run())

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def anything_to_describe(batch: dict[str, object]) -> bool:
        """Leave the cluster alone when there is nothing to describe, or no generator."""
        return bool(batch["pictures"])

    @task(pool=POOL)
    def load_captions(written: dict[str, object]) -> Any:
        """Generated captions into the store, each with the boxes that its words came from."""
        return run_step("captions.load_generation", batch=written, run_id=this_run())

    @task(pool=POOL, trigger_rule=TriggerRule.NONE_FAILED)
    def classify_captions() -> Any:
        """Find the sentences of the metadata that say what is depicted."""
        return run_step("enrich.classify_captions", run_id=this_run())

    @task(pool=POOL)
    def annotate() -> Any:
        """Compose and validate Web Annotations."""
        return run_step("enrich.annotate", run_id=this_run())

    @task(outlets=[ANNOTATIONS])
    def report() -> Any:
        """Write the page of this run."""
        return run_step("report.write_report", run_id=this_run(), ends=True)

    infer = SlurmJobOperator.from_job(
        task_id="infer",
        job=batch,
        ssh_conn_id=CLUSTER_CONNECTION,
        allow_partial=True,
        pool="cluster_jobs",
        execution_timeout=None,
    )
    anything_new(batch) >> infer
    to_describe = plan_captions()
    describe = SlurmJobOperator.from_job(
        task_id="describe",
        job=to_describe,
        ssh_conn_id=CLUSTER_CONNECTION,
        allow_partial=True,
        pool="cluster_jobs",
        execution_timeout=None,
    )
    load(infer.output) >> context() >> describe_scenes() >> to_describe
    anything_to_describe(to_describe) >> describe
    load_captions(describe.output) >> classify_captions() >> annotate() >> report()
