"""### Harvest new and changed picture records from Europeana.

Every night: records that Europeana changed since the last harvest (one hour of overlap), page by page; then
their pictures; then a slice of the known records is asked for again, as Europeana does not announce deletions.

**Healthy if** the last run passed. Refused records and failed pictures are no failure: they are counted with a
reason (`sgob status`), and failed pictures are tried again on a later night.

**When it fails**: *401/403* the API key is wrong or blocked (connection `europeana`); *429 for hours* the
hourly budget of the key is used up: the next night goes on from the last committed page. Clearing a task is
always safe.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task
from pendulum import datetime
from sgob_airflow.common import DEFAULT_ARGS, PICTURES, TAGS, param, run_step

with DAG(
    "harvest_europeana",
    schedule=CronDataIntervalTimetable("0 1 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "harvest"],
    doc_md=__doc__,
    params={
        "window_from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Changed from",
            description_md="Leave empty to go on where the last harvest ended.",
        ),
        "window_to": Param(None, type=["null", "string"], format="date-time", title="Changed until"),
        "max_pictures": Param(
            None, type=["null", "integer"], minimum=1, title="At most this many pictures", description_md="Empty: all"
        ),
        "recheck": Param(500, type="integer", minimum=0, maximum=10_000, title="Known records to ask for again"),
    },
):

    @task(pool="europeana")
    def harvest() -> Any:
        """Records into the store."""
        return run_step("harvest.harvest", window_from=param("window_from"), window_to=param("window_to"))

    @task(outlets=[PICTURES])
    def fetch_media() -> Any:
        """Pictures into the media folder."""
        return run_step("harvest.fetch_pictures", limit=param("max_pictures"))

    @task(pool="europeana")
    def recheck() -> Any:
        """Find out which records have gone."""
        return run_step("harvest.recheck_records", limit=param("recheck"))

    harvest() >> recheck() >> fetch_media()
