"""### Share the results as a data set.

Builds COCO JSON, JSON-LD, CSV, licence and checksums from the store and puts them on the object store. A
version is named by its content: when nothing changed since the last night, nothing is sent.

**Healthy if** the last run passed.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task
from pendulum import datetime
from sgob_airflow.common import DEFAULT_ARGS, PUBLICATIONS, TAGS, run_step, this_run

with DAG(
    "share_datasets",
    schedule=[PUBLICATIONS],
    start_date=datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "publish"],
    doc_md=__doc__,
):

    @task
    def share() -> Any:
        """Build the data set and put it on the object store."""
        return run_step("share.share", run_id=this_run())

    @task
    def report() -> Any:
        """Write the page of the last enrichment anew, now with links to what was published."""
        return run_step("report.write_report")

    share() >> report()
