"""The pages as Airflow serves them: its own API server, its own tokens, the plugin loaded from the plugins folder."""

from __future__ import annotations

import io

import pytest
import requests
from PIL import Image

from tests.integration.report.conftest import Airflow
from tests.integration.report.seed import BROKEN, EVIL_TITLE, RUN, SAINT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_plugin_loads_without_errors(airflow: Airflow) -> None:
    assert airflow.get("/api/v2/plugins/importErrors", "admin").json()["import_errors"] == []
    plugins = {plugin["name"]: plugin for plugin in airflow.get("/api/v2/plugins", "admin").json()["plugins"]}
    views = {view["url_route"]: view for view in plugins["sgob"]["external_views"]}
    assert {name: (view["destination"], view["category"], view["href"]) for name, view in views.items()} == {
        "sgob": ("nav", "browse", "sgob/"),
        "sgob-cluster": ("nav", "browse", "sgob/cluster"),
        "sgob-run": ("dag_run", None, "sgob/runs/{RUN_ID}"),
    }


def test_nothing_is_shown_to_strangers(airflow: Airflow) -> None:
    picture = airflow.hashes[SAINT]
    for path in ("/sgob/", f"/sgob/runs/{RUN}", f"/sgob/pictures/{picture}", "/sgob/status"):
        answer = airflow.get(path, None)
        assert answer.status_code == 401, path
        assert "Saint George and the Dragon" not in answer.text
        forged = requests.get(f"{airflow.url}{path}", headers={"Authorization": "Bearer forged"}, timeout=30)
        assert forged.status_code == 403, path
    for path in ("/sgob/docs", "/sgob/redoc", "/sgob/openapi.json"):
        assert airflow.get(path, None).status_code == 404, path


@pytest.mark.parametrize("user", ["admin", "op", "crowd"])
def test_last_run_is_shown_to_every_role(airflow: Airflow, user: str) -> None:
    answer = airflow.get("/sgob/", user)
    assert answer.status_code == 200
    assert "<del>bicycle</del>" in answer.text
    assert EVIL_TITLE not in answer.text
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_cookie_of_the_user_interface_is_enough(airflow: Airflow) -> None:
    cookies = {"_token": airflow.tokens["crowd"]}
    assert airflow.get("/sgob/", None, cookies=cookies).status_code == 200


def test_links_of_the_pages_lead_to_pages(airflow: Airflow) -> None:
    picture = airflow.hashes[SAINT]
    run = RUN.replace(":", "%3A").replace("+", "%2B")
    assert f'src="pictures/{picture}"' in airflow.get("/sgob/").text
    assert f'href="runs/{run}"' in airflow.get("/sgob/").text
    page = airflow.get(f"/sgob/runs/{run}")
    assert page.status_code == 200
    assert f'src="../pictures/{picture}"' in page.text
    assert f'href="../runs/{run}"' in page.text
    unknown = airflow.get("/sgob/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert unknown.status_code == 404
    assert "<script>alert" not in unknown.text


def test_pictures_are_small_copies(airflow: Airflow) -> None:
    for _ in range(2):
        answer = airflow.get(f"/sgob/pictures/{airflow.hashes[SAINT]}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
        assert "immutable" in answer.headers["Cache-Control"]
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (640, 498)


def test_only_pictures_are_sent(airflow: Airflow) -> None:
    names = ["f" * 64, airflow.hashes[SAINT].upper(), "..%2F..%2Fpasswords.json", "%2Fetc%2Fpasswd", "x", "%00"]
    for name in names:
        answer = airflow.get(f"/sgob/pictures/{name}")
        assert answer.status_code == 404, name
        assert "root:" not in answer.text
    broken = airflow.get(f"/sgob/pictures/{airflow.hashes[BROKEN]}")
    assert (broken.status_code, broken.json()) == (404, {"detail": "The picture's file cannot be shown."})


def test_status_is_json(airflow: Airflow) -> None:
    found = airflow.get("/sgob/status").json()
    assert found["records"]["by_state"] == {"active": 3}
    assert found["detections"]["corrected"] == 1
