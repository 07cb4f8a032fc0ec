from __future__ import annotations

import hashlib
import io

import pytest
import requests
from PIL import Image

from tests.unit.sandbox_europeana.standin_client import Api


def picture_url(api: Api, local: str) -> str:
    record = api.get(f"/record/v2/2021/{local}.json").json()["object"]
    return str(record["aggregations"][0]["edmIsShownBy"])


def fetch(url: str, **arguments: object) -> requests.Response:
    return requests.get(url, timeout=10, **arguments)  # type: ignore[arg-type]  # keyword arguments of a test


def test_record_has_the_picture_as_its_second_web_resource(api: Api) -> None:
    record = api.get("/record/v2/2021/item_01.json").json()["object"]
    aggregation = record["aggregations"][0]
    landing, resource = aggregation["webResources"]
    assert landing["ebucoreHasMimeType"] == "text/html"
    assert resource["about"] == aggregation["edmIsShownBy"]
    assert (resource["ebucoreWidth"], resource["ebucoreHeight"]) == (640, 480)
    assert [proxy["europeanaProxy"] for proxy in record["proxies"]] == [False, True]
    assert record["proxies"][0]["dcTitle"] == {"en": ["Saint George 1"]}


def test_conditional_calls(api: Api) -> None:
    first = api.get("/record/v2/2021/item_01.json")
    etag = first.headers["ETag"]
    again = api.get("/record/v2/2021/item_01.json", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert api.get("/record/v2/2021/item_01.json", headers=since).status_code == 304
    assert api.get("/record/v2/2021/item_01.json", headers={"If-Match": '"other"'}).status_code == 412
    assert api.get("/record/v2/2021/item_01.json", headers={"If-None-Match": '"other"'}).status_code == 200


def test_merged_records_answer_under_the_new_id(api: Api) -> None:
    url = f"{api.base_url}/_control/items/2021/old_id/redirect"
    requests.post(url, json={"to": "/2021/item_02"}, timeout=10).raise_for_status()
    answer = api.get("/record/v2/2021/old_id.json")
    assert answer.history == []
    assert answer.json()["object"]["about"] == "/2021/item_02"


def test_good_picture(api: Api) -> None:
    answer = fetch(picture_url(api, "item_01"))
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (640, 480)


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("missing", 404, "text/html"),
        ("forbidden", 403, "text/html"),
        ("html", 200, "text/html"),
        ("not_image", 200, "image/jpeg"),
        ("truncated", 200, "image/jpeg"),
        ("octet_stream", 200, "application/octet-stream"),
        ("redirect", 200, "image/jpeg"),
    ],
)
def test_faulty_pictures(api: Api, fault: str, status: int, content_type: str) -> None:
    answer = fetch(picture_url(api, f"x_{fault}"))
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(content_type)
    assert len(answer.history) == (1 if fault == "redirect" else 0)
    good = len(fetch(picture_url(api, "item_01")).content)
    assert (len(answer.content) == good) == (fault in {"octet_stream", "redirect"})


def test_flaky_picture_comes_at_the_third_try(api: Api) -> None:
    url = picture_url(api, "x_flaky")
    assert [fetch(url).status_code for _ in range(3)] == [503, 503, 200]


def test_cut_picture_breaks_the_connection(api: Api) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        fetch(picture_url(api, "x_cut"))


@pytest.mark.parametrize("declared", [True, False])
def test_huge_pictures_are_sent_lazily(api: Api, declared: bool) -> None:
    with fetch(picture_url(api, "x_huge" if declared else "x_huge_undeclared"), stream=True) as answer:
        assert ("content-length" in answer.headers) is declared
        assert next(answer.iter_content(20)).startswith(b"\xff\xd8\xff")


def test_the_bomb_is_small_and_unpacks_to_900_megapixels(api: Api) -> None:
    data = fetch(picture_url(api, "x_bomb")).content
    assert len(data) < 2**20
    with pytest.raises(Image.DecompressionBombError, match="900000000 pixels"):
        Image.open(io.BytesIO(data))


def test_redirects_that_lead_nowhere_good(api: Api) -> None:
    with pytest.raises(requests.TooManyRedirects):
        fetch(picture_url(api, "x_redirect_loop"))
    answer = fetch(picture_url(api, "x_redirect_private"), allow_redirects=False)
    assert answer.headers["location"].startswith("http://169.254.")


def test_thumbnails_of_both_versions(api: Api) -> None:
    url = picture_url(api, "item_01")
    md5 = hashlib.md5(url.encode()).hexdigest()
    for size, width in (("w200", 200), ("w400", 400)):
        v2 = fetch(f"{api.base_url}/thumbnail/v2/url.json", params={"uri": url, "type": "IMAGE", "size": size})
        assert Image.open(io.BytesIO(v2.content)).width == width
    assert Image.open(io.BytesIO(fetch(f"{api.base_url}/thumbnail/v3/400/{md5}").content)).width == 400
    assert fetch(f"{api.base_url}/thumbnail/v3/300/{md5}").status_code == 400
    assert fetch(f"{api.base_url}/thumbnail/v3/400/{'0' * 32}").status_code == 404
    icon = fetch(f"{api.base_url}/thumbnail/v2/url.json", params={"uri": "http://nowhere/x.jpg"})
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/png")


def test_media_proxy(api: Api) -> None:
    answer = fetch(f"{api.base_url}/media/2021/item_01")
    assert [hop.status_code for hop in answer.history] == [302]
    assert answer.headers["x-europeana-web-resource"] == picture_url(api, "item_01")
    page = fetch(f"{api.base_url}/media/2021/x_html")
    assert page.url == picture_url(api, "x_html")
    assert fetch(f"{api.base_url}/media/2021/nothing").status_code == 404
