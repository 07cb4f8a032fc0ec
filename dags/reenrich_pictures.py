"""### Bring up to date what an earlier champion annotated.

Takes pictures that another version of the detector has looked at and the champion has not, those with the most tags
first, and does with them what `enrich_pictures` does with new ones. Tags that the champion does not confirm are
superseded, unless they are published: those stay. Until a picture's turn comes, its annotations stay as they are.

**Bounds.** A run takes `enrich.backfill_limit` pictures (2000; 0 pauses), or as many as its parameter says, and of
the collection only what the parameters name. A promotion starts one; the next follows every morning until nothing is
left. To go on faster, start runs by hand with a larger number; to go on only with a part, pause the DAG and start
them by hand. A run without pictures ends at once. The way back to an earlier champion (`sgob models promote ID`)
needs hardly any: what it has looked at once, it need not look at again.

**Healthy if** the last run passed and `left` in the result of `plan_batch` falls from run to run.

**When it fails**: as `enrich_pictures`; `infer` fails when not one of its array tasks succeeds. Clear it, and only the
missing tasks run again.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, task
from pendulum import datetime
from sgob_airflow.common import CHAMPION, DEFAULT_ARGS, TAGS, param, run_step, this_run
from sgob_airflow.enrichment import enrichment

YEAR = {"type": ["null", "integer"], "minimum": -10_000, "maximum": 3000}

with DAG(
    "reenrich_pictures",
    # After the night: new pictures come first.
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC"), assets=[CHAMPION]),
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "cluster"],
    doc_md=__doc__,
    params={
        "max_pictures": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="At most this many pictures",
            description_md="Empty: the configured number.",
        ),
        "dataset": Param(
            None,
            type=["null", "string"],
            title="Only records whose id begins with",
            description_md="Such as `2021618`, the number of a Europeana data set.",
        ),
        "year_from": Param(None, **YEAR, title="Only records from this year on"),
        "year_to": Param(None, **YEAR, title="Only records up to this year"),
        "only": Param(
            "all",
            type="string",
            enum=["all", "annotated", "published"],
            title="Only pictures that are",
            description_md="`annotated`: have a tag that is proposed, approved or published.",
        ),
        "order": Param(
            "affected",
            type="string",
            enum=["affected", "oldest"],
            title="First come",
            description_md="those with the most tags, or those that were looked at longest ago",
        ),
        "shard_size": Param(None, type=["null", "integer"], minimum=1, maximum=10_000, title="Pictures per array task"),
    },
):

    @task
    def plan_batch() -> Any:
        """Choose pictures that the champion has not looked at; write the job directory."""
        names = ("dataset", "year_from", "year_to", "only", "order", "shard_size")
        bounds = {name: param(name) for name in names}
        return run_step("reenrich.plan_batch", run_id=this_run(), limit=param("max_pictures"), **bounds)

    enrichment(plan_batch(), goes_on_without_pictures=False)
