"""The link from a task to its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

PAGE = "/sgob/runs/{run_id}#job-{key}"


class SlurmJobLink(BaseOperatorLink):
    """Leads to the job on the page of its run.

    Airflow calls ``get_link`` when a task process ends and writes the result over the XCom ``xcom_key``. The operator
    has pushed the address under that key before it defers, so that it shows while the job runs, and a copy under
    ``COPY``, which is returned here: an empty result would wipe the link.
    """

    name = "Slurm job"
    COPY = "slurm_job_url"

    @property
    def xcom_key(self) -> str:
        """XCom under which Airflow's pages look for the address."""
        return "slurm_job_link"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the operator left."""
        from airflow.sdk.execution_time.xcom import XCom

        return str(XCom.get_value(ti_key=ti_key, key=self.COPY) or "")
