"""The page of a run as files: ``<run>/index.html`` and ``<run>/pictures/<sha256>.jpg``."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.progress import track
from sgob_tasks.report.pictures import shrink
from sgob_tasks.report.render import Links, render_run
from sgob_tasks.store.run_view import run_view
from sgob_tasks.store.views import PictureView

log = logging.getLogger(__name__)

_UNSAFE = re.compile(r"[^A-Za-z0-9_.~:+-]")


def run_folder(run_id: str) -> str:
    """Return the name of a run's folder: Airflow's run ids as they are, others without what a path cannot hold.

    Two different ids never share a folder.
    """
    name = _UNSAFE.sub("_", run_id)[:180]
    if name != run_id or not name or name.startswith("."):
        name = f"{name.lstrip('.')}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"
    return name


def _copy(picture: PictureView, media_dir: Path, target: Path) -> bool:
    if target.exists():
        return True
    try:
        shrink(media_path(media_dir, picture.sha256), target, size=(picture.width, picture.height))
    except PermanentError as error:
        log.warning("%s: the page shows no picture: %s", picture.record.id, error)
        return False
    return True


def write_report(engine: sa.Engine, run_id: str | None, out_dir: Path, media_dir: Path) -> Path:
    """Write the page of a run with small copies of its pictures; writing it again replaces the page.

    A picture whose file is missing or broken does not stop the report: the page says so in its place.

    Args:
        engine: the store.
        run_id: which run; None for the newest enrichment.
        out_dir: folder of all runs.
        media_dir: the media folder.

    Returns:
        The page, ``<out_dir>/<run>/index.html``.

    Raises:
        InputError: the store has no such run.
    """
    view = run_view(engine, run_id)
    if view.run is None:
        raise InputError("runs", "id", run_id, "the store has no such run" if run_id else "the store has no run yet")
    folder = out_dir / run_folder(view.run.id)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    by_hash = {picture.sha256: picture for picture in view.pictures}
    shown = {
        sha256
        for sha256, picture in track(by_hash.items(), "Copying pictures for the page", total=len(by_hash))
        if _copy(picture, media_dir, pictures / f"{sha256}.jpg")
    }

    def run_url(other: str) -> str | None:
        name = run_folder(other)
        here = name == folder.name or (out_dir / name / "index.html").exists()
        return f"../{quote(name)}/index.html" if here else None

    links = Links(
        picture=lambda sha256: f"pictures/{sha256}.jpg" if sha256 in shown else None,
        run=run_url,
    )
    page = folder / "index.html"
    temporary = folder / ".index.html.part"
    temporary.write_text(render_run(view, links), encoding="utf-8")
    temporary.replace(page)
    return page
