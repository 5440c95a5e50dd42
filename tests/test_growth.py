"""The growth table and its picture, with checkers that are none."""

import subprocess
import xml.etree.ElementTree as ElementTree

from tests import growth
from tests.checkers import Answer, Row, Run


def fast(variant, processes, pages):
    return Run(0.01 * processes * pages, 0.0, 10.0, f"{processes * pages} states")


def slow(variant, processes, pages):
    if processes > 2 or pages > 8:
        raise subprocess.CalledProcessError(1, "slow")
    return fast(variant, processes, pages)


ROWS = [
    Row("fast", fast, lambda output: Answer("holds", int(output.split()[0]), 0)),
    Row("slow", slow, lambda output: Answer("holds", int(output.split()[0]), 0)),
]


def test_a_checker_that_came_to_its_limit_is_not_asked_for_more(tmp_path, capsys):
    growth.growth(ROWS, tmp_path)
    lines = (tmp_path / "growth.txt").read_text().splitlines()
    assert [line for line in lines if "slow" in line and "limit" in line] == [
        line for line in lines if line.startswith(("3,3", "2,16")) and "slow" in line
    ]
    assert capsys.readouterr().out.startswith(lines[0])
    assert sum("fast" in line for line in lines) == len(growth.MORE_PROCESSES) + len(growth.MORE_PAGES) - 1


def test_the_picture_tells_lines_apart_without_colour(tmp_path):
    growth.growth(ROWS, tmp_path)
    picture = ElementTree.fromstring((tmp_path / "growth.svg").read_text())
    lines = [e for e in picture.iter() if e.tag.endswith("polyline") and e.get("points", "").count(" ") > 0]
    assert len({e.get("stroke-dasharray") for e in lines}) == 2
    assert any(e.tag.endswith("title") for e in picture.iter())
