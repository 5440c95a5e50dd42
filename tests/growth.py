"""How cost grows with processes and pages: every checker on the same scenario, one run each, until a limit.

    python -m tests.bench --growth [--save DIR]

A checker that came to a limit is not asked for more in that direction. `--save` writes growth.txt and growth.svg.
"""

from __future__ import annotations

import subprocess
import sys

MORE_PROCESSES = [(p, p) for p in range(1, 7)]
MORE_PAGES = [(2, n) for n in (2, 4, 8, 16, 32, 64, 128, 256, 512)] + [(4, 16)]
SERIES = (("processes", MORE_PROCESSES), ("pages", MORE_PAGES))
LINE = "{:<7} {:<28} {:>9} {:>8} {:>11} {}"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # M. Okabe and K. Ito
DASHES = ("", "6 3", "2 2", "8 3 2 3", "1 3", "10 4", "4 1")


def growth(rows, save=None):
    """Measures, prints, and writes what it printed and a picture to the directory `save`."""
    lines = [LINE.format("P,N", "checker, with the fix", "CPU s", "MiB", "states", "").rstrip()]
    print(lines[0])
    points = {}  # (series, checker) -> [(x, CPU seconds)]
    for name, cells in SERIES:
        gone = set()
        for processes, pages in cells:
            for row in rows:
                if row.checker in gone or (name == "pages" and (processes, pages) == (2, 2)):
                    continue
                cpu, line = measured(row, processes, pages)
                if cpu is None:
                    gone.add(row.checker)
                elif processes != 4 or name == "processes":
                    x = processes if name == "processes" else pages
                    points.setdefault((name, row.checker), []).append((x, cpu))
                lines.append(line)
                print(line, flush=True)
                write(save, lines, points)


def write(save, lines, points):
    """What is known so far, after each line: a run of an hour may be interrupted."""
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        (save / "growth.txt").write_text("\n".join(lines) + "\n")
        (save / "growth.svg").write_text(picture(points))


def measured(row, processes, pages):
    """(CPU seconds, or None if it did not come to an end; the line of the table)."""
    where = f"{processes},{pages}"
    try:
        run = row.run("fixed", processes, pages)
        answer = row.read(run.output)
    except (subprocess.CalledProcessError, AttributeError, IndexError, ValueError) as error:
        print(f"{row.checker} at {where}: {type(error).__name__}", file=sys.stderr)
        return None, LINE.format(where, row.checker, "-", "-", "-", "came to the limit, or failed").rstrip()
    figures = (f"{run.cpu:.2f}", f"{run.peak:.0f}", f"{answer.states:,}")
    done = answer.verdict == "holds"
    return run.cpu if done else None, LINE.format(where, row.checker, *figures, answer.verdict).rstrip()


# ---- the picture -----------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP = 380, 240, 52, 24
DECADES = (0.01, 0.1, 1, 10, 100)


def picture(points):
    """Two diagrams beside each other: CPU seconds, on a logarithmic scale, against processes and against pages."""
    checkers = list(dict.fromkeys(checker for _, checker in points))
    height = HEIGHT + 30 + 18 * len(checkers)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="12" fill="currentColor" stroke="none">',
        "<title>CPU seconds to verify the fix, against processes and against pages</title>",
    ]
    for i, (name, cells) in enumerate(SERIES):
        xs = [p if name == "processes" else n for p, n in cells if name == "processes" or p == 2]
        series = {c: points.get((name, c), []) for c in checkers}
        parts.append(f'<g transform="translate({i * WIDTH} 0)">{diagram(name, xs, series, checkers)}</g>')
    for i, checker in enumerate(checkers):
        y = HEIGHT + 24 + 18 * i
        parts.append(f'{line([(LEFT, y), (LEFT + 36, y)], i)}<text x="{LEFT + 44}" y="{y + 4}">{checker}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def diagram(name, xs, series, checkers):
    bottom, right = HEIGHT - 36, WIDTH - 16

    def x(value):
        return LEFT + (right - LEFT) * xs.index(value) / (len(xs) - 1)

    def y(seconds):
        from math import log10

        return bottom - (bottom - TOP) * (log10(max(seconds, DECADES[0])) + 2) / 4

    parts = [f'<text x="{LEFT}" y="14">CPU seconds, by {name}</text>']
    for decade in DECADES:
        parts.append(f'<path d="M{LEFT} {y(decade):.1f}H{right}" stroke="currentColor" stroke-opacity=".25"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(decade) + 4:.1f}" text-anchor="end">{decade:g}</text>')
    parts += [f'<text x="{x(value):.1f}" y="{bottom + 18}" text-anchor="middle">{value}</text>' for value in xs]
    for i, checker in enumerate(checkers):
        parts.append(line([(x(value), y(seconds)) for value, seconds in sorted(series[checker])], i))
    return "".join(parts)


def line(points, i):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{COLOURS[i % 7]}"/>' for x, y in points)
    dash = f' stroke-dasharray="{DASHES[i % 7]}"' if DASHES[i % 7] else ""
    return f'<polyline points="{path}" fill="none" stroke="{COLOURS[i % 7]}" stroke-width="1.6"{dash}/>{dots}'
