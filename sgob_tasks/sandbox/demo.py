"""The demo: the whole platform on this machine and one real night through it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.sandbox.night import NIGHT, TRAIN, TRAIN_CAPTIONS, Night, NightDriver
from sgob_tasks.sandbox.platform import Platform
from sgob_tasks.steps.captions import GENERATOR
from sgob_tasks.store import models
from sgob_tasks.store.engine import open_store
from sgob_tasks.store.summary import Status, status

TRAINING_BUDGET_S = 300
"""Seconds of training, start-up and tracing included: what two cores need for a useful detector of painted scenes."""

CAPTIONS_BUDGET_S = 180
"""Seconds for a caption generator of painted scenes: enough for sentences that name what is there."""


def run_demo(collection: Path | None = None, budget_s: int | None = None) -> dict[str, Any]:
    """Start the sandbox, train detector and caption generator where there are none, run one night; return the summary.

    Args:
        collection: folder with pictures and a CSV; None: painted scenes.
        budget_s: training budget in seconds.

    Raises:
        PermanentError: a part does not start, or a DAG run failed; the message shows the end of the log.
    """
    began = time.monotonic()
    platform = Platform.here()
    _say("Starting the platform")
    addresses = platform.up(collection=collection)
    settings = Settings(home=platform.home)
    engine = open_store(settings)
    before = status(engine)
    missing = [] if models.champion(engine) else [TRAIN]
    if platform.captions().is_dir() and not models.champion(engine, GENERATOR):
        missing.append(TRAIN_CAPTIONS)
    driver = NightDriver(platform.airflow(platform.state()).client(), _say)
    conf = {
        TRAIN: {"budget_s": budget_s or TRAINING_BUDGET_S, "epochs": 1000},
        TRAIN_CAPTIONS: {"budget_s": CAPTIONS_BUDGET_S},
    }
    night = driver.run(train=missing, conf=conf)
    after = status(engine)
    _say(_summary(after, before, night, addresses, time.monotonic() - began, settings))
    return {}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress for a person


def _summary(
    after: Status, before: Status, night: Night, addresses: dict[str, Any], seconds: float, settings: Settings
) -> str:
    """Return what a person wants to know at the end."""
    lines = ["", "Done" + f" in {seconds:.0f} s; the night itself took {sum(night.seconds[d] for d in NIGHT):.0f} s"]
    for title, counts in (("records", after.records), ("pictures", after.media), ("annotations", after.annotations)):
        lines.append(f"  {title:<14} {_states(counts.by_state)}")
        lines += [f"      {entry.count:>4} {entry.state}: {entry.reason}" for entry in counts.reasons]
    found = after.detections
    sentences = after.captions
    lines.append(f"  {'detections':<14} {found.total} ({found.corrected} relabelled by dates and texts)")
    lines.append(f"  {'sentences':<14} {sentences.total} ({sentences.captions} are captions)")
    lines.append(f"  {'written':<14} {sentences.written} captions")
    for destination, counts in after.publications.items():
        known = before.publications.get(destination)
        new = counts.by_state.get("published", 0) - (known.by_state.get("published", 0) if known else 0)
        lines.append(f"  {'published':<14} {destination}: {_states(counts.by_state)}; {new} of them tonight")
    lines += [f"  {line}" for line in _scores(after)]
    report = settings.runs_dir / "latest" / "index.html"
    lines += [
        "",
        f"  Airflow        {addresses['addresses']['airflow']}  ({addresses['sign_in']})",
        "                 menu Browse, then Saint George: the page of this night",
        f"  the same page  {report}",
        f"  Europeana      {addresses['addresses']['europeana']} (stand-in)",
        "  stop it        make down",
    ]
    return "\n".join(lines)


def _states(by_state: Any) -> str:
    return ", ".join(f"{count} {state}" for state, count in by_state.items()) or "none"


def _scores(after: Status) -> list[str]:
    """Return the champions' scores on held-out pictures: the detector's before and after the time context."""
    lines = []
    for model in after.models:
        if model.state != "champion":
            continue
        if model.name == GENERATOR:
            figures = model.scores["held_out"]
            lines.append(f"{model.id:<14} CIDEr-D {figures['CIDEr-D']:.3f}, BLEU-4 {figures['BLEU-4']:.3f}")
            continue
        for subset, scores in model.scores.get("held_out", {}).items():
            if scores.get("images"):
                before, after_context = scores["before"]["ap50"], scores["after"]["ap50"]
                lines.append(
                    f"{model.id:<14} AP50 {before:.3f}, with time context {after_context:.3f}"
                    f"  ({scores['images']} held-out pictures, {subset})"
                )
    return lines
