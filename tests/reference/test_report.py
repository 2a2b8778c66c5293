"""report.html in Chromium, without a network: no error on the console, every chart drawn, every player plays.

With STEMSMITH_SCREENSHOT=FILE the page is photographed too.
"""

import json
import os

import pytest
from browser_pages import browser, needs_chromium, open_page  # noqa: F401
from programs import run

STEMS = ["drums", "bass", "other", "vocals"]
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    if "STEMSMITH_RUN" in os.environ:  # the report of a run that is there
        return os.path.join(os.environ["STEMSMITH_RUN"], "report.html")
    folder = tmp_path_factory.mktemp("run")
    run("stemsmith", "synth", folder / "songs", "--songs", 4, "--seconds", 5, "--seed", 5,
        "--valid-songs", 2, "--test-songs", 1, "--quiet")
    run("stemsmith", "prepare", "folders", folder / "songs", "--out", folder / "cache.h5", "--quiet")
    config = folder / "train.yaml"
    config.write_text(f"dataset: {{cache: '{folder}/cache.h5', segment_seconds: 1.0}}\n"
                      "model: {name: unet, n_fft: 512, hop: 256, channels: 4, depth: 3}\n"
                      "train: {steps: 4, batch_size: 2, seed: 1, log_every_steps: 1}\n"
                      "validate: {every_steps: 2, max_segments: 2}\n"
                      "report: {seconds: 3}\n")
    run("stemsmith", "train", config, "--run", folder / "run", "--device", "cpu", "--threads", 1, "--quiet")
    file = folder / "run/report.html"
    written = file.stat().st_mtime_ns
    assert run("stemsmith", "watch", folder / "run", "--report").stdout.strip() == str(file)
    assert file.stat().st_mtime_ns > written
    return str(file)


@pytest.fixture(params=["light", "dark"])
def page(request, browser, report):
    page = open_page(browser, report, request.param)
    yield page
    assert page.problems == []
    page.context.close()


def test_opens_and_draws_every_chart(page):
    titles = page.locator("figcaption").all_inner_texts()
    assert {"Loss", "SDR per stem (dB)", "Learning rate", "Samples per second"} <= set(titles)
    # Pixels of each canvas that are not empty: axes alone have grey ones, lines have colours.
    coloured = page.evaluate("""() => [...document.querySelectorAll(".chart canvas")].map((canvas) => {
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] > 0 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 60) ++count;
      return count;
    })""")
    assert len(coloured) == len(titles) and min(coloured) > 50, list(zip(titles, coloured))
    assert all(page.locator(".chart").evaluate_all("boxes => boxes.map((box) => box.ariaLabel.includes(' from '))"))
    screenshot = os.environ.get("STEMSMITH_SCREENSHOT")
    if screenshot:
        page.wait_for_timeout(500)
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        page.screenshot(path=screenshot.replace(".png", "_dark.png") if dark else screenshot, full_page=True)


def test_fits_narrow_windows(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_player_plays(page, report):
    songs = page.locator("article")
    players = page.locator("audio")
    count = players.count()
    assert songs.count() > 0 and count == songs.count() * (1 + 2 * len(STEMS))
    assert page.locator("img").evaluate_all("pictures => pictures.every((p) => p.complete && p.naturalWidth === 480)")
    for i in range(count):
        played = players.nth(i).evaluate("""async (player) => {
          player.muted = true;
          player.currentTime = 0;
          await player.play();
          const before = player.currentTime;
          for (let i = 0; i < 100 && player.currentTime < before + 0.05; ++i) await new Promise((go) => setTimeout(go, 20));
          const moved = player.currentTime - before;
          player.pause();
          return [moved, player.duration];
        }""")
        assert played[0] >= 0.05 and played[1] >= 2.9, (i, played)


def test_another_player_goes_on_where_the_first_was(page):
    states = page.locator("article").first.evaluate("""async (song) => {
      const [first, second] = song.querySelectorAll("audio");
      first.muted = second.muted = true;
      await first.play();
      first.currentTime = 1.5;
      await second.play();
      return [first.paused, second.paused, second.currentTime];
    }""")
    assert states[:2] == [True, False] and states[2] >= 1.4


def test_numbers_are_those_of_the_records(page, report):
    records = [json.loads(line) for line in open(os.path.join(os.path.dirname(report), "metrics.jsonl"))]
    last = [record for record in records if record["event"] == "validation" and record["best"]][-1]
    rows = page.locator("table.figures tbody tr").evaluate_all("rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))")
    assert [row[0] for row in rows] == STEMS
    for stem, mixture, shown, *_ in rows:
        assert float(shown) == pytest.approx(last["sdr_db"][stem], abs=0.006)
        assert float(mixture) == pytest.approx(last["mixture_sdr_db"][stem], abs=0.006)
