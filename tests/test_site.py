"""The HTML docs without a browser: whole, valid, closed in themselves, the same each time; one sentence for every bad input."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

import swapmodel
from swapmodel.__main__ import main
from swapmodel.fixes import FIXES
from swapmodel.names import BadUse
from swapmodel.questions import QUESTIONS
from swapmodel.scenarios import SCENARIOS
from swapmodel.site import Sources, build
from swapmodel.site.folder import replaced
from swapmodel.site.links import demand_links
from swapmodel.versions import KERNELS

from .small_checkout import WIDE, write_book, write_checkout

STATIC = Path(swapmodel.__file__).parent / "site" / "static"
ORDER = [
    *("index.html", "01-first.html", "02-second.html", "exercises-01-first.html", "diagrams.html"),
    *("scenarios.html", "kernels.html", "fixes.html", "questions.html", "api.html", "model.html"),
    "cost.html",
]


@pytest.fixture(autouse=True)
def nobody_looks(monkeypatch):
    """nbval has loaded what makes Progress believe that it is in a notebook."""
    monkeypatch.setattr("swapmodel.progress.watched", lambda: False)


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    return write_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def site(notebooks, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "site"
    assert build(out, Sources(notebooks), execute=False) == len(ORDER)
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {path.name: BeautifulSoup(path.read_text(), "html.parser") for path in site.glob("*.html")}


def refused(capsys, *arguments):
    """The one sentence of a refusal: exit status 2, nothing on stdout."""
    status = main(["site", *map(str, arguments)])
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert captured.err.startswith("swapmodel: ") and captured.err.count("\n") == 1
    return captured.err


# ---- what there is ----------------------------------------------------------------------------------------------------


def test_every_page_is_there_and_leads_to_every_other(pages):
    assert set(pages) == set(ORDER)
    for name, soup in pages.items():
        assert [a["href"] for a in soup.select(".pages a")] == ORDER
        assert [a["href"] for a in soup.select(".pages [aria-current=page]")] == [name]


def test_next_and_previous_follow_the_reading_order(pages):
    for before, after in itertools.pairwise(ORDER):
        assert pages[before].select_one(".turn .after")["href"] == after
        assert pages[after].select_one(".turn .before")["href"] == before
    assert pages[ORDER[0]].select_one(".turn .before") is None


def test_links_resolve_to_files_and_sections(site, pages):
    ids = {name: {tag["id"] for tag in soup.find_all(id=True)} for name, soup in pages.items()}
    followed = 0
    for name, soup in pages.items():
        for tag in soup.select("[href], [src]"):
            parts = urlsplit(tag.get("href") or tag["src"])
            if parts.scheme or parts.netloc:
                continue
            target = unquote(parts.path) or name
            assert (site / target).is_file(), (name, tag)
            if parts.fragment and target in ids:
                assert unquote(parts.fragment) in ids[target], (name, tag)
            followed += 1
    assert followed > 200


def test_links_of_the_checkout_lead_to_pages(pages):
    first = pages["01-first.html"]
    assert first.select_one("article a[href^='02-second']")["href"] == "02-second.html#a-part"
    assert first.find("span", class_="path", title="src/code.py").get_text() == "source"
    assert first.find("img", alt="byte")["src"] == "files/diagrams/byte.svg"
    assert pages["index.html"].select_one("#use").find_next("a")["href"] == "01-first.html"


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for name, soup in pages.items():
        for tag in soup.select("script, link, img, iframe, source, object, embed"):
            place = tag.get("src") or tag.get("href") or tag.get("data") or ""
            assert re.match(r"(_static/|files/|data:image/|$)", place), (name, tag)
        assert not soup.select("base, meta[http-equiv]")
    for path in [*site.rglob("*.css"), *site.rglob("*.js"), *site.glob("*.html")]:
        text = path.read_text()
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import|require\.js|jquery|mathjax", text, re.I), path.name


def test_ids_are_unique_and_headings_in_order(pages):
    for name, soup in pages.items():
        ids = [tag["id"] for tag in soup.find_all(id=True)]
        assert len(ids) == len(set(ids)), name
        levels = [int(h.name[1]) for h in soup.find_all(re.compile(r"^h[1-6]$"))]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), name


def test_landmarks_and_names(pages):
    for soup in pages.values():
        assert soup.html["lang"] == "en" and soup.title.get_text()
        assert [len(soup.select(s)) for s in ("main", "header", "footer", "a.skip[href='#site-main']")] == [1, 1, 1, 1]
        assert all(tag.get("alt") for tag in soup.find_all("img"))
        assert all(nav.get("aria-label") for nav in soup.find_all("nav"))
        assert all(tag.get_text(strip=True) for tag in soup.find_all("th"))


def test_wide_things_scroll_in_a_box_that_takes_the_focus(pages):
    for name, soup in pages.items():
        for tag in soup.select("main table, main pre"):
            box = tag.find_parent(class_="scroll")
            assert box["tabindex"] == "0" and box["role"] == "group" and box["aria-label"], name
    assert any(WIDE in tag.get_text() for tag in pages["01-first.html"].select(".scroll pre"))


# ---- outputs ----------------------------------------------------------------------------------------------------------


def test_a_player_is_kept_and_its_code_stored_once(site, pages):
    outputs = pages["01-first.html"].select(".output:has([data-swapmodel=replay])")
    assert len(outputs) == 2
    for output in outputs:
        data, script = output.find_all("script")
        assert json.loads(data.string) == {"steps": ["</script>"]}
        assert script["src"].startswith("_static/replay-") and not script.string
        assert script.get("defer") is None and script.get("async") is None and script.get("type") is None
        assert script.find_previous_sibling() is data
        assert "currentScript" in (site / script["src"]).read_text()
        assert "border" in (site / output.find("link", rel="stylesheet")["href"]).read_text()
        assert output.find("style") is None


def test_what_needs_a_kernel_is_not_shown(pages):
    text = pages["01-first.html"].main.get_text()
    assert "IntSlider" not in text and "50%" not in text
    assert text.count("Controls stand here when the notebook runs.") == 1
    assert "widget" not in str(pages["01-first.html"]) and "model_id" not in str(pages["02-second.html"])


def test_text_stays_text(pages):
    assert pages["01-first.html"].find("b", string="no markup") is None
    assert "<b>no markup</b>" in pages["01-first.html"].main.get_text()


def test_a_hostile_title_is_text_everywhere(site, pages):
    for name, soup in pages.items():
        assert not soup.select("[onerror], [onload], [onclick]"), name
        assert all("alert" not in (tag.string or "") for tag in soup.find_all("script")), name
        assert '& "quotes"' in soup.select_one(".pages a[href='02-second.html']").get_text()
    assert "alert(2)" not in pages["02-second.html"].main.get_text()


def test_pictures_keep_their_references_apart(pages):
    uses = [tag["href"] for tag in pages["01-first.html"].find_all("use")]
    rects = [tag["id"] for tag in pages["01-first.html"].find_all("rect")]
    assert uses == [f"#{id}" for id in rects] and len(set(rects)) == 2


def test_a_picture_says_what_it_shows(pages):
    assert pages["01-first.html"].find("img", src=re.compile("^data:"))["alt"] == "Life of a byte. From free to cached"
    assert "From free to cached." in pages["diagrams.html"].main.get_text()


def test_what_a_search_costs_is_shown_with_where_it_was_measured(site, pages):
    soup = pages["cost.html"]
    assert soup.find("img")["src"] == "files/diagrams/cost.svg" and (site / "files/diagrams/cost.txt").is_file()
    assert soup.find("dt", string="Measured").find_next("dd").get_text() == "1 May 2026, 2 cores of <b>a machine</b>"
    assert "Harmony is left out: pip install harmony" in soup.main.get_text()
    cells = [" ".join(cell.get_text(" ").split()) for cell in soup.select("tbody tr > *")]
    assert cells == ["2,2", "0.12 s 5,101 18 MiB", "more than 60 s 180 MiB"]
    assert not pages["diagrams.html"].select("#cost"), "it is no picture of the model"
    assert pages["index.html"].find("a", string="cost")["href"] == "cost.html"


def test_a_table_of_costs_that_is_none_stops_the_build(tmp_path, capsys):
    notebooks = write_checkout(tmp_path / "checkout")
    (notebooks.parent / "diagrams" / "cost.txt").write_text("42\n")
    assert "cost.txt:1: no line of the table" in refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", notebooks)
    (notebooks.parent / "diagrams" / "cost.txt").unlink()
    (notebooks.parent / "README.md").unlink()
    assert build(tmp_path / "out", Sources(notebooks), execute=False) == len(ORDER) - 1


# ---- catalogues -------------------------------------------------------------------------------------------------------


def test_the_catalogues_have_all_that_there_is(pages):
    for name, things in (("scenarios", SCENARIOS), ("kernels", KERNELS), ("fixes", FIXES), ("questions", QUESTIONS)):
        ids = {tag["id"] for tag in pages[f"{name}.html"].select("h2, h3")}
        assert set(things) <= ids, name


def test_scenarios_show_the_recorded_verdicts(pages):
    table = pages["scenarios.html"].find(id="shmem-truncate").find_next("table")
    heads = [th.get_text() for th in table.thead.find_all("th")]
    cells = table.tbody.tr.find_all("td")
    told = {head: " ".join(cell.get_text(" ").split()) for head, cell in zip(heads, cells, strict=True)}
    assert told["v6.8"].startswith("violated NULL dereference") and told["v6.9"].startswith("holds ")


def test_fixes_show_their_origin_and_diff(pages):
    for name, fix in FIXES.items():
        head = pages["fixes.html"].find(id=name)
        assert fix.origin.split()[0] in head.find_next("dl").get_text()
        if fix.diff():
            assert head.find_next(class_="diff").get_text().strip().split("\n") == fix.diff().strip().split("\n")


def test_the_api_has_every_public_name(pages):
    soup = pages["api.html"]
    heads = {h["id"]: h for h in soup.find_all("h3")}
    assert set(heads) == set(swapmodel.__all__)
    check = heads["check"].find_next(class_="signature").get_text()
    assert "scenario: Scenario | str," in check and "kernel: Kernel | str = 'v6.8'," in check and "-> Verdict" in check
    assert not re.search(r"0x[0-9a-f]{8}|ForwardRef|<function|<class", soup.get_text())
    assert all("swapmodel/" in h.find_next(class_="path").get_text() for h in heads.values())


# ---- search -----------------------------------------------------------------------------------------------------------


def index_of(site):
    text = (site / "_static" / "search-index.js").read_text()
    return json.loads(text.removeprefix("window.swapmodelIndex = ").rstrip().removesuffix(";"))


def test_the_index_has_the_words_of_every_page(site):
    index = index_of(site)
    assert {row[0] for row in index} == set(ORDER)
    assert [row[:2] for row in index if "gazebo" in row[4]] == [["01-first.html", "a-part"]]
    assert not any(WIDE in row[4] for row in index), "outputs are not searched"


def test_the_search_finds_and_ranks(site):
    racer = pytest.importorskip("py_mini_racer", reason="the search is tried in V8 where mini-racer is installed")
    context = racer.MiniRacer()
    context.eval((STATIC / "search.js").read_text())
    context.eval("var window = globalThis;" + (site / "_static" / "search-index.js").read_text())

    def find(query):
        return json.loads(context.eval(f"JSON.stringify(swapmodelSearch.find(swapmodelIndex, {json.dumps(query)}))"))

    assert find("GAZEBO")[0][:2] == ["01-first.html", "a-part"]
    assert find("shmem-truncate")[0][:2] == ["scenarios.html", "shmem-truncate"]
    assert find("si-lock")[0][:2] == ["fixes.html", "si-lock"]
    assert "02-second.html" in [row[0] for row in find("__swap_dup")]
    assert find("gazebo nosuchword") == [] and find("  ") == []
    text = "word " * 40 + "Gazebo" + " word" * 80
    before, hit, after = json.loads(context.eval(f"JSON.stringify(swapmodelSearch.excerpt({json.dumps(text)}, 'gazebo'))"))
    assert hit == "Gazebo" and before.startswith("\u2026 word") and after.endswith("\u2026") and len(before + after) < 200


# ---- the folder -------------------------------------------------------------------------------------------------------


def contents_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_build_has_the_same_bytes_and_leaves_nothing_beside(site, notebooks):
    before = contents_of(site)
    build(site, Sources(notebooks), execute=False)
    assert contents_of(site) == before
    assert [path.name for path in site.parent.iterdir()] == [site.name]


def test_foreign_files_are_never_touched(tmp_path, notebooks, site, capsys):
    (tmp_path / "thesis.txt").write_text("a year's work")
    options = ("--no-execute", "--notebooks", notebooks)
    assert "no site of ours (it holds thesis.txt)" in refused(capsys, tmp_path, *options)
    (site / "notes.txt").write_text("mine")
    assert "holds notes.txt, which is not of the site" in refused(capsys, site, *options)
    assert (site / "notes.txt").read_text() == "mine" and (site / "index.html").exists()
    (site / "notes.txt").unlink()
    assert "is a file" in refused(capsys, tmp_path / "thesis.txt", *options)
    assert "can't be written: " in refused(capsys, tmp_path / "thesis.txt" / "out", *options)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failed_build_leaves_the_old_site_and_a_good_one_none_of_it(tmp_path, capsys):
    notebooks = write_checkout(tmp_path / "checkout")
    build(tmp_path / "out", Sources(notebooks), execute=False)
    before = contents_of(tmp_path / "out")
    write_book(notebooks / "03-dead.ipynb", [new_markdown_cell("# Three\n\n[gone](04-gone.ipynb)")])
    said = refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", notebooks)
    assert "notebooks/03-dead.ipynb: leads to 04-gone.ipynb, which there is not" in said
    assert contents_of(tmp_path / "out") == before
    (notebooks / "03-dead.ipynb").unlink()
    (notebooks.parent / "exercises" / "01-first.ipynb").unlink()
    build(tmp_path / "out", Sources(notebooks), execute=False)
    assert {path.name for path in (tmp_path / "out").glob("*.html")} == {*ORDER} - {"exercises-01-first.html"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkout", "out"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="#nowhere">a</a>', "03.html: leads to #nowhere, and there is no such section"),
        ('<a href="04.html">a</a>', "03.html: leads to 04.html, which there is not"),
        ('<img src="https://example.org/a.png">', "03.html: a <img> loads https://example.org/a.png"),
        ('<script src="//example.org/a.js"></script>', "03.html: a <script> loads //example.org/a.js"),
        ('<p style="background: url(//example.org/a)">a</p>', "03.html: a <p> loads a style from another host"),
        ("<style>@import 'a.css'</style>", "03.html: a <style> loads a style from another host"),
    ],
)
def test_a_dead_link_or_a_foreign_load_is_found(tmp_path, body, said):
    (tmp_path / "03.html").write_text(f'<h2 id="here">a</h2><a href="#here">a</a><a href="https://example.org">a</a>{body}')
    with pytest.raises(BadUse, match=re.escape(said)):
        demand_links(tmp_path)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("[a](../../etc/passwd)", "notebooks/03.ipynb: leads to ../../etc/passwd, which there is not"),
        ("![a](../diagrams/none.svg)", "which there is not (`python -m diagrams` makes the pictures)"),
    ],
)
def test_a_link_to_what_there_is_not_stops_the_build(tmp_path, capsys, link, said):
    write_book(tmp_path / "notebooks" / "03.ipynb", [new_markdown_cell(f"# Three\n\n{link}")])
    assert said in refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", tmp_path / "notebooks")
    assert not (tmp_path / "out").exists()


def test_two_pages_of_one_name_are_refused(tmp_path, capsys):
    write_book(tmp_path / "notebooks" / "api.ipynb", [new_markdown_cell("# Mine")])
    said = refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", tmp_path / "notebooks")
    assert "api.html would be made from a page of our own and from notebooks/api.ipynb" in said


def test_an_interrupt_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / "out") as folder:
        (folder / "index.html").write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def ended(pid):
    """A process that nobody waits for stays in the table, but holds nothing. It may take a moment to die."""
    for _ in range(200):
        try:
            if "State:\tZ" in Path("/proc", pid, "status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_sigterm_leaves_everything_as_it_was(tmp_path):
    """The kernel of the notebook that runs ends too."""
    there = tmp_path / "there"
    tell = f"import os, pathlib, time\npathlib.Path({str(there)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    write_book(tmp_path / "notebooks" / "01.ipynb", [new_markdown_cell("# One"), new_code_cell(tell)])
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "swapmodel", "site", "out/site", "--notebooks", "notebooks"]
    environment = {**os.environ, "PYTHONPATH": str(Path(swapmodel.__file__).parent.parent)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        while not (there.exists() and there.read_text()) and child.poll() is None:
            time.sleep(0.05)
        begun = [path.name for path in (tmp_path / "out").iterdir()]
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate()
    assert len(begun) == 1 and begun[0].startswith(".site-")
    assert (child.returncode, said) == (128 + signal.SIGTERM, b"")
    assert list((tmp_path / "out").iterdir()) == []
    assert ended(there.read_text())


@pytest.mark.parametrize("folder", ["nowhere", "empty", "a-file", "other"])
def test_notebooks_that_are_no_folder_of_notebooks_are_refused(tmp_path, capsys, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.md").write_text("# Notes")
    before = sorted(tmp_path.iterdir())
    said = refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", tmp_path / folder)
    assert f"{folder}: there are no notebooks (*.ipynb)" in said
    assert "--notebooks DIR" in refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", "")
    assert sorted(tmp_path.iterdir()) == before


def test_bad_use_is_one_sentence(tmp_path, capsys, monkeypatch):
    assert "there are no notebooks" in refused(capsys, tmp_path / "out", "--notebooks", tmp_path)
    assert "the site needs a folder" in refused(capsys, "")
    (tmp_path / "a.ipynb").write_text("{}")
    assert "a.ipynb: not a notebook" in refused(capsys, tmp_path / "out", "--no-execute", "--notebooks", tmp_path)
    (tmp_path / "a.ipynb").write_text("no JSON")
    assert "a.ipynb: not a notebook" in refused(capsys, tmp_path / "out", "--notebooks", tmp_path)
    monkeypatch.setattr("swapmodel.site.sources.PACKAGE", tmp_path / "lib" / "swapmodel")
    assert "not installed from a checkout: say where its notebooks are" in refused(capsys, tmp_path / "out")
    monkeypatch.setattr("swapmodel.commands.site.find_spec", lambda name: None)
    assert "pip install 'swapmodel[notebook]'" in refused(capsys, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- running the notebooks --------------------------------------------------------------------------------------------


def test_notebooks_are_run_in_their_folder(tmp_path, capsys):
    cells = [new_markdown_cell("# Run"), new_code_cell("import os\nprint(6 * 7, os.path.basename(os.getcwd()))")]
    write_book(tmp_path / "notebooks" / "run.ipynb", cells)
    assert main(["site", str(tmp_path / "out"), "--notebooks", str(tmp_path / "notebooks")]) == 0
    assert "open" in capsys.readouterr().out
    assert "42 notebooks" in BeautifulSoup((tmp_path / "out" / "run.html").read_text(), "html.parser").main.get_text()


def test_a_notebook_that_fails_is_told_with_its_cell(tmp_path, capsys):
    stored = new_output("error", ename="E", evalue="", traceback=[])
    cells = [new_code_cell("x = 1"), new_code_cell("x.nope  # here"), new_code_cell("later", outputs=[stored])]
    write_book(tmp_path / "notebooks" / "bad.ipynb", cells)
    write_book(tmp_path / "notebooks" / "good.ipynb", [new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})])
    said = refused(capsys, tmp_path / "out", "--notebooks", tmp_path / "notebooks")
    assert "bad.ipynb: code cell 2 (x.nope  # here) failed: AttributeError: 'int' object has no attribute 'nope'" in said
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"]


def test_a_kernel_that_dies_is_told(tmp_path, capsys):
    write_book(tmp_path / "notebooks" / "dies.ipynb", [new_code_cell("import os\nos._exit(1)")])
    said = refused(capsys, tmp_path / "out", "--notebooks", tmp_path / "notebooks")
    assert "dies.ipynb: the kernel died" in said


def test_the_command_needs_nothing_of_jupyter_until_it_is_asked():
    code = "import sys, swapmodel.__main__ as m; m.main(['list']); assert not {'nbconvert', 'bs4', 'jinja2'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
