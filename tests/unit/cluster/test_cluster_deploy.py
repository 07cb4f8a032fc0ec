"""Deployment without a cluster: requirements, wheels, names, and the switch on a local folder."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.environments.deployment import Deployment, make_deployment, wheel_platforms
from sgob_tasks.cluster.environments.environment import (
    base,
    environments,
    folder,
    interpreter,
    put_document,
    roll_back,
    switch,
)
from sgob_tasks.cluster.environments.install import InstallError, check_interpreter, clean_environment
from sgob_tasks.cluster.environments.rollout import batches, identity, install_job, selftest_job
from sgob_tasks.cluster.environments.selftest import SelfTestError, import_modules, own_rank, run
from sgob_tasks.cluster.environments.wheelhouse import (
    PROJECT,
    Wheelhouse,
    _project_wheel,
    project_files,
    read_requirements,
)
from sgob_tasks.cluster.sites.site import Resources, Site, load_site
from sgob_tasks.cluster.transport import LocalTransport
from sgob_tasks.errors import InputError, PermanentError

IDS = [f"{number:012x}" for number in range(4)]
HOUSE = Wheelhouse(("six==1.17.0",), ("horovod==0.28.1",), (), Path("ours-0.1.0+gabc-py3-none-any.whl"))


def site_at(root: Path, **options: object) -> Site:
    return replace(Site("test", str(root), "current"), **options)  # type: ignore[arg-type] # fields of Site


def test_shipped_sites_deploy_from_pinned_requirements() -> None:
    minotauro = load_site("minotauro")
    assert (minotauro.python, minotauro.deployment.python_version) == ("current", "3.10")
    pinned = read_requirements(PROJECT / minotauro.deployment.requirements)
    assert "tensorflow==2.11.1" in pinned
    assert minotauro.selftest.ranks == 2
    for name in (Deployment().requirements, Deployment().sources):
        assert read_requirements(PROJECT / name)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"colour": 1}, "colour"),
        ({"python_version": 3.1}, "python_version"),
        ({"python_version": "3.10.2"}, "python_version"),
        ({"glibc": "new"}, "glibc"),
        ({"requirements": ""}, "requirements"),
        ({"python": "a\nb"}, "python"),
        ({"imports": "tensorflow"}, "imports"),
        ({"build_environment": {"A B": "1"}}, "build_environment"),
        ({"build_environment": {"A": 1}}, "build_environment"),
        ("text", "deployment"),
    ],
)
def test_a_wrong_value_of_a_deployment_is_named(values: object, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        make_deployment(values, "site.toml")
    assert caught.value.field == field


def test_an_empty_python_means_the_current_environment(tmp_path: Path) -> None:
    overlay = tmp_path / "over.toml"
    overlay.write_text(
        'python = ""\n[deployment]\nsources = ""\n[deployment.build_environment]\nHOROVOD_NCCL_HOME = "/n"\n'
    )
    site = load_site("minotauro", overlay)
    assert (site.python, site.deployment.sources) == ("current", "")
    assert site.deployment.build_environment["HOROVOD_NCCL_HOME"] == "/n"
    assert site.deployment.build_environment["HOROVOD_GPU_OPERATIONS"] == "NCCL", "tables are merged"


def test_wheel_platforms_are_all_up_to_the_clusters_c_library() -> None:
    tags = wheel_platforms("2.17")
    assert tags[:2] == ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    assert {"manylinux1_x86_64", "manylinux2010_x86_64", "manylinux_2_12_x86_64"} <= set(tags)
    assert "manylinux_2_28_x86_64" not in tags
    assert "manylinux_2_28_x86_64" in wheel_platforms("2.36")


@pytest.mark.parametrize(
    "line", ["six", "six>=1", "six==1.*", "-r other.txt", "six==1; python_version<'4'", "six @ file:x"]
)
def test_what_is_not_pinned_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "r.txt"
    path.write_text(f"# fine\nwheel==0.48.0  # fine\n{line}\n")
    with pytest.raises(InputError, match="line 3"):
        read_requirements(path)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VERSIONS), max_size=8))
@settings(max_examples=30)
def test_pinned_requirements_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, pins: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("pins") / "r.txt"
    path.write_text("\n\n".join(f"  {name}=={version} # why" for name, version in pins))
    assert read_requirements(path) == tuple(f"{name}=={version}" for name, version in pins)


def test_the_name_of_an_environment_follows_what_it_is_made_of() -> None:
    site = Site("test", "/scratch/sgob", "current")
    made = site.deployment
    variants = [
        (site, HOUSE),
        (site, replace(HOUSE, requirements=("six==1.16.0",))),
        (site, replace(HOUSE, sources=())),
        (site, replace(HOUSE, project=Path("ours-0.1.0+gdef-py3-none-any.whl"))),
        (replace(site, prelude=("module load openmpi/5",)), HOUSE),
        (replace(site, deployment=replace(made, python="python3")), HOUSE),
        (replace(site, deployment=replace(made, build_environment={"HOROVOD_NCCL_HOME": "/n"})), HOUSE),
    ]
    assert len({identity(*variant) for variant in variants}) == len(variants)
    other_tests = replace(site, deployment=replace(made, imports=("six",)))
    assert identity(other_tests, HOUSE) == identity(site, HOUSE)
    assert selftest_job(other_tests, HOUSE).key != selftest_job(site, HOUSE).key, "tried again"
    # New code alone needs no new build of Horovod.
    assert len({install_job(*variant).parameters["built"] for variant in variants}) == len(variants) - 1


@given(st.lists(st.integers(0, 300_000_000), max_size=60))
@settings(max_examples=30)
def test_batches_keep_all_files_and_stay_small(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    place = tmp_path_factory.mktemp("files")
    paths = []
    for number, size in enumerate(sizes):
        paths.append(place / str(number))
        with paths[-1].open("wb") as file:
            file.truncate(size)
    groups = list(batches(paths))
    assert [path for group in groups for path in group] == paths
    for group in groups:
        assert 0 < len(group) <= 20
        assert len(group) == 1 or sum(path.stat().st_size for path in group) <= 200_000_000


@given(st.lists(st.sampled_from([*IDS, "back"]), max_size=12))
@settings(max_examples=12, deadline=None)
def test_switching_and_going_back_is_a_stack(tmp_path_factory: pytest.TempPathFactory, actions: list[str]) -> None:
    site, transport = site_at(tmp_path_factory.mktemp("root")), LocalTransport()
    for name in IDS:
        for document in ("manifest", "installed", "tested"):
            put_document(transport, {"of": name}, f"{folder(site, name)}/{document}.json")
    stack: list[str] = []
    for action in actions:
        if action != "back":
            before = stack[-1] if stack else ""
            assert switch(site, transport, action).before == before
            stack += [action] if action != before else []
        elif len(stack) < 2:
            with pytest.raises(PermanentError, match="no earlier"):
                roll_back(site, transport)
        else:
            changed = roll_back(site, transport)
            assert changed.before == stack.pop()
            assert changed.after == stack[-1]
        if stack:
            assert interpreter(site, transport) == f"{folder(site, stack[-1])}/venv/bin/python"
    current = [name for name, one in environments(site, transport).items() if one.current]
    assert current == stack[-1:]


@pytest.mark.parametrize("missing", ["installed", "tested"])
def test_what_is_not_installed_or_tried_never_becomes_current(tmp_path: Path, missing: str) -> None:
    site, transport = site_at(tmp_path), LocalTransport()
    for name, documents in ((IDS[0], {"installed", "tested"}), (IDS[1], {"installed", "tested"} - {missing})):
        for document in documents | {"manifest"}:
            put_document(transport, {"of": name}, f"{folder(site, name)}/{document}.json")
    switch(site, transport, IDS[0])
    with pytest.raises(PermanentError, match="self-test"):
        switch(site, transport, IDS[1])
    found = environments(site, transport)
    assert found[IDS[0]].state == "current"
    assert found[IDS[1]].state == ("incomplete" if missing == "installed" else "installed")


def test_a_switch_that_was_cut_short_is_stepped_over(tmp_path: Path) -> None:
    """The history was written, the link was not."""
    site, transport = site_at(tmp_path), LocalTransport()
    for name in IDS:
        for document in ("installed", "tested", "manifest"):
            put_document(transport, {}, f"{folder(site, name)}/{document}.json")
    for name in IDS[:2]:
        switch(site, transport, name)
    with (Path(base(site)) / "history").open("a") as file:
        file.write(IDS[2] + "\n")
    assert switch(site, transport, IDS[3]).before == IDS[1]
    assert roll_back(site, transport).after == IDS[1]
    assert roll_back(site, transport).after == IDS[0]


def test_a_site_with_its_own_interpreter_is_not_asked(tmp_path: Path) -> None:
    assert interpreter(site_at(tmp_path, python="/opt/bin/python"), LocalTransport()) == "/opt/bin/python"
    with pytest.raises(PermanentError, match="sgob deploy"):
        interpreter(site_at(tmp_path), LocalTransport())
    assert environments(site_at(tmp_path / "none"), LocalTransport()) == {}


@pytest.mark.parametrize("kind", ["install", "selftest"])
def test_scripts_run_the_programs(kind: str) -> None:
    site = Site("test", "/s/r", "/env/bin/python", launcher=("mpirun", "-np", "{ranks}"))
    script = render(kind, BatchJob("k.1", "c", "/s/r/jobs/k", "/s/r/code/a", 1), site, Resources(tasks_per_node=2))
    command = script.strip().splitlines()[-1]
    wanted = {
        "install": 'run python3.11 -m sgob_tasks.cluster.environments.install "$run_dir"',
        "selftest": 'run mpirun -np 2 /env/bin/python -m sgob_tasks.cluster.environments.selftest "$run_dir"',
    }
    assert command == wanted[kind]
    assert ("\nexport PYTHONPATH=\n" in script) == (kind == "selftest"), "the environment's own copy is tried"


def test_an_installation_with_the_wrong_interpreter_is_refused() -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    check_interpreter(here, "2.17")
    with pytest.raises(InstallError, match="python_version"):
        check_interpreter("3.7", "2.17")
    with pytest.raises(InstallError, match="glibc"):
        check_interpreter(here, "2.99")


def test_pip_on_the_cluster_hears_nothing_of_this_machines_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index")
    monkeypatch.setenv("PYTHONPATH", "/code")
    environment = clean_environment({"EXTRA": "1"})
    assert {name for name in environment if name.startswith("PIP_")} == {
        "PIP_CONFIG_FILE",
        "PIP_DISABLE_PIP_VERSION_CHECK",
    }
    assert environment["PIP_CONFIG_FILE"] == os.devnull
    assert "PYTHONPATH" not in environment
    assert environment["EXTRA"] == "1"


def test_the_self_test_tells_what_is_wrong() -> None:
    parameters = {"imports": ["json", "zlib"], "horovod": False, "ranks": 1, "gpus": False}
    assert set(run(parameters)["modules"]) == {"json", "zlib"}
    with pytest.raises(SelfTestError, match="import no_such_module"):
        import_modules(["no_such_module"])
    with pytest.raises(SelfTestError, match="comes from"):
        import_modules(["sgob_tasks.errors"])
    assert own_rank({"OMPI_COMM_WORLD_RANK": "3", "SLURM_PROCID": "0"}) == 3
    assert own_rank({"SLURM_PROCID": "2"}) == 2
    assert own_rank({}) == 0


def test_the_projects_wheel_is_named_by_its_content(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("pyproject.toml", "sgob_tasks/__init__.py", "sgob_tasks/detection/classes.csv", "sgob_tasks/py.typed"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, project / name)
    (project / "sgob_tasks" / "detection" / "__init__.py").write_text("")
    (project / "README.md").write_text("text")
    first = _project_wheel(project, tmp_path / "one")
    assert first == _project_wheel(project, tmp_path / "one")
    assert first.read_bytes() == _project_wheel(project, tmp_path / "two").read_bytes(), "the same bytes everywhere"
    names = zipfile.ZipFile(first).namelist()
    assert {"sgob_tasks/__init__.py", "sgob_tasks/detection/classes.csv"} <= set(names)
    (project / "sgob_tasks" / "__init__.py").write_text("# changed")
    assert _project_wheel(project, tmp_path / "one").name != first.name
    with pytest.raises(InputError, match=r"pyproject\.toml"):
        project_files(tmp_path)
