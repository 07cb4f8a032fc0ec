"""``sgob site``: sites as data, checked against their clusters."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from typing import Any

_CHECK = """\
Log in to the configured site and report what would fail: host key and login, login shell, clock, Slurm's commands and
version, its limits against the site's values (MinJobAge, MaxArraySize, MaxJobCount, KillWait), accounting, partition,
constraint, GPUs, cores, memory, nodes, time limits, account and qos, Slurm's judgement (sbatch --test-only), folders,
room and quotas, prelude, launcher, Python with TensorFlow, Horovod and pycocotools, and the way of the files.
Two commands and one small file that is removed; nothing else is changed there. With --job, a job of one minute goes
through the normal life cycle too. Exit code 1 when a check failed."""


def add_site_verbs(site: argparse.ArgumentParser) -> None:
    """Add the verbs below ``sgob site``."""
    verbs = site.add_subparsers(dest="action", metavar="ACTION", required=True)

    def verb(name: str, text: str, *, needs_name: bool = False, named: bool = True) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name,
            help=text.split(": ", 1)[0].splitlines()[0],
            description=text[0].upper() + text[1:] + ("" if text.endswith(".") else "."),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        if named:
            help_text = "of the site" if needs_name else "of the site (default: cluster.site of the settings)"
            sub.add_argument("name", metavar="NAME", nargs=None if needs_name else "?", help=help_text)
        return sub

    verb("list", "list the sites there are", named=False)
    verb("show", "show a site's effective values and where each comes from: default, file, overlay, environment")
    verb("new", "write the commented template of a new site to $SGOB_HOME/sites/NAME.toml", needs_name=True)
    check = verb("check", _CHECK)
    check.add_argument("--job", action="store_true", help="also run a job of one minute on a node")
    clean = verb(
        "clean",
        "delete on the cluster what the policy lets go (keep_succeeded_days, keep_failed_days, keep_code_days):\n"
        "directories of jobs that the ledger has closed, and deployed code that nothing uses",
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would be deleted")


def run_site_verb(parsed: argparse.Namespace) -> Any:
    """Run one of the verbs; sets ``parsed.exit_code`` to 1 where a check or a deletion failed."""
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import site

    settings = load_settings()
    if parsed.action == "list":
        return _listed(site.list_sites(settings), as_json=parsed.json)
    if parsed.action == "show":
        shown = site.show(settings, parsed.name)
        return shown if parsed.json else _shown(shown)
    if parsed.action == "new":
        return site.new(settings, parsed.name)
    if parsed.action == "check":
        checked = site.check(settings, parsed.name, job=parsed.job)
        parsed.exit_code = int(checked["status"] == "failed")
        return checked if parsed.json else _checked(checked)
    cleaned = site.clean(settings, parsed.name, dry_run=parsed.dry_run)
    parsed.exit_code = int(bool(cleaned["failed"]))
    return cleaned if parsed.json else _cleaned(cleaned)


def _listed(sites: dict[str, Any], *, as_json: bool) -> Any:
    if as_json:
        return sites
    rows = []
    for name, files in sites.items():
        places = " + ".join(path for path in (files["file"], files["overlay"]) if path)
        rows.append(f"{'*' if files['configured'] else ' '} {name:<16} {places}")
    return "\n".join([*rows, "* configured (cluster.site)"])


def _shown(shown: dict[str, Any]) -> str:
    rows = []
    names = {path: f"file {number}" for number, path in enumerate(shown["files"], 1)}
    for field, row in shown["values"].items():
        if not row["value"] and row["origin"] == "default":
            continue
        origin = row["origin"]
        for path, short in names.items():
            origin = origin.replace(f"file {path}", short).replace(path, short)
        mark = "  (unverified)" if row["unverified"] else ""
        rows.append(f"{field:<34} {json.dumps(row['value'], ensure_ascii=False):<40} {origin}{mark}")
    head = [f"{short}: {path}" for path, short in names.items()]
    problem = [f"not complete: {shown['problem']}"] if shown["problem"] else []
    return "\n".join([*head, "", *rows, *problem])


def _checked(checked: dict[str, Any]) -> str:
    width = min(max(shutil.get_terminal_size().columns, 80), 140)
    rows = []
    for finding in checked["findings"]:
        text = f"{finding['status']:<8} {finding['check']:<26} {finding['found']}"
        if finding["expected"] and finding["status"] != "ok":
            text += f"; should be: {finding['expected']}"
        rows.append(textwrap.fill(text, width, subsequent_indent=" " * 36, break_on_hyphens=False))
        if finding["action"]:
            rows.append(
                textwrap.fill("-> " + finding["action"], width, initial_indent=" " * 36, subsequent_indent=" " * 39)
            )
    counts = {
        status: sum(one["status"] == status for one in checked["findings"]) for status in ("ok", "warning", "failed")
    }
    total = ", ".join(f"{count} {status}" for status, count in counts.items())
    return "\n".join([*rows, f"{checked['site']}: {checked['status']} ({total})"])


def _cleaned(cleaned: dict[str, Any]) -> str:
    word = "would delete" if cleaned["dry_run"] else "deleted"
    rows = [f"{word} {path}: {reason}" for path, reason in cleaned["deleted"].items()]
    rows += [f"failed {path}: {reason}" for path, reason in cleaned["failed"].items()]
    rows += [f"kept {path}: {reason}" for path, reason in cleaned["kept"].items()]
    return "\n".join([*rows, f"{word} {len(cleaned['deleted'])} folders, {cleaned['bytes'] / 1e6:.1f} MB"])
