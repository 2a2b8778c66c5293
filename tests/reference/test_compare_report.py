"""The reports of `compare` and `evaluate` in Chromium, without a network: no error on the console, every chart drawn, tables
that sort, plots that are saved, and players in step."""

import csv
import re
import statistics
import xml.etree.ElementTree

import pytest
from browser_pages import browser, needs_chromium, open_page  # noqa: F401
from programs import run

STEMS = ["drums", "bass", "other", "vocals"]
METHODS = ["ideal", "<img src=x onerror=fail()> & \"bands\"", "mixture"]
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    run("stemsmith", "synth", folder / "songs", "--songs", 3, "--seconds", 5, "--seed", 5,
        "--valid-songs", 0, "--test-songs", 2, "--quiet")
    (folder / "compare.yaml").write_text(
        f"songs: {{root: '{folder}/songs', sample_rate_hz: 16000}}\nmetrics: [snr, bleedless]\n"
        "report: {songs: 1, seconds: 3}\nmethods:\n"
        f"  - {{name: '{METHODS[1]}', baseline: bands}}\n  - {{name: ideal, baseline: ideal_ratio_mask}}\n")
    run("stemsmith", "compare", folder / "compare.yaml", "--out", folder / "out", "--threads", 2, "--quiet")
    return folder


@pytest.fixture(scope="module")
def page(browser, folder):
    page = open_page(browser, folder / "out/report.html")
    yield page
    assert page.problems == []
    page.context.close()


def table(page):
    return page.locator("#songs tbody tr").evaluate_all("rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))")


def test_draws_every_chart_with_units(page):
    count = len(STEMS) + 3
    assert page.locator(".chart svg.main-svg").count() >= count
    for of, shape in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for name, value in (("Values of", of), ("Shape", shape)):
            page.locator("#figures label", has_text=name).locator("select").select_option(str(value))
        boxes = page.locator("#distributions .chart").evaluate_all(
            "charts => charts.map((chart) => chart.querySelectorAll('.trace.boxes, .trace.violins').length)")
        assert boxes == [len(METHODS)] * len(STEMS), (of, shape)
    page.locator("#figures label", has_text="Values of").locator("select").select_option("0")
    page.locator("#figures label", has_text="Shape").locator("select").select_option("0")
    # Of boxes a point for each song.
    assert page.locator("#distributions .chart").first.locator(".points path").count() == 2 * len(METHODS)
    assert page.locator("#means .errorbar").count() == len(METHODS) * len(STEMS)
    assert page.locator("#differences .errorbar").count() == (len(METHODS) - 1) * len(STEMS)
    assert page.locator("#speed .points path").count() == len(METHODS) - 1
    titles = page.locator(".xtitle, .ytitle").all_inner_texts() + page.locator(".xtitle, .ytitle").evaluate_all("t => t.map((e) => e.textContent)")
    titles = {title for title in titles if title}
    assert {"Method", "SDR of drums (dB)", "Mean SDR (dB)", "SDR less that of mixture (dB)", "Speed (times real time, logarithmic)",
            "Mean SDR over stems (dB)"} <= titles
    assert all(title == "Method" or re.search(r"\(.+\)$", title) for title in titles), titles
    assert page.locator(".chart").evaluate_all("charts => charts.every((c) => c.getAttribute('role') === 'img' && /[0-9]/.test(c.ariaLabel))")


def test_the_metric_is_that_of_all_charts(page):
    page.locator("#figures select").first.select_option(label="bleedless (points of 100)")
    titles = set(page.locator(".xtitle").evaluate_all("t => t.map((e) => e.textContent)"))
    assert {"bleedless of drums (points of 100)", "Mean bleedless (points of 100)"} <= titles
    assert "drums (points of 100)" in page.locator("#songs thead").inner_text()
    page.locator("#songs select").first.select_option("0")
    assert "SDR of drums (dB)" in page.locator(".xtitle").evaluate_all("t => t.map((e) => e.textContent)")
    page.locator("#differences select").select_option(label="ideal")
    assert "SDR less that of ideal (dB)" in page.locator(".xtitle").evaluate_all("t => t.map((e) => e.textContent)")
    page.locator("#differences select").select_option(label="mixture")


def test_the_table_sorts_and_filters(page, folder):
    rows = table(page)
    assert len(rows) == 2 * len(METHODS) and {row[1] for row in rows} == set(METHODS)
    figures = {(row["song"], row["method"], row["stem"]): row["value"] for row in csv.DictReader(open(folder / "out/results.csv"))
               if row["metric"] == "SDR"}
    for row in rows:
        for stem, value in zip(STEMS, row[2:]):
            shown = "–" if figures[row[0], row[1], stem] == "" else value.replace("\u2212", "-")
            assert shown == value or float(shown) == pytest.approx(float(figures[row[0], row[1], stem]), abs=0.006)
    head = lambda column: page.locator("#songs thead th").nth(column)
    for column in range(7):
        for again in range(2):
            head(column).locator("button").focus()
            page.keyboard.press("Enter")
            order = head(column).get_attribute("aria-sort")
            values = [row[column] for row in table(page)]
            if column >= 2:
                values = [float(value.replace("\u2212", "-")) for value in values if value != "–"]
            assert order in ("ascending", "descending")
            assert values == sorted(values, reverse=order == "descending") or column < 2
            if column < 2:
                assert (values[0] <= values[-1]) == (order == "ascending")
            assert page.locator("#songs th[aria-sort]").count() == 1
    page.locator("#songs label", has_text="Stem").locator("select").select_option(label="bass")
    page.locator("#songs label", has_text="Method").locator("select").select_option(label="ideal")
    assert len(table(page)) == 2 and page.locator("#songs thead th").all_inner_texts() == ["Song", "Method", "bass (dB)"]
    page.locator("#songs label", has_text="Stem").locator("select").select_option("-1")
    page.locator("#songs label", has_text="Method").locator("select").select_option("-1")


def test_shows_the_same_means_as_the_table_of_results(page, folder):
    rows = page.locator("#table + .scroll tbody tr").evaluate_all("rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))")
    assert [row[0] for row in rows] == METHODS
    for row in rows:
        for stem, cell in zip(STEMS, row[1:]):
            values = [float(line["value"]) for line in csv.DictReader(open(folder / "out/results.csv"))
                      if (line["method"], line["stem"], line["metric"]) == (row[0], stem, "SDR") and line["value"]]
            assert float(cell.split()[0]) == pytest.approx(statistics.mean(values), abs=0.006)


def test_plots_are_saved(page, tmp_path):
    for format in ("SVG", "PNG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save Means over songs as {format}").click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.name == f"sdr_means.{format.lower()}"
        if format == "SVG":
            svg = file.read_text()
            assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg") and "Mean SDR (dB)" in svg
        else:
            assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 10_000


def test_fits_narrow_dark_windows(browser, folder):
    page = open_page(browser, folder / "out/report.html", "dark", 400)
    assert page.locator("#means .xtitle").evaluate("title => getComputedStyle(title).fill") == "rgb(230, 233, 238)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator(".chart").evaluate_all("charts => charts.every((chart) => chart.scrollWidth <= 400 && chart.clientHeight > 100)")
    assert page.problems == []
    page.context.close()


# Writes down what is started and when, so that "in step" is what the sound has and not what the page says.
LOG = """
window.starts = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, offset) {
  starts.push([when, offset, this.buffer.length]);
  return start.call(this, when, offset);
};
"""


def test_players_are_in_step(browser, folder):
    page = open_page(browser, folder / "out/report.html", script=LOG)
    song = page.locator("article.song")
    assert song.count() == 1
    sounds = 1 + len(STEMS) * 3  # the mixture; of each stem the reference and two estimates
    at = lambda: float(song.locator("input[type=range]").input_value())
    song.locator(".transport button").click()
    for _ in range(200):
        if at() > 0.3:
            break
        page.wait_for_timeout(50)
    starts = page.evaluate("starts")
    assert len(starts) == sounds and len({tuple(start) for start in starts}) == 1, "all begin at once and are of one length"
    # Another stem and another method while it plays: nothing starts anew, and the position goes on.
    before = at()
    song.get_by_label("bass").check()
    song.locator(".sound:not([hidden]) label", has_text="ideal").locator("input").check()
    page.wait_for_timeout(200)
    assert page.evaluate("starts.length") == sounds and before < at() < before + 2
    assert song.locator(".sound:not([hidden])").count() == 4
    # A click on a spectrogram goes there; all start again from one place. The line is where the sound is.
    view = song.locator(".sound:not([hidden]) .view").nth(2)
    box = view.bounding_box()
    view.click(position={"x": box["width"] / 2, "y": 20})
    starts = page.evaluate(f"starts.slice({sounds})")
    assert len(starts) == sounds and len({tuple(start) for start in starts}) == 1
    assert starts[0][1] == pytest.approx(1.5, abs=0.05)
    song.locator(".transport button").click()  # pause
    stopped = at()
    page.wait_for_timeout(100)
    assert at() == stopped
    lines = song.locator(".view i").evaluate_all("lines => lines.map((line) => parseFloat(line.style.left))")
    assert lines == pytest.approx([100 * stopped / 3] * sounds, abs=0.5)
    # Keys: arrows choose the next sound, and move the slider.
    chosen = song.locator(".sound input:checked")
    name = chosen.evaluate("input => input.parentElement.innerText")
    chosen.press("ArrowUp")
    assert song.locator(".sound input:checked").evaluate("input => input.parentElement.innerText") != name
    song.locator("input[type=range]").press("Home")
    assert at() == 0
    assert song.locator("img").evaluate_all("pictures => pictures.filter((p) => p.src).every((p) => p.complete && p.naturalWidth === 400 && p.alt)")
    assert page.problems == []
    page.context.close()


def test_evaluate_writes_a_report_too(browser, folder):
    song = next((folder / "out/songs").iterdir())
    estimates = folder / "out/stems/ideal" / song.name
    run("stemsmith", "evaluate", "--references", song, "--estimates", estimates, "--metrics", "snr", "--report",
        folder / "figures.html", "--quiet")
    page = open_page(browser, folder / "figures.html")
    assert page.locator("#distributions .chart").count() == len(STEMS)
    assert page.locator("#differences, #speed").count() == 0
    assert page.locator("article.song .sound").count() == 1 + 2 * len(STEMS)
    assert page.locator(".annotation", has_text="there are no figures").count() == 0
    assert page.problems == []
    page.context.close()
