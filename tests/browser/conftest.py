"""A real headless Chromium without a network. Where none is installed these tests skip and say so."""

import os
import shutil
from pathlib import Path

import pytest

NO_BROWSER = "no Chromium here: install Debian's package chromium to run the browser tests"


@pytest.fixture(scope="module")
def chromium():
    """One for each file: while it lives, playwright's event loop runs in this process, and there can't be another one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, of the test extra, is not installed")
    where = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if where is None:
        pytest.skip(NO_BROWSER)
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page of which every request and every complaint is noted. `allowed`: where requests may go."""

    def __init__(self, context, allowed):
        self.context, self.page = context, context.new_page()
        self.complaints, self.outside = [], []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", lambda r: None if r.url.startswith(allowed) else self.outside.append(r.url))


@pytest.fixture
def open_page(chromium):
    """open_page(path, width=..., scheme=...) -> a page of a file, with no network. What it asks of others, or complains of,
    fails the test at its end."""
    opened = []

    def make(path, *, width=1200, height=900, scheme="light", scripts=True, motion=None, fragment=""):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            offline=True,
            java_script_enabled=scripts,
            reduced_motion=motion,
            permissions=["clipboard-read", "clipboard-write"],
        )
        watched = Watched(context, ("file://", "data:"))
        opened.append(watched)
        watched.page.goto(Path(path).as_uri() + fragment)
        return watched.page

    yield make
    for watched in opened:
        watched.context.close()
        assert watched.outside == [] and watched.complaints == []


@pytest.fixture
def screenshot(tmp_path):
    """Keeps a picture for people: in $SWAPMODEL_SCREENSHOTS, or with the test's own files."""
    folder = Path(os.environ.get("SWAPMODEL_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=folder / f"{name}.png", full_page=True)


def violations(page):
    """What axe-core finds, as readable lines."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [f"{v['id']}: {n['html'][:120]} {n.get('failureSummary', '')[:200]}" for v in found for n in v["nodes"]]
