"""From jobs to the cluster page, which needs nothing from elsewhere."""

from __future__ import annotations

from markupsafe import Markup

from sgob_tasks.report.assets import asset, environment, policy
from sgob_tasks.report.chart import BAR, LABEL, ROW, WIDTH, week_chart
from sgob_tasks.report.cluster_page import REFRESH_S, ClusterView, Live, PastJob, in_order, log_url, open_job, run_url

_SIZES = {"width": WIDTH, "row": ROW, "bar": BAR, "label": LABEL}


def _style() -> Markup:
    return asset("style.css", "cluster.css")


def _script() -> Markup:
    return asset("cluster.js.j2", "frame.js.j2")


def cluster_policy() -> str:
    """Return the policy of the cluster page."""
    return policy(_style(), _script())


def render_cluster(view: ClusterView, live: Live, *, root: str, refresh: bool = True) -> str:
    """Render the cluster page.

    Args:
        view: what the store says.
        live: what the cluster says.
        root: leads from the page to Airflow's own root, for links to DAG runs.
        refresh: whether the page loads itself again while a job is open.
    """
    jobs = in_order(open_job(row, live.looks.get(row.key), view.parameters.get(row.key, {}), root) for row in view.open)
    history = [
        PastJob(row, tuple(view.chains.get(row.key, ())), run_url(row, root), log_url(row.key)) for row in view.history
    ]
    chart = week_chart(view.weeks)
    return environment().get_template("cluster.html.j2").render(
        jobs=jobs,
        running=sum(job.state == "running" for job in jobs),
        history=history,
        failed=sum(row.state in {"failed", "lost"} for row in view.history),
        chains=view.chains,
        more=view.more,
        live=live,
        chart=chart,
        size=_SIZES,
        models=view.models,
        gpu_hours=sum(week.gpu_hours for week in view.weeks),
        node_hours=sum(week.node_hours for week in view.weeks),
        this_week=view.weeks[-1].gpu_hours if view.weeks else 0.0,
        refresh_s=REFRESH_S if jobs else None,
        refreshing=refresh and bool(jobs),
        policy=cluster_policy(),
        css=_style(),
        js=_script(),
    )  # fmt: skip
