"""The HTML docs in a real browser, opened from disk, offline: search, keys, themes, small screens, axe-core, pictures of them.

SWAPMODEL_SCREENSHOTS names a folder that keeps the screenshots."""

import itertools
import os
from pathlib import Path

import pytest

from swapmodel.site import Sources, build

from ..small_checkout import write_checkout

PAGES = [
    *("index.html", "01-first.html", "02-second.html", "exercises-01-first.html", "diagrams.html"),
    *("scenarios.html", "kernels.html", "fixes.html", "questions.html", "api.html", "model.html"),
    "cost.html",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    build(folder / "site", Sources(write_checkout(folder / "checkout")), execute=False)
    return folder / "site"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    given = os.environ.get("SWAPMODEL_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def opened(chromium, site):
    """Opens pages of the site, offline. Any request that is not for a file, and any message on the console, fails the test."""
    contexts, wrong = [], []

    def open_page(name="index.html", *, width=1400, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: r.url.startswith(("file://", "data:")) or wrong.append(r.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{site.as_uri()}/{name}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def focused(page, script="node.id || node.textContent.trim()"):
    return page.evaluate(f"(() => {{ const node = document.activeElement; return {script}; }})()")


# ---- search -----------------------------------------------------------------------------------------------------------


def test_the_search_by_keyboard_alone(opened):
    page = opened()
    page.keyboard.press("/")
    assert focused(page) == "site-query" and page.input_value("#site-query") == ""
    page.keyboard.type("gazebo")
    page.wait_for_selector("#site-results a")
    assert page.text_content("#site-count") == "1 place"
    assert page.text_content("#site-results mark") == "gazebo"
    page.keyboard.press("ArrowDown")
    assert focused(page, "node.closest('#site-results') !== null")
    page.keyboard.press("ArrowUp")
    assert focused(page) == "site-query"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/01-first.html#a-part")


def test_arrow_keys_go_through_the_results(opened):
    page = opened()
    page.keyboard.press("/")
    page.keyboard.type("swap_map")
    page.wait_for_selector("#site-results li:nth-child(3)")
    heads = page.locator("#site-results a").all_text_contents()
    for key, at in (("ArrowDown", 0), ("ArrowDown", 1), ("End", -1), ("ArrowDown", -1), ("Home", 0)):
        page.keyboard.press(key)
        assert focused(page, "node.textContent") == heads[at]


def test_escape_leaves_the_search_and_gives_the_focus_back(opened):
    page = opened()
    page.focus("#site-theme")
    page.keyboard.press("/")
    page.keyboard.type("fork")
    page.wait_for_selector("#site-results a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert focused(page) == "site-theme"
    assert page.is_hidden("#site-found") and page.input_value("#site-query") == ""


def test_a_slash_in_a_field_is_a_slash(opened):
    page = opened()
    page.keyboard.press("/")
    page.keyboard.type("a/b")
    assert page.input_value("#site-query") == "a/b"


def test_what_is_not_there_is_told(opened):
    page = opened()
    page.fill("#site-query", "nosuchword")
    page.wait_for_function("document.getElementById('site-count').textContent")
    assert page.text_content("#site-count") == "Nothing has all of these words."
    page.fill("#site-query", "<img src=x onerror=alert(1)>")
    assert page.locator("#site-found img").count() == 0


# ---- theme ------------------------------------------------------------------------------------------------------------


def paper(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_follows_the_system_until_the_reader_chooses(opened, system):
    page = opened(color_scheme=system)
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}
    other = {"light": "dark", "dark": "light"}[system]
    assert paper(page) == colours[system]
    page.click("#site-theme")
    assert paper(page) == colours[other]
    assert page.get_attribute("#site-theme", "aria-pressed") == str(other == "dark").lower()
    page.click(".pages a[href='api.html']")
    page.wait_for_url("**/api.html")
    assert paper(page) == colours[other], "it is remembered"
    assert page.get_attribute("body", "data-jp-theme-light") == str(other == "light").lower()


def test_the_theme_works_where_storage_is_refused(opened):
    page = opened()
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } });")
    page.reload()
    page.click("#site-theme")
    assert paper(page) == "rgb(20, 23, 28)"


# ---- reading ----------------------------------------------------------------------------------------------------------


def test_players_work(opened):
    page = opened("01-first.html")
    assert page.locator(".output button").all_text_contents() == ["Step: 1", "Step: 1"]


@pytest.mark.parametrize("width", [320, 360, 800, 1400])  # 320: a window of 1280 at 400 %
def test_no_page_scrolls_sideways(opened, site, width):
    page = opened(width=width)
    for name in PAGES:
        page.goto(f"{site.as_uri()}/{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_a_wide_output_is_scrolled_with_the_keyboard(opened):
    page = opened("01-first.html", width=360)
    box = page.locator(".output .scroll", has_text="xxxx")
    assert box.get_attribute("tabindex") == "0"
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")


def test_a_box_with_nothing_to_scroll_is_no_stop_for_the_tab_key(opened):
    page = opened("02-second.html")
    page.wait_for_function("!document.querySelector('.output .scroll').hasAttribute('tabindex')")


def test_the_first_tab_offers_to_skip_the_navigation(opened):
    page = opened("api.html")
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the text"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page, "node.closest('main') !== null")


def test_the_focus_is_visible(opened):
    page = opened()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_menu_of_a_small_screen(opened):
    page = opened("fixes.html", width=360)
    assert page.is_hidden("#site-pages")
    page.focus("#site-menu")
    page.keyboard.press("Enter")
    assert page.is_visible("#site-pages") and page.get_attribute("#site-menu", "aria-expanded") == "true"
    page.click("#site-pages a[href='api.html']")
    page.wait_for_url("**/api.html")


@pytest.mark.parametrize("width", [360, 1400])
def test_without_scripts_everything_is_there_to_read(opened, width):
    page = opened("01-first.html", width=width, java_script_enabled=False)
    assert page.is_visible("#site-pages") and page.is_visible(".contents a") and page.is_visible(".replay li")
    assert page.is_hidden("#site-search") and page.is_hidden("#site-theme") and page.is_hidden("#site-menu")


def test_print_has_the_text_alone(opened):
    page = opened("01-first.html", color_scheme="dark")
    page.click("#site-theme")
    page.click("#site-theme")
    page.emulate_media(media="print")
    assert paper(page) == "rgb(255, 255, 255)"
    assert page.is_visible("h1") and not page.is_visible(".bar, .pages, .contents, .turn")


def test_the_section_that_is_read_is_marked(opened):
    page = opened("scenarios.html#reclaim")
    page.wait_for_selector(".contents a[href='#reclaim'][aria-current]")


# ---- for everybody ----------------------------------------------------------------------------------------------------


def violations(page):
    """What axe-core finds. (It may not fetch the style sheets: a page from disk can't.)"""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    found = axe.Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
    return [(v["id"], [(node["html"][:200], node["failureSummary"]) for node in v["nodes"]]) for v in found]


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1400)])
def test_axe_finds_no_violation(opened, site, scheme, width):
    page = opened(width=width, color_scheme=scheme)
    for name in PAGES:
        page.goto(f"{site.as_uri()}/{name}")
        assert violations(page) == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_open_search(opened, scheme):
    page = opened(color_scheme=scheme)
    page.fill("#site-query", "swap_map")
    page.wait_for_selector("#site-results a")
    assert violations(page) == []


@pytest.mark.parametrize(
    ("scheme", "width", "media"), [*itertools.product(("light", "dark"), (1400, 360), ("screen",)), ("light", 900, "print")]
)
def test_screenshots(opened, site, pictures, scheme, width, media):
    page = opened(width=width, color_scheme=scheme)
    page.emulate_media(media=media)
    for name in PAGES:
        page.goto(f"{site.as_uri()}/{name}")
        path = pictures / f"site-{Path(name).stem}-{scheme}-{width}-{media}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 5_000
