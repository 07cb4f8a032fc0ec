"""Plan the nodes of a training: the published figures, corrected by what own jobs have taken."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sgob_tasks.cluster.calibration import PUBLISHED_ONLY, Calibration, Run, calibrate
from sgob_tasks.cluster.connect import configured_site, site_overlay
from sgob_tasks.cluster.jobdir import parse_markers
from sgob_tasks.cluster.plan import EPOCHS, forecast, links_for, make_plan, outside
from sgob_tasks.cluster.sites.site import Site, make_site, site_layers
from sgob_tasks.cluster.sites.values import Layer
from sgob_tasks.config import Settings, site_environment
from sgob_tasks.detection.parameters import TrainingParameters
from sgob_tasks.store.engine import open_store
from sgob_tasks.store.trainings import FinishedTraining, finished_trainings

log = logging.getLogger(__name__)


def plan(
    settings: Settings,
    images: int,
    batch_size: int,
    nodes: int | None = None,
    site: str | None = None,
    epochs: float = EPOCHS,
    preset: str | None = None,
) -> dict[str, Any]:
    """Plan a training, without preparing one.

    Args:
        settings: the installation's.
        images: of the data set.
        batch_size: images of one training batch that is sent to the cluster, not of one step of the network.
        nodes: forecast for this many; by default the fewest that finish within the site's limit.
        site: name of a site; by default the configured one.
        epochs: passes.
        preset: network, whose own jobs count; by default the configured one.

    Returns:
        the values of ``cluster.plan.Plan``.

    Raises:
        InputError: a number that cannot be, more nodes than the site has, or no such site.
    """
    chosen = _site(settings, site)
    made = make_plan(images, batch_size, chosen, nodes, epochs, calibration(settings, chosen, preset))
    result = made.to_dict()
    if not chosen.plan:
        own = chosen.train.nodes
        result["warnings"].append(
            f"site {chosen.name} has plan = false: a training gets its {own} nodes unless it names others"
        )
    return result


def for_training(
    settings: Settings,
    images: int,
    nodes: int | None = None,
    epochs: float = EPOCHS,
    preset: str | None = None,
    budget_s: float | None = None,
) -> tuple[dict[str, int], dict[str, Any]]:
    """Choose the nodes of a training on the configured site: all its pictures are one batch.

    Those that are named; else the plan's; but the site's own where it has ``plan = false``, or where the data is so
    far outside what was measured that there is no forecast.

    Args:
        settings: the installation's.
        images: pictures to train on.
        nodes: named by a person.
        epochs: passes.
        preset: network; by default the configured one.
        budget_s: seconds after which the training ends in any case.

    Returns:
        what the job asks for beyond the site's values, and the plan with ``chosen_by`` (``plan``, ``person`` or
        ``site``) and ``text``, for people.

    Raises:
        InputError: there are no pictures, or more nodes are named than the site has.
    """
    site = configured_site(settings)
    learnt = calibration(settings, site, preset)
    made, by = make_plan(images, images, site, nodes, epochs, learnt), "person" if nodes is not None else "plan"
    if nodes is None and not (site.plan and made.reliable):
        made, by = make_plan(images, images, site, site.train.nodes, epochs, learnt), "site"
    described = made.to_dict() | {"chosen_by": by}
    if budget_s and budget_s / 3600 < made.hours_high:
        hours = budget_s / 3600
        described |= {
            "hours_low": min(made.hours_low, hours),
            "hours_high": hours,
            "links": links_for(hours, site.train.time_limit_s),
        }
        described["warnings"].append(f"the budget of {budget_s:g} s ends it, with fewer epochs where they take longer")
    described["text"] = describe(described, site)
    return {} if by == "site" else {"nodes": made.nodes}, described


def describe(plan: Mapping[str, Any], site: Site) -> str:
    """Return a plan as Markdown, for the person who approves it."""
    nodes, links = plan["nodes"], plan["links"]
    by = {"plan": "by the resource plan", "person": "by the run's parameter", "site": "by the site's file"}
    hours = f"{plan['hours_low']:.3g}-{plan['hours_high']:.3g} h"
    jobs = "in one job" if links == 1 else f"in a chain of {links} jobs"
    lines = [
        f"- **{nodes} node{'s' if nodes > 1 else ''}** of {site.name}, {plan['gpus_asked']} GPUs,"
        f" chosen {by[plan['chosen_by']]}",
        f"- **{hours}** {jobs} (limit {site.train.time_limit_s / 3600:g} h each), without waiting in the queue",
        f"- {plan['images']} images, {plan['epochs']:g} epochs; calibrated on: {plan['calibration']}",
    ]
    return "\n".join([*lines, *(f"- Note: {warning}" for warning in plan["warnings"])])


def calibration(settings: Settings, site: Site, preset: str | None = None) -> Calibration:
    """Return what the ledger's finished trainings of a network on a site have taught; nothing where there is no store.

    A training counts when its images are known, when it went through all its epochs (no budget, no number of steps)
    and in one submission: of a chain only the last link's time is known.
    """
    if settings.database_url is None and not (settings.home / "postgres").exists():
        return PUBLISHED_ONLY
    wanted = preset or settings.training.preset
    found = finished_trainings(open_store(settings), site.name)
    runs = [_run(training, site, settings.jobs_dir) for training in found if _preset(training) == wanted]
    return calibrate([run for run in runs if run is not None])


def _site(settings: Settings, name: str | None) -> Site:
    name = name or settings.cluster.site
    layers = site_layers(name, site_overlay(settings, name), environment=site_environment())
    # A plan needs no folder on the cluster, which a shipped file may leave to the installation.
    return make_site([Layer("default", "plan", {"root": "/not/needed"}), *layers])


def _parameters(training: FinishedTraining) -> dict[str, Any]:
    values = training.job.get("parameters")
    return dict(values) if isinstance(values, dict) else {}


def _preset(training: FinishedTraining) -> str:
    return str(_parameters(training).get("preset") or TrainingParameters.preset)


def _run(training: FinishedTraining, site: Site, jobs_dir: Path) -> Run | None:
    """Return a finished training as the calibration takes it; None where it says nothing."""
    values = _parameters(training)
    images = training.job.get("images")
    if not isinstance(images, int) or images < 1 or training.generation != 1:
        return None
    if values.get("budget_s") or values.get("steps"):
        return None
    resources = training.job.get("resources") or {}
    nodes = int(resources.get("nodes") or site.train.nodes)
    epochs = float(values.get("epochs") or TrainingParameters.epochs)
    clock = _job_clock_s(jobs_dir / training.key, training.job_id)
    seconds = (training.ended_at - training.submitted_at).total_seconds() if clock is None else clock
    low, high = forecast(images, nodes, epochs)
    age = datetime.now(timezone.utc) - training.ended_at
    return Run(
        measured_h=seconds / 3600,
        predicted_h=(low * high) ** 0.5,
        age_days=age.total_seconds() / 86400,
        outside=outside(images, nodes),
        queued=clock is None,
    )


def _job_clock_s(folder: Path, job_id: str | None) -> float | None:
    """Return the seconds that a job ran by its own marker; None where that has not been fetched or is another's."""
    try:
        marker = parse_markers(json.dumps(json.loads((folder / "done" / "0.json").read_text()))).get(0)
        if marker is None or marker.slurm_job_id != job_id:
            return None
        ended, started = (datetime.fromisoformat(time) for time in (marker.ended_at, marker.started_at))
    except (FileNotFoundError, ValueError):
        return None
    return (ended - started).total_seconds()
