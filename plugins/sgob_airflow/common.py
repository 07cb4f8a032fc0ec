"""What all DAGs share: assets, defaults, the way a task calls a step of the platform. Imports nothing heavy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset

PICTURES = Asset(name="pictures", uri="sgob://pictures")
DETECTOR = Asset(name="detector", uri="sgob://detector")
"""A new version is registered."""
GENERATOR = Asset(name="generator", uri="sgob://generator")
"""A new version of the caption generator is registered."""
CHAMPION = Asset(name="champion", uri="sgob://champion")
"""Another version is the one that the nights use."""
ANNOTATIONS = Asset(name="annotations", uri="sgob://annotations")
PUBLICATIONS = Asset(name="publications", uri="sgob://publications")

CLUSTER_CONNECTION = "sgob_cluster"

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "sgob",
    # At least one retry: a resumed task can be marked failed by a race between scheduler and executor (Airflow 3.3).
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=12),
}

TAGS = ["saint-george"]


def param(name: str) -> Any:
    """Return a parameter of the current run."""
    from airflow.sdk import get_current_context

    return get_current_context()["params"][name]


def this_run() -> str:
    """Return the current run's id."""
    from airflow.sdk import get_current_context

    return str(get_current_context()["run_id"])


def answer_of(task_id: str) -> Any:
    """Return what a person answered to a task of this run that asks; None where nobody was asked."""
    from airflow.sdk import get_current_context

    return get_current_context()["ti"].xcom_pull(task_ids=task_id)


def step_of(name: str) -> Any:
    """Return the function ``sgob_tasks.steps.<module>.<function>`` that ``"module.function"`` names.

    The import happens in the task: DAG files are parsed again at every task start.
    """
    import importlib

    module, function = name.rsplit(".", 1)
    return getattr(importlib.import_module(f"sgob_tasks.steps.{module}"), function)


def run_step(name: str, **arguments: Any) -> Any:
    """Run one step with the installation's settings and turn its errors into Airflow's.

    A ``PermanentError`` fails the task at once, without retries; the other classes are left to the retries.

    Raises:
        AirflowFailException: trying again would not help.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from sgob_tasks.config import load_settings
    from sgob_tasks.errors import PermanentError

    try:
        return step_of(name)(load_settings(), **arguments)
    except PermanentError as error:
        raise AirflowFailException(str(error)) from error
