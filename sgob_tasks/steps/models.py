"""The model registry for people and DAGs: weigh a candidate against the champion, promote, retire, show, compare."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError
from sgob_tasks.registry.comparison import ModelComparison, compare_models
from sgob_tasks.registry.promotion import ASK, KEEP, Verdict, decide
from sgob_tasks.registry.words import describe
from sgob_tasks.store import backfill, job_history, models, runs
from sgob_tasks.store.engine import open_store

RULE = "rule of promotion"
"""Who promotes where no person is asked."""

APPROVED = "Approve"
"""The one answer of a person, as Airflow's ``ApprovalOperator`` words it, that promotes."""

CANDIDATE_RESULTS = "val_detections.json"
CHAMPION_RESULTS = "champion_val_detections.json"


def weigh(settings: Settings, model: Mapping[str, Any], job_dir: Path, policy: str) -> dict[str, Any]:
    """Compare a registered model with the champion, decide by the rule, and keep the decision with the model.

    Args:
        settings: the installation's.
        model: its row.
        job_dir: of its training.
        policy: ``auto``, ``ask``, ``always`` or ``never``.

    Returns:
        The ``decision``: ``action, reason, policy, champion, comparison``; and its ``text``, in Markdown.

    Raises:
        InputError: a file of the job is damaged, or there is no such policy.
    """
    engine = open_store(settings)
    champion = models.champion(engine, str(model["name"]))
    compared, problem = None, ""
    if champion is not None and champion["id"] != model["id"]:
        compared, problem = _compare(settings, champion, model, job_dir)
    training = settings.training
    present = None if champion is None else str(champion["id"])
    verdict = decide(
        policy, present, compared,
        problem=problem, margin=training.promote_margin, ask=training.require_promotion_approval,
    )  # fmt: skip
    if model["state"] == "champion":
        verdict = Verdict(KEEP, "it is the champion already")
    elif model["state"] == "retired" and policy != "always":
        verdict = Verdict(KEEP, f"it was retired; `sgob models promote {model['id']}` brings it back")
    decision = asdict(verdict) | {
        "policy": policy,
        "champion": present,
        "comparison": None if compared is None else compared.to_json(),
    }
    if model["state"] == "candidate":
        models.note_decision(engine, str(model["id"]), decision)
    text = describe(str(model["id"]), decision, model["plan"], _usage(settings, model))
    return {"decision": decision, "text": text}


def _compare(
    settings: Settings, champion: Mapping[str, Any], model: Mapping[str, Any], job_dir: Path
) -> tuple[ModelComparison | None, str]:
    """Compare on the held-out pictures of a model's training job; or say why that cannot be done."""
    truth_path, own = job_dir / "input" / "dataset" / "val.json", job_dir / "results" / CANDIDATE_RESULTS
    missing = [path for path in (truth_path, own) if not path.is_file()]
    if missing:
        return None, f"{missing[0]} is not there any more"
    theirs, problem = _results_of(settings, champion, model, job_dir)
    if theirs is None:
        return None, problem
    classes = [str(name) for name in champion["config"].get("classes", ())]
    return compare_models(load_json(truth_path), load_json(theirs), load_json(own), classes), ""


def _results_of(
    settings: Settings, other: Mapping[str, Any], model: Mapping[str, Any], job_dir: Path
) -> tuple[Path | None, str]:
    """Return what another model found in the held-out pictures of a job; or None and why there is nothing.

    The job itself evaluates the champion that it was given. Where the two were trained with the same held-out
    pictures, the other's own job has them as well.
    """
    provenance = job_dir / "input" / "provenance.json"
    given = (load_json(provenance).get("champion") or {}) if provenance.is_file() else {}
    found = job_dir / "results" / CHAMPION_RESULTS
    if given.get("sha256") == other["sha256"] and found.is_file():
        return found, ""
    if other["job_key"] and other["held_out_sha256"] == model["held_out_sha256"]:
        own = settings.jobs_dir / str(other["job_key"]) / "results" / CANDIDATE_RESULTS
        if own.is_file():
            return own, ""
    if not given:
        return None, f"its training was prepared without a champion, before {other['id']} became it"
    if given.get("sha256") != other["sha256"]:
        return None, f"the champion was {given.get('id')} when its training was prepared"
    return None, f"the job left no results of it (results/{CHAMPION_RESULTS})"


def promote_decided(
    settings: Settings, run_id: str, registered: Mapping[str, Any], approval: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Promote a model as ``train.register`` decided, or as a person approved.

    Args:
        settings: the installation's.
        run_id: of the DAG run.
        registered: what ``train.register`` returned.
        approval: Airflow's answer of the person; None where nobody was asked.

    Raises:
        PermanentError: the champion is not the one any more with which the model was compared.
        InputError: a person is to be asked and was not, or has not approved it.
    """
    decision = dict(registered["decision"])
    actor, reason = RULE, str(decision["reason"])
    if approval is not None:
        if approval.get("chosen_options") != [APPROVED]:  # Airflow skips the task then, but can be told to run it
            chosen = approval.get("chosen_options")
            raise InputError("promotion", "approval", chosen, f"{registered['model']} was not approved")
        user = approval.get("responded_by_user") or {}
        actor, reason = str(user.get("name") or user.get("id") or "somebody in Airflow"), f"approved: {reason}"
    elif decision["action"] == ASK:
        raise InputError("promotion", "approval", None, f"{registered['model']} is to be approved by a person first")
    engine = open_store(settings)
    changed = models.promote(
        engine,
        str(registered["model"]),
        actor=actor,
        reason=reason,
        instead_of=decision["champion"],
        decision=decision,
        run_id=run_id,
    )
    result = asdict(changed) | {"actor": actor, "outdated": backfill.count_outdated(engine, changed.model)}
    runs.note(engine, run_id, "promote", result)
    return result


def promote(settings: Settings, model_id: str, reason: str | None = None) -> dict[str, Any]:
    """Make a version the champion by hand, also one that was retired: that is the way back.

    Returns:
        What changed, and ``outdated``: how many pictures wait for the backfill.
    """
    engine = open_store(settings)
    model = models.find(engine, model_id)
    changed = models.promote(engine, model_id, actor=_user(), reason=reason or "by hand", decision=model["decision"])
    return asdict(changed) | {"outdated": backfill.count_outdated(engine, model_id, name=str(model["name"]))}


def retire(settings: Settings, model_id: str, reason: str | None = None) -> dict[str, Any]:
    """Take a version out of use by hand.

    Returns:
        What changed, and the ``champion`` there is now.
    """
    engine = open_store(settings)
    changed = models.retire(engine, model_id, actor=_user(), reason=reason or "by hand")
    champion = models.champion(engine, str(models.find(engine, model_id)["name"]))
    return asdict(changed) | {"champion": None if champion is None else champion["id"]}


def _user() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # no such entry among the machine's users, as in a container
        return "command line"


def list_models(settings: Settings) -> list[dict[str, Any]]:
    """Return all versions: state, held-out scores with interval, what they were made from and what they took."""
    return [_summary(settings, model) for model in models.versions(open_store(settings))]


def show_model(settings: Settings, model_id: str) -> dict[str, Any]:
    """Return everything about one version.

    Returns:
        Its summary as in ``list_models``, with ``scores``, ``training``, ``plan``, ``decision``, ``changes`` of its
        state, the ``folder`` of its files, and of the champion how many pictures are ``outdated``.

    Raises:
        InputError: there is no such model.
    """
    engine = open_store(settings)
    model = models.find(engine, model_id)
    more = {name: model[name] for name in ("sha256", "scores", "training", "plan", "decision", "run_id")}
    outdated = None
    if model["state"] == "champion":
        outdated = backfill.count_outdated(engine, model_id, name=str(model["name"]))
    return _summary(settings, model) | more | {
        "folder": str(settings.models_dir / str(model["path"])),
        "changes": models.changes(engine, model_id),
        "outdated": outdated,
    }  # fmt: skip


def _summary(settings: Settings, model: Mapping[str, Any]) -> dict[str, Any]:
    scores, config = model["scores"], model["config"]
    measured = (scores.get("held_out") or {}).get("all") or {}
    interval = scores.get("intervals") or {}
    return {
        "id": model["id"],
        "state": model["state"],
        "created_at": model["created_at"],
        "preset": config.get("preset"),
        "classes": len(config.get("classes") or ()),
        "images": measured.get("images"),
        **{
            side: {
                figure: {
                    "value": (measured.get(side) or {}).get(figure),
                    "interval": (interval.get(side) or {}).get(figure),
                }
                for figure in ("ap50", "ap")
            }
            for side in ("after", "before")
        },
        "usage": _usage(settings, model),
        "data_sha256": model["data_sha256"],
        "held_out_sha256": model["held_out_sha256"],
        "revision": model["revision"],
        "job_key": model["job_key"],
    }  # fmt: skip


def _usage(settings: Settings, model: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the chain of a training job was allocated; None where the ledger has no such job."""
    if not model["job_key"]:
        return None
    job = job_history.job(open_store(settings), str(model["job_key"]))
    if job is None:
        return None
    return {name: getattr(job, name) for name in ("gpu_hours", "node_hours", "links", "elapsed_s", "cluster")}


def compare(settings: Settings, first: str, second: str) -> dict[str, Any]:
    """Compare two versions on the held-out pictures of the second one's training.

    Its job has the first one's results on them where that was the champion at the time; the first one's own job has
    them where both were trained with the same held-out pictures.

    Returns:
        ``first``, ``second`` (their summaries), and ``comparison`` of them in that order, or None and the ``problem``.

    Raises:
        InputError: there is no such model, or a file is damaged.
    """
    engine = open_store(settings)
    one, other = models.find(engine, first), models.find(engine, second)
    result: dict[str, Any] = {"first": _summary(settings, one), "second": _summary(settings, other)}
    compared, problem = None, f"{second} has no training job"
    if other["job_key"]:
        compared, problem = _compare(settings, one, other, settings.jobs_dir / str(other["job_key"]))
    return result | {
        "comparison": None if compared is None else compared.to_json(),
        "problem": problem,
    }
