"""The committed diagrams are what the model says; and they change when it does."""

import functools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import diagrams
from diagrams import FOLDER, PICTURES, evolution, explored, swapoff_order, thread
from diagrams.dot import Graph
from diagrams.lock_order import reduced
from diagrams.render import find_dot, fit_for_a_page, svg
from swapmodel import KERNELS, diagram
from swapmodel.edits import Lines, edited
from swapmodel.kernel import Kernel
from swapmodel.names import BadUse, UnknownName

SVG = "{http://www.w3.org/2000/svg}"
NAMES = sorted(PICTURES)
SMALLEST = 11  # pixels of text on a page 900 pixels wide


@functools.cache
def picture(name):
    return PICTURES[name](KERNELS["v6.8"])


def committed(name):
    return (FOLDER / f"{name}.svg").read_text()


def titles(root, kind):
    return sorted(g.find(f"{SVG}title").text for g in root.iter(f"{SVG}g") if g.get("class", "").split()[:1] == [kind])


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_source_is_what_the_model_says(name):
    stale = f"run `python -m diagrams {name}`: the model has changed"
    assert (FOLDER / f"{name}.gv").read_text() == picture(name).source, stale


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_svg_shows_what_its_source_says(name):
    root, told = ET.fromstring(committed(name)), picture(name)
    assert titles(root, "node") == sorted(told.nodes)
    assert titles(root, "edge") == sorted(told.edges)
    assert root.find(f"{SVG}title").text == told.title
    assert root.find(f"{SVG}desc").text == told.description
    drawn = " ".join("".join(t.itertext()) for t in root.iter(f"{SVG}text"))
    for text in re.findall(r">([^<>]+)<br", told.source):
        assert ET.fromstring(f"<t>{text}</t>").text.strip() in drawn


def test_nothing_else_is_committed():
    assert {p.stem for p in FOLDER.glob("*.gv")} == {p.stem for p in FOLDER.glob("*.svg")} - {"cost"} == set(NAMES)
    readme = (FOLDER / "README.md").read_text()
    assert re.findall(r"^\| `([\w-]+)` \|", readme, re.M) == list(PICTURES)
    assert re.findall(r"!\[(.*)\]\((.*)\)", readme) == [(picture(name).title, f"{name}.svg") for name in PICTURES]


@pytest.mark.parametrize("name", NAMES)
def test_an_svg_can_stand_in_any_page(name):
    text = committed(name)
    root, id = ET.fromstring(text), f"diagram-{name}"
    assert (root.get("id"), root.get("role")) == (id, "img")
    assert root.get("aria-labelledby").split() == [f"{id}-title", f"{id}-desc"]
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(set(ids)) == len(ids) and all(i.startswith(id) for i in ids)
    rules = re.findall(r"^(?!@media)([^{}\n]+) \{", root.find(f"{SVG}style").text, re.M)
    assert rules and all(part.strip().startswith(f"#{id}") for rule in rules for part in rule.split(","))


@pytest.mark.parametrize("name", NAMES)
def test_an_svg_needs_nothing_from_outside_and_tells_nothing_of_a_machine(name):
    text = committed(name) + (FOLDER / f"{name}.gv").read_text()
    assert "href" not in text and "<script" not in text and "<image" not in text and "@import" not in text
    assert re.findall(r"https?://[^\s\"']+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"0x[0-9a-f]{6,}|<!--|<\?xml|<!DOCTYPE|\bat 0x", text)
    assert not re.search(r"(?<![\w.])/(?:work|root|home|tmp|Users|usr)/", text)


@pytest.mark.parametrize("name", NAMES)
def test_text_is_readable_on_a_page_900_pixels_wide(name):
    root = ET.fromstring(committed(name))
    width = float(root.get("viewBox").split()[2])
    smallest = min(float(t.get("font-size")) for t in root.iter(f"{SVG}text"))
    assert smallest * min(1, 900 / width) >= SMALLEST


@pytest.mark.parametrize("name", NAMES)
def test_no_two_texts_lie_on_one_another(name):
    """Lines of text as graphviz placed them; a letter is at least 4 pixels wide here."""
    places = []
    for text in ET.fromstring(committed(name)).iter(f"{SVG}text"):
        said = "".join(text.itertext()).strip()
        width, x = 4 * len(said), float(text.get("x"))
        x -= width / 2 if text.get("text-anchor") == "middle" else 0
        places.append((x, x + width, float(text.get("y")), said))
    for i, (left, right, y, said) in enumerate(places):
        for other in places[:i]:
            assert abs(other[2] - y) > 8 or right <= other[0] or other[1] <= left, (said, other[3])


@pytest.mark.parametrize("name", NAMES)
def test_dark_and_light_paper_give_enough_contrast(name):
    style = ET.fromstring(committed(name)).find(f"{SVG}style").text
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for rules in (light, dark):
        inks = re.findall(r"text(?:\[[^\]]*\])? \{ fill: (#\w{6})", rules)
        papers = re.findall(r"(?:\.graph > polygon \{|stroke: #\w{6};) fill: (#\w{6}); \}", rules)
        fills = [p for p in papers if p not in re.findall(r"stroke: (#\w{6}); fill: \1", rules)]
        assert len(inks) == 2 and len(fills) >= 8
        assert all(contrast(ink, paper) >= 4.5 for ink in inks for paper in fills)


def contrast(one, other):
    """The contrast ratio of WCAG 2.1."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


# ---- a changed model changes the picture: so the tests above can fail ------------------------------------------------------


def changed(*functions):
    return Kernel("v6.8", "with a change", {f.__name__: f for f in functions})


FREES = "yield from free_swap_and_cache(radix_to_swp_entry(radswap))"
LOCKED = ("yield mutex_lock(shmem_swaplist_mutex)", FREES, "yield mutex_unlock(shmem_swaplist_mutex)")
PINS_TWICE = Lines("yield write(map[offset], 0)", ("yield write(map[offset], 2)", "yield write(map[offset], 0)"))
DISCARDS_NOTHING = Lines("yield from swap_cluster_schedule_discard(si, idx)", ("yield from __free_cluster(si, idx)",))
LOCKED_TRUNCATION = changed(edited("shmem_free_swap", Lines(FREES, LOCKED)))
MUTANTS = {
    "swap-map-byte": changed(edited("swap_entry_free", PINS_TWICE)),
    "lock-order": LOCKED_TRUNCATION,
    "freeing-paths": LOCKED_TRUNCATION,
    "cluster-lists": changed(edited("free_cluster", DISCARDS_NOTHING)),
    "swapoff-order": changed(edited("swapoff_wait_for_users", Lines("yield from synchronize_rcu()", ()))),
    "step-graph": Kernel("v6.8", "with the fix", KERNELS["v6.9"].replaces),
}


@functools.cache
def mutated(name):
    return PICTURES[name](MUTANTS[name]).source


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_changed_kernel_changes_the_source(name):
    assert mutated(name) != picture(name).source


def test_holding_a_lock_is_seen_where_truncation_frees():
    assert "NOTHING" in picture("freeing-paths").source and "NOTHING" not in mutated("freeing-paths")


def stopped_at(source, pin):
    """The row of swapoff-order at which a pin stops it."""
    [row] = re.findall(rf'"(step \d+)" -> "?{re.escape(pin)}"? ', source)
    [title] = re.findall(rf'"{row}" \[label=<<table[^>]*><tr><td>\d+\. ([^<]*)<', source)
    return title


def test_without_its_grace_period_swapoff_does_not_stop_for_readers_there():
    assert stopped_at(picture("swapoff-order").source, "an RCU reader") == "synchronize_rcu()"
    assert "synchronize_rcu" not in mutated("swapoff-order")  # but percpu_ref_kill() has a grace period of its own
    assert stopped_at(mutated("swapoff-order"), "an RCU reader") == "wait_for_completion(comp)"


def test_the_pins_stop_swapoff_where_it_waits_for_them():
    stops = {pin.name: stopped_at(picture("swapoff-order").source, pin.name) for pin in swapoff_order.PINS}
    assert list(stops.values()) == [
        "try_to_unuse()",
        "synchronize_rcu()",
        "wait_for_completion(comp)",
        "mutex_lock(swapon_mutex)",
        "sleeps while flags &gt;= SWP_SCANNING",
    ]


def test_a_pin_that_holds_nothing_back_is_not_drawn():
    """As on the kernels before v5.3, where swapoff waits for nobody."""
    waits_for_nobody = edited(
        "swapoff_wait_for_users",
        Lines("yield percpu_ref_kill(si.users)", ()),
        Lines("yield from synchronize_rcu()", ()),
        Lines("yield wait_for_completion(si.comp)", ("yield READ_ONCE(si.flags)",)),
    )
    source = PICTURES["swapoff-order"](changed(waits_for_nobody)).source
    assert "an RCU reader" not in source and "a reference in si->users" not in source and "SWP_SCANNING" in source


def test_the_fix_closes_the_window():
    told = picture("step-graph").description
    gone, places, after, _ = map(int, re.search(r"(\d+) of (\d+) places on v6.8, (\d+) of (\d+) on v6.9", told).groups())
    assert 0 < gone < places and after == 0


@pytest.mark.parametrize(("module", "key"), [(thread, "said"), (evolution, "said")], ids=["thread", "evolution"])
def test_a_changed_fact_changes_the_source(module, key, monkeypatch, tmp_path):
    before = module.picture().source
    facts = tmp_path / "facts.json"
    facts.write_text(module.FACTS.read_text().replace(f'"{key}": "', f'"{key}": "Perhaps: ', 1))
    monkeypatch.setattr(module, "FACTS", facts)
    assert module.picture().source != before


def test_a_verdict_recorded_otherwise_changes_the_thread(monkeypatch):
    before = thread.picture().source
    recorded = {cell: {**found, "verdict": "violated"} for cell, found in thread.all_recorded().items()}
    monkeypatch.setattr(thread, "all_recorded", lambda: recorded)
    assert thread.picture().source != before


# ---- the parts -------------------------------------------------------------------------------------------------------------


def test_messages_are_in_order_and_have_ids():
    told = thread.messages()
    assert [m["date"] for m in told] == sorted(m["date"] for m in told)
    assert len({m["id"] for m in told}) == len(told) and all(re.fullmatch(r"[\w.-]+@[\w.-]+", m["id"]) for m in told)
    assert all(set(m) <= {"date", "author", "id", "kind", "said", "model"} for m in told)


def test_commits_are_ids():
    told = evolution.facts()
    assert all(re.fullmatch(r"[0-9a-f]{12}", commit) for fact in told for commit in fact["commits"])
    assert {fact["lane"] for fact in told} == set(evolution.LANES)


def test_what_follows_from_two_others_is_not_drawn():
    assert reduced([("a", "b"), ("b", "c"), ("a", "c")]) == [("a", "b"), ("b", "c")]


def hostile():
    graph = Graph("hostile", '<b> & "title"', "a </desc><script>alert(1)</script> text")
    graph.node('a "quoted" <node>', "<script>alert(1)</script>\n&amp;", "</font>", head="<table>")
    graph.node("b")
    graph.edge('a "quoted" <node>', "b", "]; evil [label=<x>")
    return graph.picture()


@pytest.mark.skipif(find_dot() is None, reason="no graphviz here")
def test_every_text_is_escaped():
    root = ET.fromstring(svg(hostile(), find_dot()))
    assert titles(root, "node") == sorted(hostile().nodes) and titles(root, "edge") == list(hostile().edges)
    texts = ["".join(t.itertext()).strip() for t in root.iter(f"{SVG}text")]
    assert sorted(texts) == sorted(["<table>", "<script>alert(1)</script>", "&amp;", "</font>", "b", "]; evil [label=<x>"])
    assert root.find(f"{SVG}desc").text.startswith("a </desc><script>")
    assert not list(root.iter(f"{SVG}script"))


@pytest.mark.skipif(find_dot() is None, reason="no graphviz here")
@pytest.mark.parametrize("name", ["cluster-lists", "thread"])
def test_drawing_again_shows_the_same(name):
    again = ET.fromstring(svg(picture(name), find_dot()))
    before = ET.fromstring(committed(name))
    for kind in ("node", "edge"):
        assert titles(again, kind) == titles(before, kind)
    assert again.find(f"{SVG}style").text == before.find(f"{SVG}style").text


def test_ids_begin_with_the_picture_and_comments_go():
    drawn = '<?xml?><!-- at /tmp --><svg viewBox="0 0 1 2"><g id="graph0"><title>x</title>\n<g id="node1"/></g></svg>'
    text = fit_for_a_page(drawn, hostile())
    assert 'id="diagram-hostile-node1"' in text and 'id="node1"' not in text and "<!--" not in text and "xml?" not in text


def test_nothing_is_read_off_a_search_that_was_cut_off(monkeypatch):
    monkeypatch.setattr(explored, "MOST", 10)
    with pytest.raises(ValueError, match=r"munmap on v6\.8: unfinished"):
        explored.explored("munmap", Kernel("v6.8", "so that it is not known yet"))


# ---- for readers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_the_committed_svg(name):
    shown = diagram(name)
    assert shown.svg == committed(name) and shown.source == picture(name).source
    figure = ET.fromstring(shown._repr_html_())
    assert figure.find("figcaption").text == shown.description and figure.find(f"{SVG}svg/{SVG}title").text == shown.title
    assert repr(shown) == f"{picture(name).title}\n\n{picture(name).description}"


def test_an_unknown_diagram_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean lock-order"):
        diagram("lock-ordre")


def test_without_a_checkout_it_is_said_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("swapmodel.pictures.FOLDER", tmp_path)
    with pytest.raises(BadUse, match="pip install -e"):
        diagram("lock-order")


def test_the_command(monkeypatch, tmp_path, capsys):
    from diagrams import __main__ as command

    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.main(["lock-ordre"]) == 2 and "did you mean lock-order?" in capsys.readouterr().err
    monkeypatch.setattr(command, "find_dot", lambda: None)
    assert command.main(["thread"]) == 2
    assert "no SVG was drawn" in capsys.readouterr().err
    assert (tmp_path / "thread.gv").read_text() == picture("thread").source and not list(tmp_path.glob("*.svg"))


@pytest.mark.parametrize("given", ["/nowhere/dot", sys.executable, __file__])
def test_a_renderer_that_is_none_is_told(given, monkeypatch, tmp_path, capsys):
    from diagrams import __main__ as command

    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setenv("SWAPMODEL_DOT", given)
    assert command.main(["thread"]) == 2
    said = capsys.readouterr().err
    assert given in said and "Traceback" not in said and not list(tmp_path.glob("*.svg"))


def test_it_runs_as_a_module():
    root = Path(diagrams.__file__).parent.parent
    done = subprocess.run([sys.executable, "-m", "diagrams", "nothing"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("no diagram is named 'nothing'")
