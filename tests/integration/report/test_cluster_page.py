"""The cluster page as Airflow serves it, in a browser: authorisation, escaping, what people see and can do."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.integration.report.conftest import Airflow
from tests.integration.report.seed_cluster import CHAIN, EVIL_REASON, RUNNING, TRAINING, WAITING

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PAGE = "/sgob/cluster"
LOG = f"{PAGE}/jobs/{RUNNING}/log"


@pytest.fixture(scope="module")
def browser(airflow: Airflow) -> Iterator[webdriver.Chrome]:
    """Chromium, logged in to Airflow as a viewer."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        driver.get(f"{airflow.url}/api/v2/version")
        driver.add_cookie({"name": "_token", "value": airflow.tokens["crowd"]})
        yield driver
    finally:
        driver.quit()


def resize(browser: webdriver.Chrome, width: int) -> None:
    """Give the page a width: a window of Chromium's is never narrower than 500 pixels."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, selector)]


@pytest.mark.parametrize("path", [PAGE, LOG, f"{PAGE}/jobs/x/log"])
def test_nothing_is_shown_to_strangers(airflow: Airflow, path: str) -> None:
    answer = airflow.get(path, None)
    assert answer.status_code == 401
    assert RUNNING not in answer.text
    forged = requests.get(f"{airflow.url}{path}", headers={"Authorization": "Bearer forged"}, timeout=30)
    assert forged.status_code == 403


@pytest.mark.parametrize("user", ["admin", "op", "crowd"])
def test_page_is_shown_to_every_role(airflow: Airflow, user: str) -> None:
    answer = airflow.get(PAGE, user)
    assert answer.status_code == 200
    assert EVIL_REASON not in answer.text
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_cluster_that_cannot_be_reached_is_told(airflow: Airflow) -> None:
    airflow.get(PAGE)
    text = airflow.get(PAGE).text
    assert "The cluster cannot be asked now:" in text
    assert "no connection to the login node" in text
    assert "What the store knows is shown below." in text
    log = airflow.get(LOG)
    assert (log.status_code, log.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert "no connection to the login node" in log.text
    assert log.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_only_logs_of_jobs_are_shown(airflow: Airflow) -> None:
    keys = ["sgob-infer-unknown", "..%2F..%2Fetc", "%2Fetc%2Fpasswd", "a%20b", "%00", "x" * 300, "%3Cscript%3E", "a;id"]
    for key in keys:
        answer = airflow.get(f"{PAGE}/jobs/{key}/log")
        assert answer.status_code == 404, key
        assert "script" not in answer.text
        assert "root:" not in answer.text
    for query in ("generation=0", "generation=x", "task=-1", "task=;id"):
        assert airflow.get(f"{LOG}?{query}").status_code == 422, query


def test_log_that_was_fetched_needs_no_cluster(airflow: Airflow) -> None:
    folder = airflow.home / "jobs" / CHAIN / "logs"
    folder.mkdir(parents=True)
    (folder / "task-0000.g1.log").write_text("<b>first</b>\n")
    (folder / "task-0000.g3.log").write_text("".join(f"line {n}\n" for n in range(20_000)))
    last = airflow.get(f"{PAGE}/jobs/{CHAIN}/log")
    assert last.status_code == 200
    lines = last.text.split("\n")
    assert (lines[0], lines[2], lines[-2]) == ("task-0000.g3.log", "line 19600", "line 19999")
    first = airflow.get(f"{PAGE}/jobs/{CHAIN}/log?generation=1&task=0")
    assert first.text == "task-0000.g1.log\n\n<b>first</b>\n"
    assert first.headers["X-Content-Type-Options"] == "nosniff"


def test_page_in_a_browser(airflow: Airflow, browser: webdriver.Chrome) -> None:
    resize(browser, 1400)
    browser.get(f"{airflow.url}{PAGE}")
    assert browser.title == "Cluster · Saint George on a Bike"
    assert browser.find_element(By.CSS_SELECTOR, "meta[http-equiv=refresh]").get_attribute("content") == "15"
    assert {name.split()[0] for name in texts(browser, ".job h3")} == {RUNNING, TRAINING, WAITING}
    waiting = browser.find_element(By.ID, f"job-{WAITING}").text
    for words in ("PENDING", "when last seen", "Resources", "sgob enrich", "3 tasks"):
        assert words in waiting, words
    link = browser.find_element(By.CSS_SELECTOR, f"#job-{RUNNING} dd a").get_attribute("href") or ""
    assert link.startswith(f"{airflow.url}/dags/enrich_pictures/runs/scheduled__")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".history > div > table > tbody")) == 22
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.chart rect.gpu")) == 12
    chart = browser.find_element(By.CSS_SELECTOR, "svg.chart")
    assert chart.accessible_name.startswith("GPU-hours and node-hours per week, 12 weeks from")
    assert texts(browser, "#h-models ~ div tbody th") == ["captions-1", "detector-1"]
    assert "58 h 00 min" in browser.find_element(By.ID, f"job-{CHAIN}").text
    log = [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]
    assert log == [], "the browser has nothing to complain about"


def test_chain_stays_open_when_the_page_loads_again(airflow: Airflow, browser: webdriver.Chrome) -> None:
    resize(browser, 1400)
    browser.get(f"{airflow.url}{PAGE}")
    browser.find_element(By.CSS_SELECTOR, f"#chain-{CHAIN} summary").click()
    assert len(texts(browser, f"#chain-{CHAIN} tbody tr")) == 3
    assert "checkpoint-00048.npz" in browser.find_element(By.ID, f"chain-{CHAIN}").text
    page = browser.find_element(By.TAG_NAME, "html")
    start = time.monotonic()
    WebDriverWait(browser, 40).until(lambda driver: driver.find_element(By.TAG_NAME, "html") != page)
    assert time.monotonic() - start > 10
    assert browser.find_element(By.ID, f"chain-{CHAIN}").get_attribute("open") is not None
    browser.find_element(By.LINK_TEXT, "stop that").click()
    WebDriverWait(browser, 20).until(lambda driver: driver.current_url.endswith("?refresh=off"))
    assert not browser.find_elements(By.CSS_SELECTOR, "meta[http-equiv=refresh]")


@pytest.mark.parametrize("width", [1400, 420])
def test_page_fits_the_screen(airflow: Airflow, browser: webdriver.Chrome, width: int) -> None:
    resize(browser, width)
    browser.get(f"{airflow.url}{PAGE}?refresh=off")
    for details in browser.find_elements(By.CSS_SELECTOR, "details:not([open]) summary"):
        browser.execute_script("arguments[0].click()", details)
    root = browser.find_element(By.TAG_NAME, "html")
    assert root.get_property("scrollWidth") == root.get_property("clientWidth")
    if width == 1400:
        table = browser.find_element(By.CSS_SELECTOR, ".history > .scroll")
        assert table.get_property("scrollWidth") == table.get_property("clientWidth"), "no column is hidden"


def test_page_inside_airflow(airflow: Airflow, browser: webdriver.Chrome) -> None:
    resize(browser, 1400)
    browser.get(f"{airflow.url}/plugin/sgob-cluster")
    wait = WebDriverWait(browser, 60)
    frame = wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, "iframe[title=Cluster]"))
    browser.execute_script("document.documentElement.className = 'dark'")
    browser.switch_to.frame(frame)
    wait.until(lambda driver: driver.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == "dark")
    run = browser.find_element(By.CSS_SELECTOR, f"#job-{RUNNING} dd a")
    browser.execute_script("arguments[0].click()", run)
    browser.switch_to.default_content()
    wait.until(lambda driver: "/dags/enrich_pictures/runs/scheduled__" in driver.current_url)
