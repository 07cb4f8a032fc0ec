"""The page of an evaluation in a real browser: nothing to complain about, boxes on their pictures, the filter."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest
from PIL import Image

from sgob_tasks.sandbox.painter.__main__ import main as paint
from sgob_tasks.steps.evaluate import evaluate
from tests.integration.report.test_static_page import Web, chromium, command
from tests.unit.detection.evaluation_data import make_results

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    paint(["--training", "2", "12", "--out", str(folder / "set")])
    truth = folder / "set" / "val.json"
    for name, seed, shift in (("a.json", 1, 12.0), ("b.json", 2, 4.0)):
        (folder / name).write_text(json.dumps(make_results(json.loads(truth.read_text()), seed, shift=shift)))
    found = evaluate(
        truth, folder / "a.json", out=folder / "out", images=folder / "set" / "images", against=folder / "b.json",
        resamples=50,
    )  # fmt: skip
    assert found["pictures_not_shown"] == 0
    return Path(found["page"])


def test_the_browser_shows_it_all_and_has_nothing_to_complain_about(page: Path, tmp_path: Path) -> None:
    look = """
    const all = (what) => [...document.querySelectorAll(what)];
    Promise.all(all("img").map((one) => { one.loading = "eager"; return one.decode().catch(() => 0); })).then(() => {
      const fit = all(".stage:has(svg)").map((stage) => {
        const [image, boxes] = ["img", "svg"].map((name) => stage.querySelector(name).getBoundingClientRect());
        return Math.max(...["x", "y", "width", "height"].map((side) => Math.abs(image[side] - boxes[side])));
      });
      const shown = (where) => all(`${where} .card`).filter((card) => card.getClientRects().length).length;
      const seen = {broken: all("img").filter((one) => !one.naturalWidth).length, pictures: all(".stage img").length,
        cards: all(".card").length, misfit: Math.max(...fit), all: shown(".mistakes"),
        missed: all(".mistakes .card.missed").length,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth};
      document.getElementById("show-missed").click();
      seen.filtered = shown(".mistakes");
      return seen;
    }).catch((error) => ({error: String(error)})).then(
      (seen) => fetch("/seen", {method: "POST", body: JSON.stringify(seen)}));
    """
    document, console = chromium(page.as_uri(), tmp_path / "profile")
    assert console == []
    assert "<title>Evaluation of a.json" in document
    # The page's policy lets no script of ours in, so that the look goes into a copy without the policy.
    copy = page.with_name("look.html")
    bare = page.read_text().replace('http-equiv="Content-Security-Policy"', 'name="was-policy"')
    copy.write_text(bare.replace("</body>", f"<script>{look}</script></body>"))
    web = Web(page.parent)
    with web.server:
        threading.Thread(target=web.server.serve_forever, daemon=True).start()
        options = ("--remote-debugging-port=0",)  # stay until the page has answered
        browser = subprocess.Popen(
            command(f"{web.url}/look.html", tmp_path / "profile", *options), stderr=subprocess.DEVNULL
        )
        try:
            seen = web.seen.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait(30)
            web.server.shutdown()
    assert "error" not in seen, seen
    assert seen["broken"] == 0
    assert seen["pictures"] == seen["cards"] > 10
    assert seen["misfit"] < 1, "boxes lie exactly on their pictures"
    assert seen["filtered"] == seen["missed"] < seen["all"]
    assert seen["overflow"] == 0


def test_it_fits_a_narrow_screen(page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "narrow.png"
    narrow = command(page.as_uri(), tmp_path / "profile", "--window-size=500,1500", f"--screenshot={picture}")
    subprocess.run(narrow, check=True, capture_output=True, timeout=120)
    with Image.open(picture) as shot:
        assert shot.size == (500, 1500)
        assert len(shot.convert("L").resize((50, 150)).getcolors()) > 20, "it is not blank"
