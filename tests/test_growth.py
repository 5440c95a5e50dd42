"""The growth table, with checkers that are none; and that the committed one is what its picture and its page show."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from diagrams.cost import picture
from swapmodel.names import BadUse
from swapmodel.site.cost import cost_page
from swapmodel.site.measured import read_costs
from swapmodel.site.sources import COST, find_sources
from tests import bench, growth
from tests.checkers import LIMITS, Answer, Row, Run

ROOT = Path(__file__).parent.parent
COMMITTED = (ROOT / COST).read_text()


def fast(variant, processes, pages):
    return Run(0.01 * processes * pages, 0.02, 10.0, f"{processes * pages} states")


def slow(variant, processes, pages):
    if processes > 2 or pages > 8:
        return Run(LIMITS[0], 70.0, 20.0, "killed")
    return fast(variant, processes, pages)


def read(output):
    return Answer("holds", int(re.match(r"(\d+) states", output).group(1)), 0)


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "ours", lambda module: ([Row("fast", fast, read)], []))
    monkeypatch.setattr(growth, "through_few", lambda: [Row("few", fast, read)])
    growth.growth([Row("fast", fast, read), Row("slow & steady", slow, read)], tmp_path, ["a peer is left out"])
    return (tmp_path / "cost.txt").read_text()


def test_a_checker_that_came_to_its_limit_is_not_asked_for_more(table, tmp_path, capsys):
    notes, costs = read_costs(table)
    stopped = [(c.processes, c.pages) for c in costs if c.outcome == f"more than {LIMITS[0]} s"]
    assert stopped == [(3, 3), (2, 16), (3, 4), (4, 16)], "the last two are asked whatever came before"
    assert all(c.states is None for c in costs if c.checker == "slow & steady" and (c.processes, c.pages) in stopped)
    cells = {cell for series in growth.PEERS for cell in series.cells}
    assert [c.checker for c in costs if c.scenario == "peers"].count("fast") == len(cells)
    assert {(c.processes, c.pages) for c in costs if c.scenario == "thread"} == {
        *((p, 4) for p in range(1, 5)),
        *((2, 2**i) for i in range(10)),
        *((p, 512) for p in range(1, 5)),
    }
    assert {c.checker for c in costs if (c.scenario, c.processes, c.pages) == ("thread", 4, 512)} == {"few"}
    assert "a peer is left out" in notes


def test_one_scenario_can_be_measured_again(table, tmp_path, capsys):
    (tmp_path / "cost.txt").write_text(table.replace("# Measured: ", "# Measured: once, on "))
    growth.growth([Row("other", fast, read)], tmp_path, only="thread")
    again = (tmp_path / "cost.txt").read_text()
    assert [line for line in again.splitlines() if line.startswith("peers ")] == [
        line for line in table.splitlines() if line.startswith("peers ")
    ]
    facts = [note for note in read_costs(again)[0] if "easured: " in note]
    assert [fact.partition(": ")[0] for fact in facts] == ["Measured", "Of peers"]
    assert facts[1].startswith("Of peers: Measured: once, on ")
    with pytest.raises(SystemExit):
        bench.main(["--growth", "--only", "thread"])


def test_the_table_says_where_it_was_measured(table):
    facts = dict(note.split(": ", 1) for note in read_costs(table)[0] if ": " in note)
    assert re.match(r"\d\d \w+ \d{4}, \d+ cores of .+, \d+ GiB, \w+ [\d.]+$", facts["Measured"])
    assert facts["Made by"] == "python -m tests.bench --growth --save diagrams"
    assert facts["Versions"].startswith("Python 3.")


def test_the_picture_is_drawn_from_the_table_and_tells_lines_apart_without_colour(table, tmp_path):
    text = (tmp_path / "cost.svg").read_text()
    assert text == picture(table)
    root = ElementTree.fromstring(text)
    drawn = [g for g in root.iter() if g.get("class") in ("blue", "sky")]
    ways = [(g[0].get("stroke-dasharray"), re.sub(r"[\d.]+ ", "", g[1].get("d"))[:20]) for g in drawn if len(g) > 1]
    assert len({dash for dash, _ in ways}) == 2
    shapes = {g.get("class"): re.sub(r"M[\d. ]+", "", g[1].get("d"))[:12] for g in drawn if g[1].get("class") == "mark"}
    assert shapes["blue"] != shapes["sky"]
    crosses = [e.get("d").count("M") for e in root.iter() if e.get("class") == "cross"]
    assert sum(crosses) == 3, "one in each direction of the peers' seconds, and the one of the legend"


@pytest.mark.parametrize("line", ["peers 2,2", "peers     2;2     a      1  1  1  1  holds", "x" * 30])
def test_what_is_no_table_is_refused_in_one_sentence(line):
    with pytest.raises(BadUse, match=r"^cost.txt:2: no line of the table of `python -m tests.bench --growth`"):
        read_costs(f"# a note\n{line}\n")


# ---- what is committed -----------------------------------------------------------------------------------------------


def test_the_committed_picture_is_what_the_committed_table_gives():
    assert (ROOT / COST).with_suffix(".svg").read_text() == picture(COMMITTED), "run `python -m diagrams.cost`"


def test_the_picture_follows_the_table():
    line = next(line for line in COMMITTED.splitlines() if line.startswith("peers") and line.endswith("holds"))
    seconds = read_costs(line)[1][0].cpu
    slower = line.replace(f"{seconds:.2f}", f"{seconds + 5:.2f}", 1)
    assert picture(COMMITTED.replace(line, slower)) != picture(COMMITTED)


def test_the_page_shows_every_figure_of_the_table():
    notes, costs = read_costs(COMMITTED)
    soup = BeautifulSoup(cost_page(find_sources()).body, "html.parser")
    assert soup.find("img")["src"] == "files/diagrams/cost.svg"
    told = soup.get_text(" ", strip=True)
    for note in notes:
        assert note.partition(": ")[2 if note.startswith(("Measured", "Made by")) else 0].split("`")[0] in told
    for table in soup.find_all("table"):
        scenario = table.find_previous("h2")["id"]
        heads = [th.get_text() for th in table.thead.find_all("th")][1:]
        for row in table.tbody.find_all("tr"):
            cells = dict(zip(heads, (" ".join(td.get_text(" ").split()) for td in row.find_all("td")), strict=True))
            for cost in costs:
                if (cost.scenario, f"{cost.processes},{cost.pages}") == (scenario, row.th.get_text()):
                    said = cost.outcome if cost.states is None else f"{cost.cpu:.2f} s {cost.states:,}"
                    assert cells.pop(cost.checker) == f"{said} {cost.peak} MiB"
            assert set(cells.values()) <= {"not asked"}


def test_the_committed_files_tell_nothing_of_a_machine_but_what_it_is():
    text = COMMITTED + (ROOT / COST).with_suffix(".svg").read_text()
    assert not re.search(r"(?<![\w.])/(?:work|root|home|tmp|Users|usr)/|<script|href", text)
    assert not [line for line in COMMITTED.splitlines() if line.endswith("failed")]
