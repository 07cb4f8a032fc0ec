"""Layers of a site's values: where each comes from, what is refused, what nobody has verified."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import tomllib

from sgob_tasks.cluster.sites.resources import Resources
from sgob_tasks.cluster.sites.rules import COUNTS, FLAGS, LISTS, TEXTS
from sgob_tasks.cluster.sites.site import TEMPLATES, Site, load_site, site_layers
from sgob_tasks.cluster.sites.values import merge
from sgob_tasks.config import Settings, site_environment
from sgob_tasks.errors import InputError
from sgob_tasks.steps import site as steps

OWN = 'root = "/gpfs/scratch/bsc88/me/sgob"\n[train]\nnodes = 4\n'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "minotauro.toml"
    path.write_text(OWN)
    return path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    for name in site_environment():
        monkeypatch.delenv(name)
    return Settings()


def test_every_value_knows_where_it_comes_from(own: Path) -> None:
    merged = merge(
        site_layers("minotauro", own, environment={"SGOB_SITE__QOS": "debug", "SGOB_SITE__TRAIN__NODES": "8"})
    )
    assert merged.origins["root"].source == str(own)
    assert merged.origins["constraint"].kind == "file"
    assert merged.origins["qos"].source == "SGOB_SITE__QOS"
    assert merged.origins["train.nodes"].source == "SGOB_SITE__TRAIN__NODES"
    assert merged.origins["train.tasks_per_node"].kind == "file"
    assert "poll_min_s" in merged.origins
    assert "max_failures" not in merged.origins, "that one is a default"


def test_the_environment_wins_in_the_field_s_own_type() -> None:
    variables = {
        "SGOB_SITE__POLL_MIN_S": "12.5",
        "SGOB_SITE__LAUNCHER": '["srun", "--mpi=pmix"]',
        "SGOB_SITE__ENVIRONMENT__NCCL_DEBUG": "INFO",
        "SGOB_SITE__INFER__PARALLEL_TASKS": "3",
        "SGOB_SITE__ACCOUNT": "bsc88",
        "SGOB_EUROPEANA__API_KEY": "not a site's",
    }
    site = load_site("minotauro", environment=variables)
    assert (site.poll_min_s, site.launcher, site.infer.parallel_tasks) == (12.5, ("srun", "--mpi=pmix"), 3)
    assert site.environment["NCCL_DEBUG"] == "INFO"
    assert site.environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert site.account == "bsc88"


def test_a_value_that_is_replaced_is_verified(own: Path) -> None:
    assert {"root", "qos", "train.time_limit_s"} <= set(load_site("minotauro").unverified)
    site = load_site("minotauro", own, environment={"SGOB_SITE__QOS": "debug"})
    assert not {"root", "qos"} & set(site.unverified)
    assert "train.time_limit_s" in site.unverified


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ('partiton = "x"', "did you mean partition?"),
        ("[train]\nnode = 2", "did you mean nodes?"),
        ('[enviroment]\nA = "b"', "did you mean environment?"),
        ('unverified = ["qoss"]', "did you mean qos?"),
        ('unverified = ["train.nods"]', "did you mean train.nodes?"),
        ("zzz = 1", "there are account"),
    ],
)
def test_an_unknown_key_is_refused_with_its_file_and_the_nearest(tmp_path: Path, text: str, nearest: str) -> None:
    path = tmp_path / "minotauro.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_site("minotauro", path)
    assert nearest in str(caught.value)
    assert caught.value.source.startswith(str(path)), "the file that holds it, not the other one"


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("SGOB_SITE__PARTITON", "x", "did you mean SGOB_SITE__PARTITION?"),
        ("SGOB_SITE__TRAIN__NODE", "2", "did you mean SGOB_SITE__TRAIN__NODES?"),
        ("SGOB_SITE__TRAIN__NODES", "many", "no TOML value"),
        ("SGOB_SITE__LAUNCHER", "srun", "no TOML value"),
        ("SGOB_SITE__POLL_MIN_S", "1\nroot = 2", "more than one value"),
        ("SGOB_SITE__QOS__X", "1", "unknown field"),
    ],
)
def test_an_unknown_variable_is_refused(variable: str, text: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        load_site("minotauro", environment={variable: text})
    assert reason in str(caught.value)


def test_every_field_has_a_rule() -> None:
    numbers = {field.name for field in dataclasses.fields(Site) if str(field.type) in {"int", "float"}}
    tables = {"train", "infer", "install", "selftest", "deployment", "environment"}
    assert {field.name for field in dataclasses.fields(Site)} == TEXTS | LISTS | FLAGS | numbers | tables
    assert numbers >= COUNTS


def test_the_template_is_a_site_and_names_every_field(settings: Settings) -> None:
    made = steps.new(settings, "my-cluster")
    text = Path(made["file"]).read_text()
    site = load_site("my-cluster", Path(made["file"]))
    assert site.name == "my-cluster"
    for field in dataclasses.fields(Site):
        assert field.name in text, f"the template says nothing of {field.name}"
    # What is commented out is the default.
    defaults = Site("n", "/a/b", "/p")
    for line in text.splitlines():
        if line.startswith("# ") and " = " in line and "@" not in line:
            key, _, value = line.removeprefix("# ").partition(" = ")
            if key in {item.name for item in dataclasses.fields(Site)}:
                found = tomllib.loads(f"v = {value}")["v"]
                default = getattr(defaults, key)
                assert (tuple(found) if isinstance(found, list) else found) == default, key


def test_a_new_site_takes_no_name_that_is_taken_or_leads_elsewhere(settings: Settings) -> None:
    steps.new(settings, "mine")
    for name in ("mine", "minotauro", "../mine", "/tmp/x", "My", "a b", "", "-x"):
        with pytest.raises(InputError, match="name"):
            steps.new(settings, name)
    assert [path.name for path in (settings.home / "sites").iterdir()] == ["mine.toml"]


def test_show_gives_values_origins_and_marks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings.home / "sites").mkdir()
    (settings.home / "sites" / "minotauro.toml").write_text(OWN)
    monkeypatch.setenv("SGOB_SITE__QOS", "debug")
    values = steps.show(settings, "minotauro")["values"]
    assert values["qos"] == {"value": "debug", "origin": "environment SGOB_SITE__QOS", "unverified": False}
    assert values["train.nodes"]["origin"].startswith("overlay ")
    assert values["max_failures"] == {"value": 1, "origin": "default", "unverified": False}
    assert values["prelude"]["unverified"]
    assert {f"train.{field.name}" for field in dataclasses.fields(Resources)} <= set(values)


def test_show_says_what_a_shipped_site_still_needs(settings: Settings) -> None:
    shown = steps.show(settings, "sandbox")
    assert "root" in shown["problem"]
    assert shown["values"]["partition"]["value"] == "main"


def test_list_marks_the_configured_one(settings: Settings) -> None:
    steps.new(settings, "mine")
    sites = steps.list_sites(settings)
    assert sites["sandbox"]["configured"]
    assert sites["mine"] == {"file": None, "overlay": str(settings.home / "sites" / "mine.toml"), "configured": False}
    assert sites["minotauro"]["file"] == str(TEMPLATES / "sites" / "minotauro.toml")


def test_the_login_of_one_site_is_not_used_for_another(settings: Settings) -> None:
    with pytest.raises(InputError, match="SGOB_CLUSTER__SITE"):
        steps.check(settings, "minotauro")


def test_minotauro_is_described_completely() -> None:
    site = load_site("minotauro")
    assert (site.nodes_total, site.constraint, site.qos, site.train.time_limit) == (39, "k80", "bsc_ls", "2-00:00:00")
    assert site.prelude
    assert site.train.gpus_per_node == site.train.tasks_per_node == 4
    assert site.train.tasks_per_node * site.train.cpus_per_task == 16
    with pytest.raises(InputError, match=r"train\.nodes"):
        load_site("minotauro", environment={"SGOB_SITE__TRAIN__NODES": "40"})
