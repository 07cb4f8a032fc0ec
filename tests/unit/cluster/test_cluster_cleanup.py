"""What may be deleted on a cluster: planned from the ledger, deleted for real in a folder of this machine."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.shell import CommandResult
from sgob_tasks.cluster.sites import cleanup
from sgob_tasks.cluster.sites.cleanup import Decision, Listing, plan_code, plan_jobs
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.errors import InputError, TransientError

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SITE = Site("here", "/scratch/sgob", "/p", keep_succeeded_days=7, keep_failed_days=30, keep_code_days=30)
DAY_S = 86400.0


def record(
    key: str, state: str = "succeeded", days: float | None = 10, site: Site = SITE, **changes: object
) -> JobRecord:
    ended = NOW - timedelta(days=days) if days is not None else None
    made = JobRecord(key, site.name, "me", state, f"{site.root}/jobs/{key}", ended_at=ended)
    return replace(made, **changes)  # type: ignore[arg-type] # fields of the record


def decide(records: list[JobRecord], *names: str, fetched: bool = True) -> dict[str, bool]:
    listing = Listing(dict.fromkeys(names, 0.0), {}, {})
    return {one.name: one.delete for one in plan_jobs(SITE, listing, records, NOW, lambda _: fetched)}


@pytest.mark.parametrize(
    ("made", "goes"),
    [
        (record("k"), True),
        (record("k", days=6.9), False),
        (record("k", "failed"), False),
        (record("k", "failed", 31), True),
        (record("k", "cancelled", 31), True),
        (record("k", "lost", 31), True),
        (record("k", "running", None), False),
        (record("k", "submitted", 99), False),
        (record("k", "intended", None), False),
        (record("k", ended_at=None), False),
        (record("k", cluster="elsewhere"), False),
        (record("k", run_dir="/scratch/other/jobs/k"), False),
        (record("another"), False),
    ],
)
def test_only_closed_jobs_of_ours_that_are_old_go(made: JobRecord, goes: bool) -> None:
    assert decide([made], "k") == {"k": goes}


def test_results_that_were_not_fetched_stay() -> None:
    assert decide([record("k")], "k", fetched=False) == {"k": False}
    assert decide([record("k", "failed", 40)], "k", fetched=False) == {"k": True}


def test_code_in_use_stays() -> None:
    names = [f"{number:016x}" for number in range(6)]
    listing = Listing(
        {}, dict.fromkeys(names, 100 * DAY_S), {names[2]: frozenset({"job-a"}), names[3]: frozenset({"b"})}
    )
    listing.code[names[5]] = DAY_S  # type: ignore[index] # a dict
    records = [record("x", "running", None, details={"code": f"/scratch/sgob/code/{names[1]}"})]
    plan = {one.name: one.delete for one in plan_code(SITE, listing, records, names[0], going=["b"])}
    assert plan == dict(zip(names, [False, False, False, True, True, False], strict=True))


def test_half_made_code_goes_when_nobody_makes_it_any_more() -> None:
    old, young = ".00000000000000aa-12345678", ".00000000000000ab-12345678"
    listing = Listing({}, {old: 2 * DAY_S, young: 60.0, "notes": 900 * DAY_S}, {})
    assert {one.name: one.delete for one in plan_code(SITE, listing, [], "0" * 16)} == {
        old: True,
        young: False,
        "notes": False,
    }


@given(st.sampled_from(["intended", "submitted", "running"]), st.floats(0, 10_000), st.booleans())
def test_an_open_job_never_goes(state: str, days: float, fetched: bool) -> None:
    assert decide([record("k", state, days)], "k", fetched=fetched) == {"k": False}


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../x", "-rf", "a b", "$(id)", "", ".removed-", ".hidden"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        cleanup.delete_command(SITE, Decision("jobs", name, True, ""), "abc")


def test_half_an_answer_concludes_nothing() -> None:
    with pytest.raises(TransientError, match="cannot list"):
        cleanup.parse_listing(CommandResult(0, "@@sgob begin now\n1\n@@sgob end now 0\n"))


class Scratch:
    """A cluster's folders on this machine."""

    def __init__(self, folder: Path) -> None:
        self.site = replace(SITE, root=str(folder / "scratch" / "sgob"))
        self.root = Path(self.site.root)
        (self.root / "jobs").mkdir(parents=True)
        (self.root / "code").mkdir()
        self.records: list[JobRecord] = []

    def job(self, key: str, state: str = "succeeded", days: float | None = 10, code: str = "") -> Path:
        folder = self.root / "jobs" / key
        (folder / "submitted").mkdir(parents=True)
        (folder / "submitted" / ".lock").touch()
        (folder / "submitted" / "1.sbatch").write_text(f"export PYTHONPATH={self.root}/code/{code}\n")
        (folder / "results").mkdir()
        (folder / "results" / "0000.jsonl").write_bytes(b"x" * 5000)
        self.records.append(record(key, state, days, self.site))
        return folder

    def code(self, name: str, days: float) -> Path:
        folder = self.root / "code" / name
        folder.mkdir()
        (folder / "file").touch()
        then = time.time() - days * DAY_S
        os.utime(folder, (then, then))
        return folder

    def clean(self, *, dry_run: bool = False, current: str = "f" * 16) -> dict[str, object]:
        return cleanup.clean(self.site, LocalTransport(), lambda: self.records, current, "abc123", NOW, dry_run=dry_run)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def left(scratch: Scratch) -> set[str]:
    return {
        path.relative_to(scratch.root).as_posix()
        for area in ("jobs", "code")
        for path in (scratch.root / area).iterdir()
    }


def test_clean_deletes_what_is_planned_and_nothing_else(scratch: Scratch) -> None:
    scratch.job("old", code="a" * 16)
    scratch.job("young", days=1, code="b" * 16)
    scratch.job("open", "running", None, code="c" * 16)
    scratch.job("failed", "failed")
    (scratch.root / "jobs" / "stranger").mkdir()
    for name in "abcdf":
        scratch.code(name * 16, 100)
    (scratch.root / "notes.txt").touch()
    before = left(scratch)
    tried = scratch.clean(dry_run=True)
    assert left(scratch) == before
    done = scratch.clean()
    assert set(done["deleted"]) == set(tried["deleted"]) == {"jobs/old", f"code/{'a' * 16}", f"code/{'d' * 16}"}  # type: ignore[call-overload] # a dict
    assert left(scratch) == before - set(done["deleted"])  # type: ignore[call-overload] # a dict
    assert done["bytes"] >= 5000  # type: ignore[operator] # a number
    assert (scratch.root / "notes.txt").exists()
    assert scratch.clean()["deleted"] == {}


def test_links_are_neither_followed_nor_deleted(scratch: Scratch, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "submitted").mkdir(parents=True)
    (precious / "data").touch()
    job = scratch.job("old")
    (job / "results" / "link").symlink_to(precious)
    (job / "results" / "up").symlink_to("../../..")
    (scratch.root / "jobs" / "linked").symlink_to(precious)
    scratch.records.append(record("linked", site=scratch.site))
    done = scratch.clean()
    assert list(done["deleted"]) == ["jobs/old"]  # type: ignore[call-overload] # a dict
    assert (precious / "data").exists()
    assert (scratch.root / "jobs" / "linked").is_symlink()


def test_a_jobs_folder_that_is_a_link_is_left_alone(scratch: Scratch, tmp_path: Path) -> None:
    scratch.job("old")
    (scratch.root / "jobs").rename(tmp_path / "elsewhere")
    (scratch.root / "jobs").symlink_to(tmp_path / "elsewhere")
    assert scratch.clean()["deleted"] == {}
    assert (tmp_path / "elsewhere" / "old").exists()
    command = cleanup.delete_command(scratch.site, Decision("jobs", "old", True, ""), "abc")
    assert LocalTransport().run(command).exit_code == 1
    assert (tmp_path / "elsewhere" / "old").exists()


def test_a_lock_that_is_a_link_is_not_written_through(scratch: Scratch, tmp_path: Path) -> None:
    lock = scratch.job("old") / "submitted" / ".lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "made-by-us")
    assert list(scratch.clean()["deleted"]) == ["jobs/old"]  # type: ignore[call-overload] # a dict
    assert not (tmp_path / "made-by-us").exists()


def test_a_job_that_is_being_submitted_stays(scratch: Scratch) -> None:
    import fcntl

    folder = scratch.job("old")
    with (folder / "submitted" / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert scratch.clean()["failed"] == {"jobs/old": "is being submitted right now"}
    assert (folder / "results").exists()


def test_a_job_that_came_to_life_meanwhile_stays(scratch: Scratch) -> None:
    folder = scratch.job("old")
    answers = iter([list(scratch.records), [record("old", "running", None, scratch.site)]])
    done = cleanup.clean(scratch.site, LocalTransport(), lambda: next(answers), "f" * 16, "abc", NOW)
    assert done["failed"] == {"jobs/old": "was submitted again meanwhile"}
    assert folder.exists()


def test_an_interrupted_deletion_is_finished(scratch: Scratch) -> None:
    (scratch.root / "jobs" / ".removed-old-abc" / "deep").mkdir(parents=True)
    assert list(scratch.clean()["deleted"]) == ["jobs/.removed-old-abc"]  # type: ignore[call-overload] # a dict
    assert left(scratch) == set()


def test_a_root_without_folders_has_nothing_to_clean(tmp_path: Path) -> None:
    site = replace(SITE, root=str(tmp_path))
    assert cleanup.clean(site, LocalTransport(), list, "f" * 16, "abc", NOW)["deleted"] == {}
    with pytest.raises(TransientError):
        cleanup.clean(replace(SITE, root=f"{tmp_path}/missing"), LocalTransport(), list, "f" * 16, "abc", NOW)
