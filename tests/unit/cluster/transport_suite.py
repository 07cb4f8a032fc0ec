"""What every transport has to do: one suite, run here over this machine and in tests/integration over a real sshd."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sgob_tasks.cluster.shell import Transport, combine, split
from sgob_tasks.errors import AmbiguousError, InputError, PermanentError


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {
    "a.txt": b"one",
    "deep/er/b.bin": bytes(range(256)) * 1000,
    "empty": b"",
    "with space/it's $HOME.txt": b"quoted",
    "grüße.txt": "ü".encode(),
    "-dash": b"-",
}


class TransportSuite:
    """Needs the fixtures ``transport`` and ``remote`` (an empty folder there, absolute path)."""

    def test_run_gives_code_and_both_outputs(self, transport: Transport) -> None:
        result = transport.run("echo out; echo err >&2; exit 7")
        assert (result.exit_code, result.stdout, result.stderr) == (7, "out\n", "err\n")

    def test_run_takes_much_output(self, transport: Transport) -> None:
        result = transport.run("seq 300000; seq 100000 >&2")
        assert result.stdout.count("\n") == 300_000
        assert result.stderr.count("\n") == 100_000

    def test_run_that_takes_too_long_is_ambiguous(self, transport: Transport) -> None:
        with pytest.raises(AmbiguousError, match="no answer within"):
            transport.run("sleep 30", timeout_s=0.5)
        assert transport.run("echo still here").stdout == "still here\n"

    def test_sections_come_back_apart(self, transport: Transport) -> None:
        result = transport.run(
            "echo banner; "
            + combine({"first": "echo a; echo '@@sgob begin x'", "second": "exit_code() { return 3; }; exit_code"})
        )
        sections = split(result.stdout)
        assert sections["second"].exit_code == 3
        assert "banner" not in sections["second"].stdout

    def test_tree_there_and_back(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        local = write(tmp_path / "local", FILES)
        report = transport.put_tree(local, f"{remote}/tree")
        assert (report.sent, report.skipped) == (len(FILES), 0)
        assert report.size == sum(len(content) for content in FILES.values())
        back = transport.get_tree(f"{remote}/tree", tmp_path / "back")
        assert (back.sent, back.skipped) == (len(FILES), 0)
        assert read(tmp_path / "back") == FILES

    def test_what_is_the_same_is_not_copied_again(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        local = write(tmp_path / "local", FILES)
        transport.put_tree(local, f"{remote}/tree")
        (local / "a.txt").write_bytes(b"two")
        report = transport.put_tree(local, f"{remote}/tree")
        assert (report.sent, report.skipped, report.size) == (1, len(FILES) - 1, 3)
        transport.get_tree(f"{remote}/tree", tmp_path / "back")
        (tmp_path / "back" / "empty").write_bytes(b"x")
        back = transport.get_tree(f"{remote}/tree", tmp_path / "back")
        assert (back.sent, back.skipped) == (1, len(FILES) - 1)
        assert read(tmp_path / "back") == {**FILES, "a.txt": b"two"}

    def test_a_lost_or_damaged_remote_file_is_sent_again(
        self, transport: Transport, remote: str, tmp_path: Path
    ) -> None:
        local = write(tmp_path / "local", {f"{number:03d}": bytes([number]) for number in range(40)})
        transport.put_tree(local, f"{remote}/tree")
        transport.run(f"rm {remote}/tree/007; echo broken > {remote}/tree/011")
        report = transport.put_tree(local, f"{remote}/tree")
        assert (report.sent, report.skipped) == (2, 38)
        assert transport.run(f"cat {remote}/tree/011").stdout == "\x0b"

    def test_nothing_half_made_is_left(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        transport.put_tree(write(tmp_path / "local", FILES), f"{remote}/tree")
        assert transport.run(f"find {remote} -name '*.part'").stdout == ""
        transport.run(f"echo half > {remote}/tree/later.part")
        transport.get_tree(f"{remote}/tree", tmp_path / "back")
        assert "later.part" not in read(tmp_path / "back")

    def test_links_are_followed_on_the_way_out(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        store = write(tmp_path / "store", {"picture": b"pixels"})
        (tmp_path / "local").mkdir()
        (tmp_path / "local" / "link").symlink_to(store / "picture")
        os.link(store / "picture", tmp_path / "local" / "hard")
        transport.put_tree(tmp_path / "local", f"{remote}/tree")
        assert transport.run(f"cat {remote}/tree/link {remote}/tree/hard").stdout == "pixelspixels"

    def test_one_file(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        write(tmp_path, {"one": b"1"})
        assert transport.put(tmp_path / "one", f"{remote}/new/folder/uno").sent == 1
        assert transport.put(tmp_path / "one", f"{remote}/new/folder/uno").skipped == 1
        assert transport.get(f"{remote}/new/folder/uno", tmp_path / "back").sent == 1
        assert (tmp_path / "back").read_bytes() == b"1"

    def test_a_folder_that_is_not_there_has_no_files(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        assert transport.get_tree(f"{remote}/nothing", tmp_path / "back").sent == 0

    def test_a_file_that_is_not_there_is_permanent(self, transport: Transport, remote: str, tmp_path: Path) -> None:
        with pytest.raises(PermanentError, match="no file"):
            transport.get(f"{remote}/nothing", tmp_path / "back")

    @pytest.mark.parametrize("path", ["relative", "/", "/a/../b", "/a\nb"])
    def test_dangerous_paths_are_refused(self, transport: Transport, tmp_path: Path, path: str) -> None:
        write(tmp_path, {"one": b"1"})
        with pytest.raises(InputError, match="remote path"):
            transport.put_tree(tmp_path, path)

    def test_names_that_no_checksum_list_can_hold_are_refused(
        self, transport: Transport, remote: str, tmp_path: Path
    ) -> None:
        write(tmp_path / "local", {"line\nbreak": b"1"})
        with pytest.raises(InputError, match="line break"):
            transport.put_tree(tmp_path / "local", f"{remote}/tree")
