from __future__ import annotations

import functools
import html
import http.server
import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from sgob_tasks.errors import InputError
from sgob_tasks.harvest.media import media_path
from sgob_tasks.report.static import write_report
from tests.integration.report.seed import EVIL, EVIL_TITLE, RUN, SAINT, seed

pytestmark = pytest.mark.integration

# A frame like that of Airflow's user interface; what it sees is sent back as JSON.
FRAME = """<!doctype html><html class="dark"><body>
<iframe sandbox="allow-scripts allow-same-origin allow-forms allow-downloads" width="1200" height="3000"
 src="{page}"></iframe>
<script>
const frame = document.querySelector("iframe"), seen = {{opened: []}};
HTMLAnchorElement.prototype.click = function () {{ seen.opened.push([this.href, this.target, this.rel]); }};
const look = async () => {{
  const page = frame.contentDocument, all = (what) => [...page.querySelectorAll(what)];
  const visible = (card) => card.getClientRects().length > 0;
  const shown = () => all(".card").filter(visible).map((card) => card.querySelector("h3").textContent);
  await Promise.all(all("img").map((image) => {{ image.loading = "eager"; return image.decode().catch(() => 0); }}));
  seen.title = page.title;
  seen.theme = page.documentElement.dataset.theme;
  seen.pictures = all("img").map((image) => image.naturalWidth);
  seen.all = shown();
  for (const kind of ["corrected", "failed"]) {{
    page.getElementById(`show-${{kind}}`).click();
    seen[kind] = shown();
  }}
  page.getElementById("show-all").click();
  seen.status = page.getElementById("shown").textContent;
  const entry = all("li[data-box]")[0];
  entry.dispatchEvent(new PointerEvent("pointerover", {{bubbles: true}}));
  seen.lit = all(".box.on").map((box) => box.getAttribute("aria-label"));
  const fit = all(".stage:has(svg)").map((stage) => {{
    const [image, boxes] = ["img", "svg"].map((name) => stage.querySelector(name).getBoundingClientRect());
    return Math.max(...["x", "y", "width", "height"].map((side) => Math.abs(image[side] - boxes[side])));
  }});
  seen.misfit = Math.max(...fit);
  all('.links a')[0].dispatchEvent(new MouseEvent("click", {{bubbles: true, cancelable: true}}));
  seen.overflow = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  document.documentElement.className = "light";
  await new Promise((done) => setTimeout(done, 50));
  seen.later = page.documentElement.dataset.theme;
  return seen;
}};
addEventListener("load", () => look().catch((error) => ({{error: String(error)}})).then(
  (found) => fetch("/seen", {{method: "POST", body: JSON.stringify(found)}})));
</script></body></html>"""


@pytest.fixture
def page(store: sa.Engine, tmp_path: Path) -> Path:
    seed(store, tmp_path / "media")
    return write_report(store, None, tmp_path / "runs", tmp_path / "media")


class Web:
    """A web server for the folder of all runs, which keeps what a page sends back."""

    def __init__(self, folder: Path) -> None:
        seen = self.seen = queue.Queue[Any]()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_POST(self) -> None:
                seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        handler = functools.partial(Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def web(page: Path) -> Iterator[Web]:
    web = Web(page.parents[1])
    with web.server:
        threading.Thread(target=web.server.serve_forever, daemon=True).start()
        yield web
        web.server.shutdown()


def command(url: str, profile: Path, *options: str) -> list[str]:
    return [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        "--enable-logging=stderr", "--window-size=1300,3000", *options, url,
    ]  # fmt: skip


def complaints(log: str) -> list[str]:
    """Return what the browser wrote to its console."""
    known = "allow-scripts and allow-same-origin"  # that a frame such as Airflow's is no wall
    return [line for line in log.splitlines() if "CONSOLE" in line and known not in line]


def chromium(url: str, profile: Path) -> tuple[str, list[str]]:
    """Open a page in Chromium; return its elements as they are in the end, and what it complained about."""
    done = subprocess.run(command(url, profile, "--dump-dom"), check=True, capture_output=True, text=True, timeout=120)
    return done.stdout, complaints(done.stderr)


def test_report_is_a_folder_that_can_be_moved(page: Path, store: sa.Engine, tmp_path: Path) -> None:
    assert page == tmp_path / "runs" / RUN / "index.html"
    names = sorted(path.name for path in (page.parent / "pictures").iterdir())
    text = page.read_text()
    assert len(names) == 2, "the broken picture has no copy"
    for name in names:
        assert f'src="pictures/{name}"' in text
        with Image.open(page.parent / "pictures" / name) as image:
            assert max(image.size) == 640
    assert str(tmp_path) not in text
    assert EVIL_TITLE not in text
    assert html.escape(EVIL_TITLE)[:20] in text
    first = text
    assert write_report(store, RUN, tmp_path / "runs", tmp_path / "media").read_text() == first


def test_missing_file_leaves_a_note_in_its_place(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path / "media")
    for record in (SAINT, EVIL):
        media_path(tmp_path / "media", hashes[record]).unlink()
    text = write_report(store, None, tmp_path / "runs", tmp_path / "media").read_text()
    assert text.count("cannot be shown") == 3
    assert "<img" not in text


def test_unknown_run_is_named(store: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run yet"):
        write_report(store, None, tmp_path, tmp_path)
    with pytest.raises(InputError, match="id = 'nope': the store has no such run"):
        write_report(store, "nope", tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_page_in_a_browser_opened_from_disk(page: Path, tmp_path: Path) -> None:
    document, console = chromium(page.as_uri(), tmp_path / "profile")
    assert console == [], "the browser has nothing to complain about, such as the policy refusing a picture"
    assert "<title>scheduled__" in document
    assert len(re.findall(r"<del>bicycle</del>", document)) == 1


def test_browser_would_complain(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    page.write_text(text.replace("<body>", '<body><script>document.title = "owned"</script>'))
    document, console = chromium(page.as_uri(), tmp_path / "profile")
    assert "Content Security Policy" in console[0]
    assert "owned</title>" not in document


def test_page_inside_a_frame_like_airflows(page: Path, web: Web, tmp_path: Path) -> None:
    (page.parents[1] / "frame.html").write_text(FRAME.format(page=f"{RUN}/index.html"))
    log = tmp_path / "chromium.log"
    with log.open("wb") as output:
        options = ("--remote-debugging-port=0",)  # stay until the page has answered
        browser = subprocess.Popen(command(f"{web.url}/frame.html", tmp_path / "profile", *options), stderr=output)
        try:
            seen = web.seen.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait(30)
    assert complaints(log.read_text()) == []
    assert "error" not in seen, seen
    titles = ["Saint George and the Dragon", "Broken", EVIL_TITLE]
    assert seen["title"].startswith(RUN), "the evil title has not been executed"
    # The one whose caption was written is there once more, with where each word came from.
    assert seen["pictures"] == [640, 640, 356]
    assert (seen["all"], seen["corrected"], seen["failed"]) == (titles, titles[:1], titles[1:2])
    assert seen["status"] == "3 pictures shown"
    assert seen["lit"] == ["horse, 83 %; the detector said bicycle"]
    assert seen["misfit"] < 1, "boxes lie exactly on their picture"
    assert seen["overflow"] == 0
    assert (seen["theme"], seen["later"]) == ("dark", "light")
    item = f"http://data.europeana.eu/item{SAINT}"
    assert seen["opened"] == [[item, "_blank", "noopener noreferrer"]]
