"""Transfers that go wrong: cut in the middle, damaged on the way, no room. This machine stands for the cluster."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sgob_tasks.cluster.files import ATTEMPTS, StorageFullError
from sgob_tasks.cluster.jobdir import Job, fetch, stage, write_job_file
from sgob_tasks.cluster.shell import DEFAULT_TIMEOUT_S, CommandResult
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.errors import PermanentError, TransientError

CONTENT = bytes(range(256)) * 4000
HALF = len(CONTENT) // 2


class Faulty(LocalTransport):
    """Copies for real; the first ``cuts`` copies of the large file stop at its half."""

    def __init__(self, cuts: int = 0, damage: int = 0) -> None:
        super().__init__()
        self.cuts, self.damage = cuts, damage
        self.offsets: list[int] = []

    def _faulty(self, source: Path, target: Path, offset: int, copy: Callable[[], None]) -> None:
        if source.stat().st_size != len(CONTENT):
            copy()
            return
        self.offsets.append(offset)
        if self.cuts:
            self.cuts -= 1
            with target.open("r+b" if target.exists() else "wb") as file:
                file.seek(offset)
                file.write(source.read_bytes()[offset : max(HALF, offset)])
            raise TransientError("the connection broke")
        copy()
        if self.damage:
            self.damage -= 1
            with target.open("r+b") as file:
                file.write(b"damaged")

    def _upload(self, local: Path, remote: str, offset: int) -> None:
        self._faulty(local, Path(remote), offset, lambda: LocalTransport._upload(self, local, remote, offset))

    def _download(self, remote: str, local: Path, offset: int) -> None:
        self._faulty(Path(remote), local, offset, lambda: LocalTransport._download(self, remote, local, offset))


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    (folder / "input").mkdir(parents=True)
    (folder / "input" / "shard").write_bytes(CONTENT)
    (folder / "input" / "small").write_bytes(b"small")
    return folder


def test_a_cut_transfer_goes_on_where_it_stopped(local: Path, tmp_path: Path) -> None:
    transport = Faulty(cuts=1)
    report = transport.put_tree(local / "input", f"{tmp_path}/remote")
    assert transport.offsets == [0, HALF]
    assert (tmp_path / "remote" / "shard").read_bytes() == CONTENT
    assert report.size == len(CONTENT) - HALF + len(b"small"), "only what was missing"


def test_a_later_process_goes_on_as_well(local: Path, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="broke"):
        Faulty(cuts=ATTEMPTS).put_tree(local / "input", f"{tmp_path}/remote")
    assert [path.suffix for path in (tmp_path / "remote").glob("shard*")] == [".part"], "nothing has its name yet"
    transport = Faulty()
    transport.put_tree(local / "input", f"{tmp_path}/remote")
    assert transport.offsets == [HALF]
    assert {path.name for path in (tmp_path / "remote").iterdir()} == {"shard", "small"}


def test_what_was_begun_of_another_content_is_not_continued(local: Path, tmp_path: Path) -> None:
    with pytest.raises(TransientError):
        Faulty(cuts=ATTEMPTS).put_tree(local / "input", f"{tmp_path}/remote")
    (local / "input" / "shard").write_bytes(CONTENT[::-1])
    transport = Faulty()
    transport.put_tree(local / "input", f"{tmp_path}/remote")
    assert transport.offsets == [0]
    assert (tmp_path / "remote" / "shard").read_bytes() == CONTENT[::-1]


def test_a_half_that_is_too_long_is_sent_from_the_beginning(local: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()[:16]
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / f"shard.{digest}.part").write_bytes(CONTENT + b"more")
    LocalTransport().put_tree(local / "input", f"{tmp_path}/remote")
    assert (tmp_path / "remote" / "shard").read_bytes() == CONTENT


def test_a_wrong_checksum_on_arrival_is_sent_again(local: Path, tmp_path: Path) -> None:
    transport = Faulty(damage=1)
    transport.put_tree(local / "input", f"{tmp_path}/remote")
    assert transport.offsets == [0, 0], "the damaged half was dropped"
    assert (tmp_path / "remote" / "shard").read_bytes() == CONTENT


def test_a_checksum_that_stays_wrong_never_gets_the_name(local: Path, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="did not arrive as they were sent"):
        Faulty(damage=ATTEMPTS).put_tree(local / "input", f"{tmp_path}/remote")
    assert not (tmp_path / "remote" / "shard").exists()
    assert not (tmp_path / "remote" / "small").exists(), "nothing gets its name before everything was right"


def test_a_job_is_complete_last(local: Path, tmp_path: Path) -> None:
    write_job_file(local, Job("k", "infer"))
    with pytest.raises(TransientError):
        stage(Faulty(cuts=ATTEMPTS), local, f"{tmp_path}/jobs/k")
    assert not (tmp_path / "jobs" / "k" / "job.json").exists()
    stage(Faulty(), local, f"{tmp_path}/jobs/k")
    assert (tmp_path / "jobs" / "k" / "job.json").exists()
    assert stage(Faulty(), local, f"{tmp_path}/jobs/k").sent == 0


def test_chosen_entries_arrive_in_their_order(local: Path, tmp_path: Path) -> None:
    class Watched(LocalTransport):
        """Notes the order in which files are copied."""

        seen: tuple[str, ...] = ()

        def _download(self, remote: str, local: Path, offset: int) -> None:
            self.seen += (remote.rpartition("/")[2],)
            super()._download(remote, local, offset)

    transport = Watched()
    for name in ("one", "two", "three"):
        (local / name).write_text(name)
    transport.put_tree(local, f"{tmp_path}/remote", only=("two", "input", "gone", "one"), folders=("empty", "a/b"))
    remote = tmp_path / "remote"
    names = {path.relative_to(remote).as_posix() for path in remote.rglob("*")}
    assert names == {"two", "input", "input/shard", "input/small", "one", "empty", "a", "a/b"}
    report = transport.get_tree(str(remote), tmp_path / "back", only=("two", "gone", "input"))
    assert (report.sent, transport.seen) == (3, ("two", "shard", "small"))
    assert transport.get_tree(str(remote), tmp_path / "back", only=()).sent == 0


def test_results_that_were_cut_go_on_as_well(local: Path, tmp_path: Path) -> None:
    results = tmp_path / "remote" / "results"
    results.mkdir(parents=True)
    (results / "0000.jsonl").write_bytes(CONTENT)
    transport = Faulty(cuts=1)
    report = fetch(transport, f"{tmp_path}/remote", tmp_path / "here", ("results",))
    assert transport.offsets == [0, HALF]
    assert (report.sent, report.size) == (1, len(CONTENT) - HALF)
    assert (tmp_path / "here" / "results" / "0000.jsonl").read_bytes() == CONTENT
    assert len(list((tmp_path / "here" / "results").iterdir())) == 1


def test_damaged_results_are_fetched_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "file").write_bytes(CONTENT)
    transport = Faulty(damage=1)
    transport.get(f"{tmp_path}/remote/file", tmp_path / "file")
    assert transport.offsets == [0, 0]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_no_room_is_said_at_once_and_takes_none(local: Path, tmp_path: Path) -> None:
    """/dev/full answers every write as a full disk does."""
    digest = hashlib.sha256(CONTENT).hexdigest()[:16]
    (tmp_path / "remote").mkdir()
    part = tmp_path / "remote" / f"shard.{digest}.part"
    part.symlink_to("/dev/full")
    transport = Faulty()
    with pytest.raises(StorageFullError, match=r"No space left on device.*%"):
        transport.put(local / "input" / "shard", f"{tmp_path}/remote/shard")
    assert transport.offsets == [0], "a full disk is not tried again at once"
    assert not part.is_symlink(), "the half does not stay in the way"


class Full(LocalTransport):
    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        if "mkdir" in command:
            return CommandResult(1, "", "mkdir: cannot create directory '/x': Disk quota exceeded")
        return super().run(command, timeout_s)


def test_a_full_quota_is_transient_and_says_so(local: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageFullError, match="quota"):
        Full().put_tree(local, f"{tmp_path}/remote")


def test_a_folder_that_may_not_be_made_is_permanent(local: Path) -> None:
    with pytest.raises(PermanentError, match="mkdir"):
        LocalTransport().put_tree(local, "/proc/1/nothing")


@pytest.mark.parametrize("perl", [True, False])
def test_names_arrive_as_they_are_with_and_without_perl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, perl: bool
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ["cut", "df", "find", "mkdir", "mv", "rm", "sha256sum", "stat", "xargs", *(["perl"] if perl else [])]:
        found = shutil.which(name)
        assert found is not None, name
        (programs / name).symlink_to(found)
    folder = tmp_path / "local"
    names = ["plain.jpg", "two words", "it's $(touch x) `x`", "-rf", "a.part.b", "deep/er/.hidden", "Ünïcode;*?[a]"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    monkeypatch.setenv("PATH", str(programs))
    report = LocalTransport().put_tree(folder, str(tmp_path / "remote"))
    assert report.sent == len(names)
    there = {path.relative_to(tmp_path / "remote").as_posix(): path for path in (tmp_path / "remote").rglob("*")}
    assert {name: path.read_text() for name, path in there.items() if path.is_file()} == {name: name for name in names}
