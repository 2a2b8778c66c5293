"""The page of `stemsmith serve` in Chromium: from the drop of a song to its stems, by mouse, by keyboard, beside another
browser; what is heard is measured; axe-core judges it. Pace and faults are those of a stand-in for the server.

With STEMSMITH_SCREENSHOTS=DIR the pictures of docs/images are made.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import zipfile

import numpy as np
import pytest
import soundfile
from browser_pages import browser, needs_chromium  # noqa: F401
from playwright.sync_api import expect
from programs import BIN, run
from serve_process import Served, programs_with_gate
from serve_stand_in import GAINS, StandIn

ROOT = pathlib.Path(__file__).resolve().parents[2]
AXE = ROOT / ".deps/axe/node_modules/axe-core/axe.min.js"
STEMS = ["drums", "bass", "other", "vocals"]
RATE, SECONDS, LEVEL = 16000, 30, 0.5  # of the songs: a tone of this amplitude
pytestmark = needs_chromium
expect.set_options(timeout=60_000)  # beside other tests

# What is heard: all that a page connects to its output also goes to an analyser; and how sources are begun.
HEAR = """
  window.starts = [];
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function(to, ...more) {
    if (to instanceof AudioDestinationNode) {
      window.clock = this.context;
      window.analyser = new AnalyserNode(this.context, {fftSize: 8192});
      connect.call(this, window.analyser);
    }
    return connect.call(this, to, ...more);
  };
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function(when, offset) {
    window.starts.push({when, offset, loop: this.loop && [this.loopStart, this.loopEnd], rate: this.buffer.sampleRate, contexts: this.context === window.clock});
    return start.call(this, when, offset);
  };
  window.level = () => {
    const samples = new Float32Array(window.analyser.fftSize);
    window.analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(2 * samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
  };
  document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


def tone(path, hertz=441, seconds=SECONDS):
    sound = LEVEL * np.sin(2 * np.pi * hertz / RATE * np.arange(seconds * RATE))
    soundfile.write(path, np.stack([sound, sound], axis=1), RATE, subtype="PCM_16")
    return path


class Serve:
    """`stemsmith serve` with a model whose stems are the song times GAINS."""

    def __init__(self, folder, *options):
        self.model = folder / "tones.onnx"
        run("make_tiny_onnx", self.model, RATE, *GAINS)
        environment = {"XDG_DATA_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", **os.environ}
        self.process = subprocess.Popen([os.path.join(BIN, "stemsmith"), "serve", "--model", self.model, "--port", "0", "--data", folder / "data", "--json", *options],
                                        stdout=subprocess.PIPE, text=True, env=environment)
        events = map(json.loads, self.process.stdout)
        self.address = next(event["url"].rstrip("/") for event in events if event["event"] == "listening")

    def close(self):
        self.process.terminate()
        assert self.process.wait(20) in (0, 143)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("serve_page")


@pytest.fixture(scope="module")
def server(folder):
    known = subprocess.run([os.path.join(BIN, "stemsmith"), "serve", "--help"], capture_output=True).returncode == 0
    server = Serve(folder) if known else StandIn()
    yield server
    server.close()


@pytest.fixture(scope="module")
def songs(folder):
    """One song as a wav, an mp3, and a .stem.mp4."""
    made = {"wav": tone(folder / "tone wave.wav"), "mp3": folder / "tone mp3.mp3", "mp4": folder / "tone stems.stem.mp4"}
    run("make_tiny_onnx", folder / "four.onnx", RATE, *GAINS)
    run("make_tiny_onnx", folder / "one.onnx", RATE)
    run("separate", folder / "one.onnx", tone(folder / "other.wav", 882), "--out", folder / "stems", "--format", "mp3", "--quiet")
    shutil.move(folder / "stems/other/mixture.mp3", made["mp3"])
    run("separate", folder / "four.onnx", tone(folder / "tone stems.wav", 1323), "--out", folder / "stems", "--format", "stem.mp4", "--quiet")
    shutil.move(folder / "stems/tone stems.stem.mp4", made["mp4"])
    return made


@pytest.fixture
def stand_in():
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def opened(browser):
    """Opens pages in contexts of their own; afterwards none may have complained, but of what `expected` matches."""
    contexts = []

    def make(address, scheme="light", width=1280, height=900, expected=None, shows="#songs_view, #job_view"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, accept_downloads=True, reduced_motion="reduce")
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.problems = []
        note = lambda text: page.problems.append(text) if not (expected and re.search(expected, text)) else None
        page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: note(str(error)))
        page.add_init_script(HEAR)
        page.goto(address)
        expect(page.locator(shows).locator("visible=true")).to_have_count(1)
        contexts.append((context, page))
        return page

    yield make
    for context, page in contexts:
        assert page.problems == []
        context.close()


def drop(page, *files):
    content = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    transfer = page.evaluate_handle("""(files) => {
      const transfer = new DataTransfer();
      for (const [name, text] of files) transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
      return transfer;
    }""", content)
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("#veil")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.locator("#veil")).to_be_hidden()


def ready(page):
    expect(page.locator(".mixer")).to_be_visible()
    expect(page.locator("button.play")).to_be_enabled()
    expect(page.locator(".strip .waveform canvas")).to_have_count(2 * page.locator(".lane").count())
    return page


def separated(page, file):
    drop(page, file)
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    page.get_by_role("button", name="Separate", exact=True).click()
    return ready(page)


def heard(page, expected, within=0.02):
    """The level settles at `expected` of the song's."""
    page.wait_for_function("([level, within]) => Math.abs(window.level() - level) < within * level + 1e-4", arg=[expected * LEVEL, within])


def position(page):
    return float(page.locator("input.position").input_value())


@pytest.mark.parametrize("kind", ["wav", "mp3", "mp4"])
def test_from_drop_to_stems(opened, server, songs, kind):
    if kind == "mp4" and isinstance(server, StandIn):
        pytest.skip("there is no `stemsmith serve` in this build")
    page = separated(opened(server.address), songs[kind])
    page.get_by_role("button", name="Loop", exact=True).click()  # it never ends
    assert page.locator(".lane h2").all_inner_texts() == STEMS
    page.get_by_role("button", name="Play").click()
    heard(page, sum(GAINS), within=0.06 if kind == "mp3" else 0.02)  # LAME makes songs of 16 kHz quieter by 5 %
    page.get_by_role("button", name="Pause").click()
    heard(page, 0)


def test_the_mixer_is_a_mixer(opened, server, songs):
    page = separated(opened(server.address), songs["wav"])
    button = lambda name: page.get_by_role("button", name=name, exact=True)
    button("Loop").click()  # it never ends
    button("Play").click()
    heard(page, sum(GAINS))
    # One clock, one moment, one place.
    starts = page.evaluate("starts")
    assert len(starts) == len(STEMS) and len({(s["when"], s["offset"]) for s in starts}) == 1
    assert all(s["rate"] == RATE and s["contexts"] for s in starts)
    button("Solo bass").click()
    heard(page, GAINS[1])
    button("Solo vocals").click()
    heard(page, GAINS[1] + GAINS[3])
    expect(button("Solo bass")).to_have_attribute("aria-pressed", "true")
    button("Solo bass").click()
    button("Solo vocals").click()
    button("Mute drums").click()
    heard(page, sum(GAINS) - GAINS[0])
    expect(page.locator(".lane.silent")).to_have_count(1)
    page.get_by_label("Volume of other").fill("0.5")
    heard(page, sum(GAINS) - GAINS[0] - 0.75 * GAINS[2])
    page.get_by_label("Volume of all").fill("0.5")
    heard(page, (sum(GAINS) - GAINS[0] - 0.75 * GAINS[2]) / 4)
    # A click goes there, for all alike; the cursor follows the clock.
    page.evaluate("starts.length = 0")
    box = page.locator(".strip").nth(2).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    page.wait_for_function("() => starts.length === 4")
    starts = page.evaluate("starts")
    assert len({s["when"] for s in starts}) == 1 and all(abs(s["offset"] - SECONDS / 2) < 0.1 for s in starts)
    for _ in range(3):
        page.wait_for_timeout(200)
        shown, clock = page.evaluate("""() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() =>
          resolve([Number(document.querySelector("input.position").value), clock.currentTime - clock.outputLatency]))))""")
        assert abs(shown - starts[0]["offset"] - (clock - starts[0]["when"])) < 0.2
    # A drag is a loop, and it stays in it.
    page.evaluate("starts.length = 0")
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 20, steps=4)
    page.mouse.up()
    starts = page.evaluate("starts")
    assert all(abs(s["loop"][0] - SECONDS / 4) < 0.1 and abs(s["loop"][1] - SECONDS / 3) < 0.1 for s in starts[-4:])
    for _ in range(6):
        page.wait_for_timeout(300)
        assert SECONDS / 4 - 0.1 <= position(page) <= SECONDS / 3 + 0.1
    button("Loop").click()
    page.wait_for_function(f"() => document.querySelector('input.position').value > {SECONDS / 3 + 0.2}")
    # At the end it stops, and stands at the beginning.
    page.get_by_label("Position", exact=True).fill(str(SECONDS - 0.4))
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert position(page) == 0
    # The song as it came, in step and in place of the stems, whatever they are set to.
    button("Play").click()
    button("Original").click()
    heard(page, 1 / 4)
    starts = page.evaluate("starts")[-5:]
    assert len({(s["when"], s["offset"]) for s in starts}) == 1
    button("Original").click()
    heard(page, (sum(GAINS) - GAINS[0] - 0.75 * GAINS[2]) / 4)


def test_spectrograms_and_pictures(opened, server, songs):
    page = separated(opened(server.address), songs["wav"])
    page.get_by_role("button", name="Spectrogram of bass").click()
    image = page.get_by_role("img", name="Spectrogram of bass")
    expect(image).to_be_visible()
    page.wait_for_function("() => [...document.querySelectorAll('.strip img')].some((image) => image.naturalWidth > 100)")
    page.get_by_role("button", name="Spectrograms", exact=True).click()
    expect(page.locator(".strip img:visible")).to_have_count(4)
    page.get_by_role("button", name="Spectrograms", exact=True).click()
    expect(page.locator(".strip img:visible")).to_have_count(0)


def test_what_is_saved_is_what_separate_writes(opened, server, songs, folder):
    if isinstance(server, StandIn):
        pytest.skip("there is no `stemsmith serve` in this build")
    page = separated(opened(server.address), songs["wav"])

    def saved(link):
        with page.expect_download() as download:
            page.get_by_role("link", name=link, exact=True).click()
        assert download.value.suggested_filename
        return pathlib.Path(download.value.path()).read_bytes()

    depth = page.locator(".saving label", has_text="Bits").locator("select")
    for form, bits, ending in (("wav", "32f", "wav"), ("flac", "24", "flac"), ("alac", "24", "m4a"), ("m4a", None, "m4a"), ("mp3", None, "mp3")):
        page.get_by_label("Format").select_option(form)
        if bits:
            depth.select_option(bits)
        else:
            expect(depth).to_be_hidden()
        out = folder / f"saved-{form}"
        run("separate", server.model, songs["wav"], "--out", out, "--format", form, *(["--bits", bits] if bits else []), "--quiet")
        assert saved("Save bass") == (out / songs["wav"].stem / f"bass.{ending}").read_bytes(), form
    archive = folder / "all.zip"
    archive.write_bytes(saved("All stems as zip"))
    names = zipfile.ZipFile(archive).namelist()
    assert sorted(pathlib.PurePath(name).name for name in names) == sorted(f"{stem}.mp3" for stem in STEMS)
    assert b"ftyp" in saved("One .stem.mp4 file")[:32]


def test_two_browsers_at_once(opened, server, songs, folder):
    first, second = opened(server.address), opened(server.address)
    drop(first, tone(folder / "of the first.wav", 300))
    drop(second, tone(folder / "of the second.wav", 400))
    for page in (first, second):
        expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    for page in (first, second):
        page.get_by_role("button", name="Separate", exact=True).click()
    for page in (first, second):
        ready(page)
        page.goto(server.address + "/#songs")
        for title in ("of the first", "of the second"):
            expect(page.locator("#rows .row", has_text=title)).to_have_attribute("data-state", "done")
    # Gone here, gone there; after a question.
    first.get_by_role("button", name="Delete of the second").click()
    first.get_by_role("button", name="Keep").click()
    expect(first.get_by_role("link", name="of the second")).to_be_visible()
    first.get_by_role("button", name="Delete of the second").click()
    first.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (first, second):
        expect(page.get_by_role("link", name="of the second")).to_have_count(0)
    # Searched, and opened by its address.
    second.get_by_label("Search separated songs").fill("the FIRST")
    expect(second.locator("#rows .row")).to_have_count(1)
    second.get_by_role("link", name="of the first").click()
    ready(second)
    third = opened(second.url)
    ready(third)


def test_by_keyboard_alone(opened, server, folder):
    page = opened(server.address)
    page.on("filechooser", lambda _: None)  # Chromium is to hold them back from now on
    song = tone(folder / "typed.wav", 500)

    def tab_to(role, name, **more):
        target = page.get_by_role(role, name=name, **more)
        for _ in range(60):
            page.keyboard.press("Tab")
            if target.evaluate("(it) => it === document.activeElement"):
                return target
        raise AssertionError(f"Tab does not reach {name}")

    tab_to("button", "Choose files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(song)
    expect(page.locator("#live")).to_have_text(re.compile("^typed.* is uploaded"))
    expect(page.get_by_role("button", name="Separate", exact=True)).to_be_enabled()
    tab_to("radio", re.compile("All stems"))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name=re.compile("Voice and the rest"))).to_be_checked()
    tab_to("button", "Separate", exact=True)
    page.keyboard.press("Enter")
    ready(page)
    assert page.evaluate("document.activeElement.textContent") == "typed"
    tab_to("button", "Play")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    heard(page, sum(GAINS))
    page.keyboard.press("Space")
    tab_to("slider", "Position", exact=True)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert position(page) == 5
    page.keyboard.press("[")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("]")
    expect(page.get_by_role("button", name="Loop", exact=True)).to_have_attribute("aria-pressed", "true")
    assert page.get_by_label("Start of the loop in seconds").input_value() == "5.0"
    assert page.get_by_label("End of the loop in seconds").input_value() == "10.0"
    page.keyboard.press("Space")
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Solo vocals")).to_have_attribute("aria-pressed", "true")
    heard(page, GAINS[3])
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    # Every stop has a ring.
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


@pytest.mark.skipif(not AXE.is_file(), reason="there is no axe-core (tools/setup.sh --tests installs it)")
@pytest.mark.parametrize("scheme,width", [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)])
def test_axe_finds_nothing_serious(opened, stand_in, songs, folder, scheme, width):
    page = opened(stand_in.address, scheme=scheme, width=width)
    page.evaluate(AXE.read_text())

    def judge(what):
        before = list(page.problems)
        found = page.evaluate("axe.run().then((result) => result.violations)")
        page.wait_for_timeout(50)
        page.problems[:] = before  # it sets styles of its own
        bad = [(v["id"], v["impact"], [n["html"][:200] + str(n.get("failureSummary")) for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")]
        assert bad == [], what
        assert page.evaluate("document.documentElement.scrollWidth") <= width, what

    judge("empty")
    drop(page, songs["wav"])
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    page.get_by_role("radio", name=re.compile("Your own choice")).check()
    page.get_by_role("button", name="Add a sum of stems").click()
    judge("choice")
    page.get_by_role("button", name="Remove this sum").click()
    stand_in.hold = 0.6
    page.get_by_role("button", name="Separate", exact=True).click()
    expect(page.locator(".share")).to_have_text("60 %")
    judge("progress")
    stand_in.hold = None
    ready(page)
    page.get_by_role("button", name="Solo bass").click()
    page.get_by_role("button", name="Loop", exact=True).click()
    page.locator("summary").click()
    judge("mixer")
    page.goto(stand_in.address + "/#songs")
    stand_in.failing = "The model file is damaged."
    drop(page, tone(folder / "fails.wav", 600, 2))
    page.get_by_role("button", name="Separate", exact=True).click()
    expect(page.locator("#job_view .fault").first).to_have_text("The model file is damaged.")
    judge("failed")
    page.goto(stand_in.address + "/#songs")
    expect(page.locator("#rows .row")).to_have_count(2)
    judge("list")
    page.get_by_role("button", name="Delete fails").click()
    judge("question")


# ---- Pace and faults.

def test_progress_moves_and_is_cancelled(opened, stand_in, songs, folder):
    page = opened(stand_in.address)
    stand_in.hold = 0.1
    page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => said.push(document.getElementById("live").textContent)).observe(document.getElementById("live"), {childList: true});
    }""")
    drop(page, songs["wav"], tone(folder / "second.wav", 600, 3))
    expect(page.locator("#cards .waveform canvas")).to_have_count(4)
    page.get_by_role("button", name="Separate 2 songs").click()
    rows = page.locator("#rows .row")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("next in the queue")
    expect(rows.nth(1)).to_contain_text("10 %")
    page.get_by_role("link", name="tone wave").click()
    for share in (30, 31, 55, 80, 99):
        stand_in.hold = share / 100
        expect(page.locator(".share")).to_have_text(f"{share} %")
        expect(page.get_by_role("progressbar", name="Progress of tone wave")).to_have_js_property("value", share / 100)
    page.wait_for_timeout(200)
    quarters = [text for text in page.evaluate("said") if "%" in text]
    assert quarters == [f"tone wave: {share} %" for share in (25, 50, 75)]  # no chatter
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled before its end")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".progress_card .state")).to_have_text("Waits: next in the queue")
    page.goto(stand_in.address + "/#songs")
    expect(page.locator("#rows .row[data-state=cancelled]")).to_have_count(1)
    page.get_by_role("button", name="Cancel second").click()
    expect(page.locator("#rows .row[data-state=cancelled]")).to_have_count(2)


def test_cancelled_in_mid_job(opened, server, songs, folder):
    """By a real server whose `separate` is held in its middle."""
    if isinstance(server, StandIn):
        pytest.skip("there is no `stemsmith serve` in this build")
    programs = programs_with_gate(folder / "gate")
    script = programs / "separate"
    script.write_text(script.read_text().replace("while", """echo '{"event":"progress","done":37,"total":100}'\nwhile""", 1))
    hold = folder / "gate/hold"
    hold.touch()
    run("make_tiny_onnx", folder / "held.onnx", RATE, *GAINS)
    held = Served(folder / "held", folder / "held.onnx", programs=programs)
    page = opened(held.url.rstrip("/"))
    drop(page, songs["wav"])
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    page.get_by_role("button", name="Separate", exact=True).click()
    expect(page.locator(".share")).to_have_text("37 %")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled before its end")).to_be_visible()
    assert not list((folder / "held/jobs").glob("*/attempt-*"))
    hold.unlink()
    page.get_by_role("button", name="Try again").click()
    ready(page)
    assert held.close() == 0


def test_uploads_go_on_after_faults(opened, stand_in, songs):
    page = opened(stand_in.address, expected="Failed to load resource|ERR_")
    size = songs["wav"].stat().st_size
    stand_in.faults += [("PATCH", "/api/v1/uploads/", "cut", size // 3), ("PATCH", "/api/v1/uploads/", "status", 503, "The server is busy."),
                        ("PATCH", "/api/v1/uploads/", "lost")]
    drop(page, songs["wav"])
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    heads = [path for method, path in stand_in.requests if method == "HEAD"]
    assert len(heads) >= 2 and len({path for method, path in stand_in.requests if method == "PATCH"}) == 1
    song, = stand_in.songs.values()
    assert song["data"] == songs["wav"].read_bytes()


def test_what_is_refused_is_said(opened, stand_in, songs, folder):
    page = opened(stand_in.address, expected="Failed to load resource")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "letter.wav").write_bytes(b"Dear all,")
    stand_in.limits["upload_bytes"] = 3_000_000
    page.reload()
    drop(page, folder / "empty.wav", folder / "letter.wav", tone(folder / "long.wav", 200, 60))
    cards = page.locator("#cards article")
    expect(cards.nth(0)).to_contain_text("The file is empty.")
    expect(cards.nth(1)).to_contain_text("'letter.wav' is not audio")
    expect(cards.nth(2)).to_contain_text("this server takes up to 3.0 MB")
    page.get_by_role("button", name="Remove letter.wav").click()
    expect(cards).to_have_count(2)
    # A full queue: the sentence, and the song stays.
    drop(page, songs["wav"])
    stand_in.limits["queue"] = 0
    page.get_by_role("button", name="Separate", exact=True).click()
    expect(cards.nth(2)).to_contain_text("The queue is full")
    stand_in.limits["queue"], stand_in.failing = 50, "The song holds no sound."
    page.get_by_role("button", name="Separate", exact=True).click()
    failed = page.locator("#rows .row[data-state=failed]")
    expect(failed).to_contain_text("The song holds no sound.")
    stand_in.failing = None
    page.get_by_role("button", name=re.compile("Try again: tone wave")).click()
    expect(page.locator("#rows .row[data-state=done]")).to_have_count(1)


def test_the_choice(opened, stand_in, songs):
    page = opened(stand_in.address)
    drop(page, songs["wav"])
    choose = lambda name: page.get_by_role("radio", name=re.compile(name)).check()
    separate = page.get_by_role("button", name="Separate", exact=True)
    wanted = lambda: [job["request"] for job in stand_in.jobs.values()][-1]
    expect(separate).to_be_enabled()
    choose("One stem and the rest")
    page.locator("#choice .details select").select_option("bass")
    separate.click()
    ready(page)
    assert wanted().items() >= {"two_stems": "bass"}.items()
    expect(page.get_by_text("holds exactly 4 stems, these are 2")).to_be_visible()
    page.get_by_role("button", name="Separate again").click()
    # As it was the last time.
    expect(page.get_by_role("radio", name=re.compile("One stem and the rest"))).to_be_checked()
    choose("Your own choice")
    for stem in STEMS[1:]:
        page.get_by_role("group", name="Stems").get_by_label(stem).uncheck()
    page.get_by_role("button", name="Add a sum of stems").click()
    separate.click()
    expect(page.locator("#choice .fault")).to_have_text("Give the sum of stems a name.")
    page.get_by_label("Name").fill("karaoke")
    for stem in STEMS[:3]:
        page.get_by_role("group", name="A sum of stems").get_by_label(stem).check()
    page.get_by_label("Quality").select_option("2")
    separate.click()
    ready(page)
    assert wanted().items() >= {"stems": ["drums"], "mixes": ["karaoke=drums+bass+other"], "shifts": 2}.items()
    page.reload()
    ready(page)


def test_songs_wait_over_a_reload(opened, stand_in, songs):
    page = opened(stand_in.address)
    drop(page, songs["wav"])
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    page.reload()
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()
    drop(page, songs["wav"])  # the same again
    expect(page.locator("#live")).to_have_text("tone wave.wav is there already.")
    expect(page.locator("#cards article")).to_have_count(1)


def test_the_token(opened, stand_in, songs):
    stand_in.token = "right"
    page = opened(stand_in.address, expected="Failed to load resource", shows="#token")
    page.locator("#token input").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#token .fault")).to_have_text("This is not the server's token.")
    page.locator("#token input").fill("right")
    page.keyboard.press("Enter")
    expect(page.locator("#token")).to_be_hidden()
    expect(page.locator("#none")).to_be_visible()
    # Taken back while the page is open: asked for again, and the upload goes on.
    stand_in.token = "new"
    drop(page, songs["wav"])
    page.locator("#token input").fill("new")
    page.keyboard.press("Enter")
    expect(page.locator("#cards .waveform canvas").first).to_be_visible()


def test_a_long_song_is_loaded_by_stem(opened, stand_in, songs):
    song = stand_in.add_song("hour.wav", songs["wav"].read_bytes())
    stand_in.job_seconds = 0
    _, job = stand_in.add_job({"song": song})
    while job["state"] != "done":
        time.sleep(0.05)
    job["result"]["seconds"] = 3600
    page = opened(f"{stand_in.address}/#job={job['id']}")
    expect(page.get_by_text("This song is long")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_disabled()
    page.get_by_role("region", name="bass").get_by_role("button", name="Load (461 MB)").click()
    expect(page.get_by_role("button", name="Play")).to_be_enabled()
    assert [path for _, path in stand_in.requests if ".flac" in path] == [f"/api/v1/jobs/{job['id']}/files/bass.flac?bits=16"]
    page.get_by_role("button", name="Play").click()
    heard(page, GAINS[1])
    # One that joins later is in step.
    page.evaluate("starts.length = 0")
    page.get_by_role("region", name="drums").get_by_role("button", name="Load (461 MB)").click()
    page.wait_for_function("() => starts.length === 2")
    assert len({(s["when"], s["offset"]) for s in page.evaluate("starts")}) == 1
    heard(page, GAINS[0] + GAINS[1])


def test_more_and_lost_connection(opened, stand_in, songs):
    song = stand_in.add_song("tone.wav", songs["wav"].read_bytes())
    stand_in.job_seconds = 0
    for shifts in range(35):
        stand_in.limits["queue"] = 100
        stand_in.add_job({"song": song, "shifts": shifts})
    page = opened(stand_in.address, expected="Failed to load resource|ERR_")
    expect(page.locator("#rows .row")).to_have_count(30)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#rows .row")).to_have_count(35)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    # The stream of events breaks off; what was missed meanwhile is there when it is back.
    for listener in list(stand_in.listeners):
        stand_in.listeners.discard(listener)
        stand_in.jobs.pop(next(iter(stand_in.jobs)))
        listener.put(None)
    expect(page.locator("#rows .row")).to_have_count(30)
    expect(page.locator("#connection")).to_have_text("")


def test_training_runs(opened, stand_in):
    stand_in.runs = [{"name": "first run", "kind": "training", "page": "/reports/first", "changed_at": "2026-01-01T00:00:00Z"}]
    page = opened(stand_in.address)
    page.get_by_role("link", name="Training runs").click()
    page.get_by_role("link", name="first run").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("#p")).to_contain_text("drawn")
    assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts allow-downloads"
    before = frame.locator("#p").inner_text()
    stand_in.runs[0]["changed_at"] = "2026-01-01T00:00:05Z"
    expect(frame.locator("#p")).not_to_have_text(before)


@pytest.mark.skipif("STEMSMITH_SCREENSHOTS" not in os.environ, reason="pictures are made by hand")
def test_screenshots(opened, folder):
    run("stemsmith", "synth", folder / "demo", "--songs", 3, "--seconds", 40, "--seed", 7, "--valid-songs", 0, "--test-songs", 1, "--quiet")
    titles = ["Harbour Lights", "Slow Train North", "Paper Moon"]
    sounds = dict(zip(titles, sorted((folder / "demo").glob("*/song_*"))))
    stand_in = StandIn(sounds=sounds)
    out = pathlib.Path(os.environ["STEMSMITH_SCREENSHOTS"])
    for title, place in sounds.items():
        stand_in.add_job({"song": stand_in.add_song(f"{title}.wav", (place / "mixture.wav").read_bytes())})
    for name, scheme, width, height in (("wide", "light", 1280, 830), ("dark", "dark", 1280, 830), ("phone", "light", 360, 740)):
        page = opened(stand_in.address, scheme=scheme, width=width, height=height)
        expect(page.locator("#rows .row[data-state=done]")).to_have_count(3)
        page.get_by_role("link", name=titles[2]).click()
        ready(page)
        page.get_by_role("button", name="Spectrogram of drums").click()
        page.wait_for_function("() => document.querySelector('.strip img').naturalWidth > 0")
        page.get_by_label("Position", exact=True).fill("14.2")
        page.wait_for_timeout(200)
        page.screenshot(path=out / f"serve_{name}.png")
    stand_in.close()
