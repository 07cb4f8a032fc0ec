from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests
from PIL import Image

from sgob_tasks.sandbox.europeana.__main__ import parse_arguments
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import ListSource, SyntheticSource
from sgob_tasks.sandbox.europeana.server import serving
from tests.unit.sandbox_europeana.standin_client import Api
from tests.unit.sandbox_europeana.test_standin_annotation_api import tag

SEARCH = "/record/v2/search.json"


@pytest.mark.parametrize("status", [429, 423, 500, 502, 503, 504])
def test_next_calls_get_a_status_and_then_all_is_well(api: Api, status: int) -> None:
    api.fault(path=SEARCH, kind="status", status=status, count=2, retry_after_s=7)
    answers = [api.search(query="*:*") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    if status == 429:
        assert answers[0].headers["RateLimit"] == '"project";r=0;t=7'
        assert answers[0].json()["code"] == "429_limit_project"


@pytest.mark.parametrize("kind", ["cut", "cut_after", "cut_body"])
def test_cut_connections_with_and_without_effect(api: Api, kind: str) -> None:
    token = api.token().json()["access_token"]
    api.fault(path="/annotation/", method="POST", kind=kind)
    with pytest.raises(requests.exceptions.RequestException):
        api.create(tag(kind), token=token)
    again = api.create(tag(kind), token=token)
    assert again.status_code == (201 if kind == "cut" else 400)


def test_gateway_errors_after_the_effect(api: Api) -> None:
    api.fault(path="/annotation/", method="POST", kind="status_after", status=504)
    assert [api.create(tag("gateway")).status_code for _ in range(2)] == [504, 400]


@pytest.mark.parametrize("kind", ["delay", "delay_after"])
def test_delay(api: Api, kind: str) -> None:
    api.fault(path=SEARCH, kind=kind, delay_s=0.3, skip=1)
    assert api.search(query="*:*").elapsed.total_seconds() < 0.3
    begin = time.monotonic()
    assert api.search(query="*:*").status_code == 200
    assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize(
    "order", [{"path": "/x", "kind": "melt"}, {"path": "x", "kind": "cut"}, {"kind": "cut"}, {"path": "/", "color": 1}]
)
def test_wrong_orders_are_refused(api: Api, order: dict[str, object]) -> None:
    assert api.session.post(f"{api.base_url}/_control/faults", json=order, timeout=10).status_code == 400


def test_counts(api: Api) -> None:
    api.search(query="*:*")
    api.search(query="")
    stats = api.stats()
    assert stats["calls"][f"GET {SEARCH}"] == 2
    assert stats["statuses"] == {f"GET {SEARCH} 200": 1, f"GET {SEARCH} 400": 1}


def test_rate_limit_in_windows_of_the_clock(tmp_path: Path) -> None:
    config = StandInConfig(state=tmp_path, base_url="", api_key="k", rate_limit=2, rate_window_s=100_000)
    with serving(config, ListSource([])) as url, requests.Session() as session:
        api = Api(url, config, session)
        answers = [api.search(query="*:*") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[0].headers["RateLimit-Policy"] == '"project";q=2;w=100000'
        assert answers[0].headers["RateLimit"].startswith('"project";r=1;t=')
        assert "Retry-After" not in answers[2].headers


def test_changes_of_items_survive_a_restart(tmp_path: Path) -> None:
    config = StandInConfig(state=tmp_path, base_url="", api_key="k")
    path = "/90000/synthetic_000000001"
    with requests.Session() as session:
        with serving(config, SyntheticSource(3)) as url:
            assert session.delete(f"{url}/_control/items{path}", timeout=10).status_code == 204
            assert session.delete(f"{url}/_control/items/1/none", timeout=10).status_code == 404
        with serving(config, SyntheticSource(3)) as url:
            api = Api(url, config, session)
            assert api.get(f"/record/v2{path}.json").status_code == 404
            assert api.search(query="*:*").json()["totalResults"] == 2


def test_synthetic_records_are_found_by_id() -> None:
    source = SyntheticSource(1000)
    for place in (0, 7, 999):
        assert source.find(source.at(place).record_id) == place
    assert source.find("/90000/synthetic_000001000") is None
    assert source.find("/90000/synthetic_7") is None


def test_command_line(tmp_path: Path) -> None:
    config, host, port = parse_arguments(
        ["--synthetic", "5", "--state", str(tmp_path), "--port", "1234", "--api-key", "secret-key"]
    )
    assert (config.base_url, host, port, config.synthetic) == ("http://127.0.0.1:1234", "127.0.0.1", 1234, 5)
    assert "secret-key" not in repr(config)


def test_secrets_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--synthetic", "5", "--state", str(tmp_path), "--port", "1"]
    with pytest.raises(SystemExit):
        parse_arguments(arguments)
    for name in ("API_KEY", "CLIENT_SECRET", "PASSWORD"):
        monkeypatch.setenv(f"SGOB_STAND_IN_{name}", name.lower())
    config = parse_arguments(arguments)[0]
    assert (config.api_key, config.client_secret, config.password) == ("api_key", "client_secret", "password")


def test_a_collection_folder_is_served_with_its_faults(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg")
    for name in "bcd":
        (tmp_path / f"{name}.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    table = "file,title,year,fault,country\na.jpg,Saint George,1470,,Spain\nb.jpg,B,1480,no_image,\n"
    (tmp_path / "collection.csv").write_text(table + "c.jpg,C,1490,html,\nd.jpg,D,1490,no_rights,\n")
    config = StandInConfig(state=tmp_path / "state", base_url="", api_key="k", collection=tmp_path)
    with serving(config) as url, requests.Session() as session:
        api = Api(url, config, session)
        items = {item["title"][0]: item for item in api.search(query="*:*", profile="rich").json()["items"]}
        assert items["Saint George"]["country"] == ["Spain"]
        assert "edmIsShownBy" not in items["B"]
        assert "rights" not in items["D"]
        page = session.get(items["C"]["edmIsShownBy"][0], timeout=10)
        assert page.headers["content-type"].startswith("text/html")
        record = api.get(f"/record/v2{items['B']['id']}.json").json()["object"]
        assert "edmIsShownBy" not in record["aggregations"][0]
        assert len(record["aggregations"][0]["webResources"]) == 1
        assert api.search(query="*:*", media="true").json()["totalResults"] == 3
