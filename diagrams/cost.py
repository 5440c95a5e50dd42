"""The picture of what a search costs, drawn from the table beside it, cost.txt: it shows nothing that is not there.

    python -m tests.bench --growth --save diagrams    measures, and writes both
    python -m diagrams.cost                           draws cost.svg again, from cost.txt as it is

One diagram for each scenario, direction and quantity. A line has a colour, dashes and a mark of its own, so it can be told from
the others without colours. A cross ends the line of a checker that came to a limit.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from swapmodel.site.measured import Cost, read_costs

from .dot import INK, KINDS, PAPER, QUIET
from .style import DARK, DARK_INK, DARK_PAPER, DARK_QUIET

ID = "diagram-cost"
COLOURS = ("blue", "sky", "green", "orange", "ink", "red", "purple", "quiet", "blue", "orange")  # eight can be told apart
DASHES = ("", "7 3", "2 3", "9 3 2 3", "", "5 2", "1 2", "12 4", "14 3 2 3", "4 4")
MARKS = (  # around a point, 7 across
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0",
    "m-3 -3h6v6h-6z",
    "m0 -4l4 7h-8z",
    "m0 -4.5l4 4.5l-4 4.5l-4 -4.5z",
    "m0 4l4 -7h-8z",
)
CROSS = "m-5 -5l10 10m-10 0l10 -10"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 340, 250, 52, 14, 34, 54


class Quantity(NamedTuple):
    """What is drawn upwards, between two powers of ten."""

    title: str
    powers: range

    def of(self, cost: Cost) -> float | None:
        return cost.cpu if self is SECONDS else cost.states


SECONDS, STATES = Quantity("CPU seconds", range(-2, 4)), Quantity("stored states", range(1, 10))


class Direction(NamedTuple):
    """What grows to the right: the cells (P,N) of a scenario that `has` accepts, at `value`."""

    title: str
    has: Callable[[int, int], bool]
    value: Callable[[int, int], int]


PAGES = Direction("pages of the folio, 2 processes", lambda p, n: p == 2, lambda p, n: n)
SCENARIOS = {
    "peers": ("The scenario of the comparison", (Direction("processes, and as many pages", lambda p, n: p == n, min), PAGES)),
    "thread": ("Scenario thread on v6.8", (Direction("processes, 4 pages", lambda p, n: n == 4, lambda p, n: p), PAGES)),
}


def picture(table: str) -> str:
    """The SVG for a table."""
    notes, costs = read_costs(table)
    checkers = list(dict.fromkeys(cost.checker for cost in costs))
    rows = [(scenario, quantity) for scenario in SCENARIOS for quantity in (SECONDS, STATES)]
    top = 24 * (-(-len(checkers) // 3) + 1) + 16
    height = top + HEIGHT * len(rows)
    description = (
        "Logarithmic scales. On the left processes become more (as many as pages in the first scenario, with four pages in the "
        f"second), on the right the pages of the folio, with two processes. Lines: {', '.join(checkers)}. "
        + ". ".join(note for note in notes if note.startswith(("Measured", "Limits")))
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{ID}" role="img" aria-labelledby="{ID}-title {ID}-desc" '
        f'width="{2 * WIDTH}" height="{height}" viewBox="0 0 {2 * WIDTH} {height}">',
        f'<title id="{ID}-title">What a search costs, by processes and by pages</title>',
        f'<desc id="{ID}-desc">{html.escape(description)}</desc>',
        f"<style>\n{style_sheet()}</style>",
        f'<rect class="paper" width="{2 * WIDTH}" height="{height}"/>',
        legend(checkers),
    ]
    for i, (scenario, quantity) in enumerate(rows):
        some = [cost for cost in costs if cost.scenario == scenario]
        title, directions = SCENARIOS[scenario]
        parts.append(text(LEFT, top + i * HEIGHT + 18, f"{title}: {quantity.title}", "start", ' font-weight="bold"'))
        for j, direction in enumerate(directions):
            drawn = diagram(some, checkers, quantity, direction)
            parts.append(f'<g transform="translate({j * WIDTH} {top + i * HEIGHT})">\n{drawn}\n</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


# ---- one diagram -----------------------------------------------------------------------------------------------------


def diagram(costs: list[Cost], checkers: list[str], quantity: Quantity, direction: Direction) -> str:
    """The costs of one scenario that lie in one direction."""
    cells = [(direction.value(c.processes, c.pages), c) for c in costs if direction.has(c.processes, c.pages)]
    xs = sorted({x for x, _ in cells})
    parts = [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, direction.title, "middle"), *axes(xs, quantity)]
    for i, checker in enumerate(checkers):
        points, stopped = list[tuple[float, float]](), list[tuple[float, float]]()
        for x, cost in sorted((cell for cell in cells if cell[1].checker == checker), key=lambda cell: cell[0]):
            value = quantity.of(cost)
            if value is not None and cost.outcome != "failed":
                (points if cost.outcome == "holds" else stopped).append((across(x, xs), up(value, quantity)))
        parts.append(line(points, stopped, i))
    return "\n".join(part for part in parts if part)


def axes(xs: list[int], quantity: Quantity) -> list[str]:
    """The lines of the powers of ten, with their names, and the values below."""
    parts = []
    for power in quantity.powers:
        y = up(10.0**power, quantity)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{10.0**power:,.12g}" if power < 4 else f"10{superscript(power)}", "end"))
    parts += [text(across(x, xs), HEIGHT - BOTTOM + 20, str(x), "middle") for x in xs]
    return parts


def superscript(power: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power))


def across(x: int, xs: list[int]) -> float:
    inner = WIDTH - LEFT - RIGHT - 20
    return LEFT + 10 + inner * xs.index(x) / max(1, len(xs) - 1)


def up(value: float, quantity: Quantity) -> float:
    first, last = quantity.powers[0], quantity.powers[-1]
    part = (math.log10(max(value, 10.0**first)) - first) / (last - first)
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(part, 1.0)


def line(points: list[tuple[float, float]], stopped: list[tuple[float, float]], i: int) -> str:
    """Of the i-th checker: `points` with its mark, then crosses."""
    if not points and not stopped:
        return ""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*points, *stopped])
    dashes = f' stroke-dasharray="{DASHES[i % len(DASHES)]}"' if DASHES[i % len(DASHES)] else ""
    marks = "".join(f"M{x:.1f} {y:.1f}{MARKS[i % len(MARKS)]}" for x, y in points)
    crosses = "".join(f"M{x:.1f} {y:.1f}{CROSS}" for x, y in stopped)
    return (
        f'<g class="{COLOURS[i % len(COLOURS)]}"><polyline points="{way}"{dashes}/>'
        + (f'<path class="mark" d="{marks}"/>' if marks else "")
        + (f'<path class="cross" d="{crosses}"/>' if crosses else "")
        + "</g>"
    )


def legend(checkers: list[str]) -> str:
    """Three columns of names, each with its line; the cross last, below them."""
    parts = []
    for i, name in enumerate(checkers):
        x, y = 20 + 222 * (i % 3), 20 + 24 * (i // 3)
        parts += [line([(x, y), (x + 20, y), (x + 40, y)], [], i), text(x + 48, y + 4, name, "start")]
    y = 20 + 24 * -(-len(checkers) // 3)
    return "\n".join([*parts, f'<path class="cross" d="M40 {y}{CROSS}"/>', text(68, y + 4, "came to a limit", "start")])


def text(x: float, y: float, words: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" text-anchor="{anchor}"{more}>{html.escape(words)}</text>'


# ---- colours ---------------------------------------------------------------------------------------------------------


def style_sheet() -> str:
    """As style.py does it: on paper of its own, dark where the reader's is; every line takes the colour of its group."""
    dark = colours(DARK_INK, DARK_QUIET, DARK_PAPER, DARK)
    return (
        f"#{ID} {{ max-width: 100%; height: auto; }}\n"
        f"#{ID} text {{ font-family: 'Liberation Sans', Arial, Helvetica, sans-serif; fill: currentColor; }}\n"
        f"#{ID} polyline, #{ID} .cross, #{ID} .grid {{ fill: none; stroke: currentColor; stroke-width: 1.7; }}\n"
        f"#{ID} .mark {{ fill: currentColor; }}\n"
        f"#{ID} .grid {{ stroke-width: 1; stroke-opacity: 0.2; }}\n"
        f"{colours(INK, QUIET, PAPER, KINDS)}"
        f"@media (prefers-color-scheme: dark) {{\n{dark}}}\n"
    )


def colours(ink: str, quiet: str, paper: str, kinds: dict[str, tuple[str, str]]) -> str:
    known = {"ink": ink, "quiet": quiet, **{kind: stroke for kind, (stroke, _) in kinds.items()}}
    rules = [f"#{ID} {{ color: {ink}; }}", f"#{ID} .paper {{ fill: {paper}; }}"]
    rules += [f"#{ID} .{name} {{ color: {known[name]}; }}" for name in dict.fromkeys(COLOURS)]
    return "".join(rule + "\n" for rule in rules)


def main(folder: Path = Path(__file__).parent) -> None:
    (folder / "cost.svg").write_text(picture((folder / "cost.txt").read_text()))


if __name__ == "__main__":
    main()
