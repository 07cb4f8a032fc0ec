"""Hostile values in keys, site values and paths: quoted or refused wherever they reach a script or a shell."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.files import check_remote
from sgob_tasks.cluster.jobdir import Job, observe_command
from sgob_tasks.cluster.shell import combine, split
from sgob_tasks.cluster.sites import cleanup
from sgob_tasks.cluster.sites.probe import greeting_command, probe_command
from sgob_tasks.cluster.sites.rules import LISTS, TEXTS
from sgob_tasks.cluster.sites.site import Layer, Resources, Site, make_site
from sgob_tasks.cluster.slurm import cancel_command, check_name, queue_command
from sgob_tasks.cluster.submit import locked_submit_command
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.errors import InputError

BITS = [
    " ", "'", '"', "\n", "\r", "\t", "$(touch canary)", "`touch canary`", ";touch canary;", "&& touch canary",
    "| touch canary", "-", "--", "-rf", "..", "/", "\\", "%", "#", "*", "~", "$HOME", "!", "\x00", "\x1b[2J", "ü", "٣",
    "\u2028", "\x1e", "{ranks}", "{{ 7 }}", "{% raw %}", "a", "0", ".",
]  # fmt: skip
hostile = st.lists(st.sampled_from(BITS), min_size=1, max_size=6).map("".join) | st.text(max_size=12)
BASE = {"name": "test", "root": "/scratch/sgob", "python": "/opt/env/bin/python"}
JOB = BatchJob("k.1", "c", "/scratch/sgob/jobs/k", "/scratch/sgob/code/x", 1, (0,))
# Shells take their time on a busy machine.
calm = settings(deadline=None, max_examples=60)


def bash_words(text: str) -> list[str]:
    """Return the words that bash makes of a line."""
    script = f"for w in {text}; do printf '%s\\0' \"$w\"; done"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


def comments_are_options(script: str) -> bool:
    """Tell whether every line before the first command is an option, and no option stands behind it."""
    lines = script.split("\n")
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    return lines[first].startswith("run_dir=") and not any(line.startswith("#SBATCH") for line in lines[first:])


@calm
@given(hostile)
def test_a_job_key_is_a_plain_name_or_refused(key: str) -> None:
    try:
        check_name(key)
    except InputError:
        for command in (queue_command, cancel_command):
            with pytest.raises(InputError):
                command([key] if command is queue_command else key)  # type: ignore[operator,arg-type] # either of two
        with pytest.raises(InputError):
            Job(key, "infer")
        with pytest.raises(InputError):
            Site("t", "/a/b", "/p").job_dir(key)
    else:
        assert shlex.quote(key) == key
        assert not key.startswith(("-", "."))
        assert Site("t", "/a/b", "/p").job_dir(key).removeprefix("/a/b/jobs/") == key


@calm
@given(st.sampled_from(sorted(TEXTS)), hostile)
def test_a_text_of_a_site_is_harmless_or_refused(field: str, text: str) -> None:
    try:
        site = make_site([Layer("file", "f", {**BASE, field: text})])
    except InputError as error:
        assert error.field == field  # noqa: PT017 - both ends are fine
        return
    script = render("train", JOB, site, Resources(gpus_per_node=1))
    assert comments_are_options(script)
    assert subprocess.run(["/bin/bash", "-n"], input=script.encode(), check=False).returncode == 0
    for line in script.splitlines():
        # What stands in an option needs no quotes: sbatch takes them apart in its own way.
        if line.startswith("#SBATCH") and "--comment" not in line:
            assert not set(line) & set("'\"\\$`"), line
    assert ".." not in site.root.split("/")
    assert "%" not in site.root


@calm
@given(st.sampled_from(sorted(LISTS - {"unverified"})), st.lists(hostile, min_size=1, max_size=3))
def test_a_list_of_a_site_stays_in_its_lines_or_is_refused(field: str, items: list[str]) -> None:
    try:
        site = make_site([Layer("file", "f", {**BASE, field: items})])
    except InputError as error:
        assert error.field == field  # noqa: PT017 - both ends are fine
        return
    script = render("train", JOB, site, Resources())
    if field == "directives":
        assert comments_are_options(script)
    if field == "launcher":
        line = next(line for line in script.split("\n") if line.startswith("run "))
        words = [item.replace("{ranks}", "1") for item in items]
        assert bash_words(line.partition(" -m sgob_tasks")[0])[1:] == [*words, site.python]
    assert all(item in script for item in site.prelude), "the prelude is shell, as it stands"


@calm
@given(st.text(max_size=8) | st.sampled_from(["A", "A B", "A;touch x", "A=1", "-x", "Ü", "1A", ""]), hostile)
def test_a_variable_of_a_site_is_quoted_or_refused(name: str, text: str) -> None:
    try:
        site = make_site([Layer("file", "f", {**BASE, "environment": {name: text}})])
    except InputError:
        return
    script = render("infer", JOB, site, Resources())
    exported = next(line for line in script.split("\n") if line.startswith(f"export {name}="))
    assert bash_words(exported.removeprefix("export ")) == [f"{name}={text}"]


@calm
@given(text=hostile)
def test_what_a_batch_job_carries_is_quoted_or_refused(text: str) -> None:
    try:
        script = render("infer", replace(JOB, comment=text, code=f"/c/{text}"), Site(**BASE), Resources())
    except InputError:
        return
    assert comments_are_options(script)
    exported = next(line for line in script.split("\n") if line.startswith("export PYTHONPATH="))
    assert bash_words(exported.removeprefix("export "))[0] == f"PYTHONPATH=/c/{text}"


@calm
@given(st.lists(hostile, min_size=1, max_size=2))
def test_the_outputs_of_a_job_are_paths_below_it_or_refused(names: list[str]) -> None:
    try:
        job = Job("k", "infer", outputs=tuple(names))
    except InputError:
        return
    for name in job.outputs or ():
        assert not name.startswith(("/", "-"))
        assert ".." not in name.split("/")
    assert subprocess.run(
        ["/bin/bash", "-n"], input=observe_command("/r", "k.1", 1, job.outputs or ()).encode(), check=False
    ).returncode == 0  # fmt: skip


@calm
@given(hostile)
def test_a_remote_path_stays_below_its_root_or_is_refused(text: str) -> None:
    root = "/scratch/sgob"
    for path in (f"{root}/{text}", text, f"{root}{text}", f"/{text}"):
        try:
            check_remote(path, root)
        except InputError:
            continue
        resolved = Path("/")
        for part in path.split("/"):
            resolved = resolved.parent if part == ".." else resolved / part if part else resolved
        assert root in {str(parent) for parent in resolved.parents}
        assert path.isprintable() or not any(ord(character) < 32 for character in path)


@pytest.mark.parametrize(
    "path", ["/scratch/sgobx/a", "/scratch/sgob", "/scratch", "/scratch/sgob/../x", "/scratch/./sgob"]
)
def test_paths_beside_the_root_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="remote path"):
        check_remote(path, "/scratch/sgob")


@calm
@given(data=st.data())
def test_hostile_names_cross_a_real_shell_unharmed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    name = data.draw(hostile)
    assume(
        "/" not in name
        and name not in {"", ".", ".."}
        and "\x00" not in name
        and len(name.encode(errors="ignore")) < 150
    )
    try:
        name.encode()
    except UnicodeEncodeError:
        assume(False)
    source = folder / "local"
    source.mkdir()
    (source / name).write_bytes(b"content")
    root = folder / "it's the $(touch canary) root"
    root.mkdir()
    transport = LocalTransport(str(root))
    try:
        report = transport.put_tree(source, f"{root}/tree")
    except InputError:
        return
    assert report.sent + report.skipped == 1 or name.endswith(".part")
    transport.get_tree(f"{root}/tree", folder / "back")
    if report.sent and not name.startswith("."):
        assert (folder / "back" / name).read_bytes() == b"content"
    assert not list(folder.rglob("canary"))
    assert not Path("canary").exists()


def test_transfers_out_of_the_root_are_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "one").write_text("1")
    transport = LocalTransport(str(tmp_path / "root"))
    calls: list[Any] = [
        lambda: transport.put(tmp_path / "one", f"{tmp_path}/two"),
        lambda: transport.put_tree(tmp_path / "root", f"{tmp_path}/root/../x"),
        lambda: transport.get(f"{tmp_path}/one", tmp_path / "back"),
        lambda: transport.get_tree("/etc", tmp_path / "back"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="remote path"):
            call()
    assert not (tmp_path / "two").exists()


@calm
@given(st.sampled_from(["jobs", "code", "..", "jobs/x", "$(id)"]), hostile)
def test_a_deletion_names_one_of_our_folders_or_is_refused(area: str, name: str) -> None:
    site = Site("t", "/a/it's", "/p")
    try:
        command = cleanup.delete_command(site, cleanup.Decision(area, name, True, ""), "abc")
    except InputError:
        return
    assert area in {"jobs", "code"}
    assert "/" not in name
    assert name not in {".", "..", ""}
    assert f"./{name}" in bash_words(command.partition("d=")[2].partition(";")[0])[0]


@calm
@given(hostile)
def test_commands_with_hostile_folders_are_one_command(text: str) -> None:
    assume("\x00" not in text)
    try:
        text.encode()
    except UnicodeEncodeError:
        assume(False)
    command = locked_submit_command(f"/r/{text}", 1, "#!/bin/sh")
    words = bash_words(command.partition(" && ")[0].removeprefix("cd ") if "&&" not in text else shlex.quote("x"))
    assert words == ([f"/r/{text}/submitted"] if "&&" not in text else ["x"])


def test_the_probe_is_bash_whatever_the_site_holds() -> None:
    site = Site(
        "t",
        "/a/it's $(touch canary)",
        "/p/'x",
        prelude=("echo 'one' \"two\"",),
        environment={"A": "'; touch canary; '"},
        launcher=("mpi'run",),
    )
    command = probe_command(site, "t0")
    assert subprocess.run(["/bin/bash", "-n"], input=command.encode(), check=False).returncode == 0


def test_the_probe_changes_nothing(tmp_path: Path) -> None:
    """Run for real, without a Slurm: each question answers or fails by itself, and no file appears."""
    site = Site(
        "t",
        f"{tmp_path}/it's/$(touch canary)",
        "/usr/bin/python3",
        prelude=("echo hello",),
        environment={"A": "'; touch canary"},
    )
    transport = LocalTransport()
    greeting = transport.run(f"cd {shlex.quote(str(tmp_path))}; {greeting_command()}")
    assert split(greeting.stdout)["who"].exit_code == 0
    sections = split(transport.run(f"cd {shlex.quote(str(tmp_path))}; {probe_command(site, 't0')}", 120).stdout)
    assert {"programs", "partitions", "train", "infer", "folders", "space", "python"} <= set(sections)
    assert "hello" in sections["python"].stdout
    assert list(tmp_path.rglob("*")) == []


@calm
@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), hostile, max_size=3))
def test_sections_cannot_be_faked_by_what_is_printed(texts: dict[str, str]) -> None:
    printable = {
        name: text for name, text in texts.items() if "\x00" not in text and text.isprintable() and "@@sgob" not in text
    }
    command = combine({name: f"printf '%s\\n' {shlex.quote(text)}" for name, text in printable.items()})
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=True)
    sections = split(done.stdout.decode())
    assert {name: result.stdout for name, result in sections.items()} == {
        name: text.strip("\n") for name, text in printable.items()
    }
