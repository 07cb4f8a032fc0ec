"""### Find what the new pictures show.

Takes the pictures that no champion detector has seen yet to the cluster (one Slurm array, a shard of
pictures per task), loads what it found, corrects it by the artworks' dates and texts, finds what the things in a
picture do with each other and which saints and scenes that speaks for, has the caption generator describe it on the
cluster (where `train_captions` has made one), finds the metadata sentences that are captions, and composes Web
Annotations.
What an earlier champion has seen is left to `reenrich_pictures`.

**Healthy if** the last run passed. A picture that cannot be read on the cluster is counted with its reason. So is a
shard that is lost there after all attempts: the rest of the night goes on, and the next night takes it up.

**When it fails**: without a champion, run `train_detector` first. `infer` fails when not one of its array tasks
succeeds; clear it, and only the missing tasks run again. So does `describe`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
from pendulum import datetime
from sgob_airflow.common import DEFAULT_ARGS, PICTURES, TAGS, param, run_step, this_run
from sgob_airflow.enrichment import enrichment

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

    enrichment(plan_batch(), goes_on_without_pictures=True)
