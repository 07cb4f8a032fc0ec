"""Registers the platform's pages with Airflow. Everything else is in the installed package ``sgob_airflow``.

Airflow executes every file below ``plugins/`` under its bare name: that is why this one is alone and has a name of its
own.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from sgob_airflow.pages import LazyApp


class SgobPlugin(AirflowPlugin):
    """The pages of the last run and of the cluster under "Browse", and the page of each run beside it."""

    name = "sgob"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": "/sgob", "name": "Saint George on a Bike"}]  # noqa: RUF012 - Airflow's form
    external_views = [  # noqa: RUF012 - Airflow's form
        {
            "name": "Saint George on a Bike",
            "href": "sgob/",
            "destination": "nav",
            "category": "browse",
            "url_route": "sgob",
        },
        {
            "name": "Cluster",
            "href": "sgob/cluster",
            "destination": "nav",
            "category": "browse",
            "url_route": "sgob-cluster",
        },
        {
            "name": "Pictures",
            "href": "sgob/runs/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "sgob-run",
        },
    ]
