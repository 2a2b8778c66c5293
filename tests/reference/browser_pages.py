"""Pages that we write, in Chromium without a network, with what is wrong with them."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (tools/setup.sh --tests installs it)")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"])
        yield browser
        browser.close()


def open_page(browser, file, scheme="light", width=1280, script=None):
    """`problems` of the page: errors, warnings, and what it asks the network for."""
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda fetch: None if fetch.url.startswith(("file:", "data:", "blob:")) else page.problems.append(fetch.url))
    if script:
        page.add_init_script(script)
    page.goto(f"file://{file}")
    return page
