"""The page of the last run in Airflow's UI and as a file, in a real browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from sgob_tasks.sandbox.airflow import USER
from sgob_tasks.sandbox.night import TRAIN
from sgob_tasks.sandbox.platform import Platform

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

WAIT_S = 30


def airflow_url(platform: Platform) -> str:
    return platform.airflow(platform.state()).url


def sign_in(browser: webdriver.Chrome, platform: Platform) -> None:
    airflow = platform.airflow(platform.state())
    browser.get(airflow.url)
    wait(browser, lambda: browser.find_elements(By.NAME, "username"))
    browser.find_element(By.NAME, "username").send_keys(USER)
    browser.find_element(By.NAME, "password").send_keys(json.loads(airflow.password_file.read_text())[USER])
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait(browser, lambda: "login" not in browser.current_url)


def wait(browser: webdriver.Chrome, condition: Any) -> Any:
    return WebDriverWait(browser, WAIT_S).until(lambda _: condition())


def links(browser: webdriver.Chrome, words: str) -> list[WebElement]:
    found = browser.find_elements(By.TAG_NAME, "a")
    return [link for link in found if words in (link.get_attribute("href") or "") and link.is_displayed()]


def pictures_shown(browser: webdriver.Chrome) -> list[list[Any]]:
    """Return address and natural width of the pictures, once all are there (they are loaded when scrolled to)."""
    script = "return [...document.images].map(i => { i.loading = 'eager'; return [i.src, i.complete, i.naturalWidth] })"
    wait(browser, lambda: all(complete for _, complete, _ in browser.execute_script(script)))
    return list(browser.execute_script(script))


def test_page_needs_airflows_login(first_night: dict[str, str], platform: Platform) -> None:
    for path in (
        "/sgob/",
        "/sgob/status",
        f"/sgob/runs/{first_night['enrich_pictures']}",
        "/sgob/pictures/" + "0" * 64,
        "/sgob/cluster",
        "/sgob/cluster/jobs/any/log",
    ):
        answer = requests.get(airflow_url(platform) + path, timeout=30)
        assert answer.status_code == 401, path


def test_page_of_last_run_inside_airflow(
    first_night: dict[str, str], platform: Platform, browser: webdriver.Chrome
) -> None:
    sign_in(browser, platform)
    browser.get(airflow_url(platform) + "/plugin/sgob")
    frame = wait(browser, lambda: browser.find_elements(By.TAG_NAME, "iframe"))[0]
    browser.switch_to.frame(frame)
    wait(browser, lambda: browser.find_elements(By.TAG_NAME, "h1"))
    assert first_night["enrich_pictures"] in browser.find_element(By.TAG_NAME, "body").text
    shown = pictures_shown(browser)
    assert len(shown) > 8
    assert all(width > 0 for _, _, width in shown)
    browser.find_element(By.CSS_SELECTOR, "details summary").click()
    # Airflow's frame allows no popups: the page asks its parent to open the link
    link = links(browser, "data.europeana.eu/")[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    address = link.get_attribute("href")
    link.click()
    wait(browser, lambda: len(browser.window_handles) == 2)
    browser.switch_to.window(browser.window_handles[1])
    wait(browser, lambda: browser.current_url == address)


def test_the_clusters_history_inside_airflow(
    first_night: dict[str, str], platform: Platform, browser: webdriver.Chrome, engine: sa.Engine
) -> None:
    sign_in(browser, platform)
    browser.get(airflow_url(platform) + "/plugin/sgob-cluster")
    frame = wait(browser, lambda: browser.find_elements(By.TAG_NAME, "iframe"))[0]
    browser.switch_to.frame(frame)
    wait(browser, lambda: browser.find_elements(By.TAG_NAME, "h1"))
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "cannot be asked" not in text
    with engine.connect() as connection:
        keys = list(connection.scalars(sa.text("SELECT key FROM slurm_jobs WHERE state = 'succeeded'")))
    assert len(keys) >= 2
    assert all(key in text for key in keys)
    assert browser.find_elements(By.CSS_SELECTOR, "svg.chart rect.gpu"), "GPU-hours per week"
    log = links(browser, "cluster/jobs/")[0].get_attribute("href") or ""
    browser.switch_to.default_content()
    browser.get(log)
    assert "generation" in browser.find_element(By.TAG_NAME, "body").text


def test_link_of_a_slurm_task_leads_to_its_job(
    first_night: dict[str, str], platform: Platform, browser: webdriver.Chrome
) -> None:
    client = platform.airflow(platform.state()).client()
    sign_in(browser, platform)
    for dag_id, task_id in (("enrich_pictures", "infer"), (TRAIN, "train")):
        path = f"dags/{dag_id}/dagRuns/{first_night[dag_id]}/taskInstances/{task_id}/links"
        extra = client.call("GET", path)["extra_links"]["Slurm job"]
        browser.get(airflow_url(platform) + extra)
        anchor = browser.current_url.split("#")[1]
        row = browser.find_element(By.ID, anchor)
        assert "succeeded" in row.text


def test_static_report_is_the_same_page(
    first_night: dict[str, str], platform: Platform, browser: webdriver.Chrome
) -> None:
    page = platform.home / "runs" / "latest" / "index.html"
    browser.get(page.as_uri())
    assert first_night["enrich_pictures"] in browser.find_element(By.TAG_NAME, "body").text
    shown = pictures_shown(browser)
    assert len(shown) > 8
    assert all(width > 0 for _, _, width in shown)
    assert links(browser, "data.europeana.eu/")
