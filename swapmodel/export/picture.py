"""The sequence picture of a trace, as SVG: a lane for each CPU, context switches as arrows, changed fields, locks as bars.

Kinds are told by shape and text, and by a colour of Okabe and Ito's palette only besides. No font, picture or script from
elsewhere; light and dark as the reader's own setting. The same verdict is always the same text."""

from __future__ import annotations

import hashlib
import html
import textwrap

from ..verdict import Verdict, demand_verdict
from ..views import plural, sentence
from .lanes import CHAR, HEAD, LEFT, LINE, WIDTH, Bar, Line, Plan, Switch, plan, text_x
from .report import cause, title

COLOURS = {
    "change": "#0072B2",
    "read": "#0072B2",
    "lock": "#009E73",
    "rcu": "#CC79A7",
    "grace": "#56B4E9",
    "free": "#E69F00",
    "wait": "#E69F00",
    "failure": "#D55E00",
}
SHAPES = {  # around (0, 0), in 10 pixels
    "change": '<path d="M0-5 5 0 0 5-5 0Z"/>',
    "read": '<circle r="4" class="hollow"/>',
    "lock": '<path d="M-4-4H4V4H-4Z"/>',
    "grace": '<path d="M-5 0-2.5-4.3H2.5L5 0 2.5 4.3H-2.5Z"/>',
    "free": '<path d="M-5-4H5L0 5Z"/>',
    "wait": '<path d="M-4-5H4L-4 5H4Z"/>',
    "failure": '<path d="M-2.5-6H2.5L6-2.5V2.5L2.5 6H-2.5L-6 2.5V-2.5Z"/><path d="M-3-3 3 3M3-3-3 3" class="cross"/>',
}
LEGEND = {
    "change": "changes a field",
    "read": "reads what another one changed",
    "lock": "takes a lock (bar: holds it)",
    "rcu": "hatched bar: RCU reader",
    "grace": "grace period (dotted bar)",
    "free": "frees",
    "wait": "waits",
    "failure": "fails",
}
STYLE = """
.swapmodel-picture{color:#1b1b1b;font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.swapmodel-picture text{fill:currentColor;white-space:pre}
.swapmodel-picture .paper{fill:#fff}
.swapmodel-picture .halo{stroke:#fff;stroke-width:4;stroke-linejoin:round;paint-order:stroke}
.swapmodel-picture .call{fill:#5c5c5c}
.swapmodel-picture .strong{font-weight:bold}
.swapmodel-picture .life{stroke:currentColor;stroke-opacity:.45;stroke-dasharray:2 4}
.swapmodel-picture .run{stroke:currentColor;stroke-width:3}
.swapmodel-picture .switch{stroke:currentColor;stroke-width:1.5;fill:none}
.swapmodel-picture .head{fill:currentColor}
.swapmodel-picture .mark{stroke:currentColor;stroke-width:.8}
.swapmodel-picture .hollow{fill:#fff;stroke-width:2}
.swapmodel-picture .cross{stroke:#fff;stroke-width:2}
.swapmodel-picture .fails{fill:#fbe3d6}
@media (prefers-color-scheme:dark){
.swapmodel-picture{color:#e8e8e8}
.swapmodel-picture .paper,.swapmodel-picture .hollow{fill:#15181c}
.swapmodel-picture .halo{stroke:#15181c}
.swapmodel-picture .fails{fill:#4d2309}
.swapmodel-picture .call{fill:#a9a9a9}}
"""


def svg(verdict: Verdict) -> str:
    """The trace of a verdict as an SVG document, 1000 pixels wide. Without a trace: what there is to say, and no lanes."""
    demand_verdict("svg", verdict)
    name, why = title(verdict), sentence(cause(verdict)) if cause(verdict) else "There is no trace to show."
    wrapped = textwrap.wrap(why, int((WIDTH - 32) / CHAR))
    body: list[str] = [_text(16, 24, name, "strong")]
    told, bottom = [why], 40.0
    if verdict.recorder is not None and verdict.recorder.steps:
        drawn = plan(verdict.recorder, bottom)
        body += _drawn(drawn, _id(name + why))
        told += [f"{name_of(drawn, line)}: {line.row.text}" for line in drawn.lines]
        bottom = _legend(drawn, body, _id(name + why))
        steps = verdict.recorder.steps
        told.insert(1, f"{plural(len(steps), 'step')}, of which these tell the story.")
    for text in wrapped:
        body.append(_text(16, bottom + LINE, text))
        bottom += LINE
    return _document(body, name, "\n".join(told), bottom + 16, _id(name + why))


def name_of(drawn: Plan, line: Line) -> str:
    return next(name for thread, name, _ in drawn.lanes if thread == line.row.thread)


def _document(body: list[str], name: str, description: str, height: float, unique: str) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    names = f'role="img" aria-labelledby="{unique}-title {unique}-desc"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="swapmodel-picture" {size} {names}>',
            f'<title id="{unique}-title">{escaped(name)}</title>',
            f'<desc id="{unique}-desc">{escaped(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<defs><pattern id="{unique}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="{COLOURS["rcu"]}" stroke-width="4"/></pattern>',
            f'<pattern id="{unique}-dots" width="5" height="5" patternUnits="userSpaceOnUse">'
            f'<circle cx="2.5" cy="2.5" r="1.7" fill="{COLOURS["grace"]}"/></pattern></defs>',
            f'<rect class="paper" width="{WIDTH}" height="{height:.0f}"/>',
            *body,
            "</svg>\n",
        ]
    )


def _drawn(drawn: Plan, unique: str) -> list[str]:
    top = 40 + HEAD - LINE
    parts = [f'<path class="life" d="M{x:.1f} {top}V{drawn.bottom:.1f}"/>' for _, _, x in drawn.lanes]
    parts += [_bar(bar, drawn, unique) for bar in drawn.bars]
    parts += [f'<path class="run" d="M{x:.1f} {y0:.1f}V{y1:.1f}"/>' for x, y0, y1 in drawn.runs]
    parts += [_switch(switch) for switch in drawn.switches]
    parts += [_lane_name(i, drawn) for i in range(len(drawn.lanes))]
    return parts + [_line(line) for line in drawn.lines]


def _lane_name(i: int, drawn: Plan) -> str:
    _, name, x = drawn.lanes[i]
    next_x = drawn.lanes[i + 1][2] if i + 1 < len(drawn.lanes) else WIDTH
    long = f"CPU{i} ({name})"
    shown = long if len(long) * CHAR < next_x - x - 8 else name if len(name) * CHAR < next_x - x - 8 else f"CPU{i}"
    return f"<g>{_text(x - 10, 40 + 12, shown, 'strong')}<title>{escaped(long)}</title></g>"


def _line(line: Line) -> str:
    kind = line.row.kind
    texts = [_text(text_x(line), line.y + 4 + LINE * i, text, _class(kind)) for i, text in enumerate(line.texts)]
    back = ""
    if kind == "failure":
        width = max(map(len, line.texts)) * CHAR + 8
        back = f'<rect class="fails" x="{text_x(line) - 4:.1f}" y="{line.y - 8:.1f}" width="{width:.1f}" '
        back += f'height="{LINE * len(line.texts)}"/>'
    return back + _mark(kind, line.x, line.y) + "".join(texts)


def _class(kind: str) -> str:
    return {"call": "halo call", "failure": "strong", "wait": "halo strong", "free": "halo strong"}.get(kind, "halo")


def _mark(kind: str, x: float, y: float) -> str:
    if kind not in SHAPES:
        return ""
    return f'<g class="mark" fill="{COLOURS[kind]}" transform="translate({x:.1f} {y:.1f})">{SHAPES[kind]}</g>'


def _bar(bar: Bar, drawn: Plan, unique: str) -> str:
    """A bar that ends in a line if what it stands for ended, and runs out below if not."""
    fill = {"lock": COLOURS["lock"], "rcu": f"url(#{unique}-hatch)", "grace": f"url(#{unique}-dots)"}[bar.kind]
    who = next(name for thread, name, _ in drawn.lanes if thread == bar.thread)
    verb = {"lock": f"holds {bar.name}", "rcu": "is an RCU reader", "grace": "waits for a grace period"}[bar.kind]
    until = (", and still is at the end" if bar.kind == "rcu" else ", and still does at the end") if bar.open else ""
    shape = f'<rect x="{bar.x - 3:.1f}" y="{bar.top:.1f}" width="6" height="{bar.bottom - bar.top:.1f}" fill="{fill}" '
    edge = COLOURS[bar.kind]
    return f'<g>{shape}stroke="{edge}" stroke-width="1"/><title>{escaped(f"{who} {verb}{until}")}</title></g>'


def _switch(switch: Switch) -> str:
    """An arrow from lane to lane."""
    x1, x2, y = switch
    toward = 1 if x2 > x1 else -1
    line = f'<path class="switch" d="M{x1:.1f} {y - 13:.1f}V{y:.1f}H{x2:.1f}V{y + 6:.1f}"/>'
    tip = f'<path class="head" d="M{x2 - 4:.1f} {y + 5:.1f}h8l-4 8z"/>'
    return f'<g data-toward="{toward}">{line}{tip}<title>context switch</title></g>'


def _legend(drawn: Plan, body: list[str], unique: str) -> float:
    """What the shapes mean, of those that occur. Returns the height that is reached."""
    kinds = {line.row.kind for line in drawn.lines} | {bar.kind for bar in drawn.bars}
    x, y = float(LEFT - 34), drawn.bottom + 26
    for kind in (k for k in LEGEND if k in kinds):
        width = (len(LEGEND[kind]) + 4) * CHAR
        if x + width > WIDTH:
            x, y = LEFT - 34, y + LINE + 4
        mark = _mark(kind, x, y - 4)
        if kind == "rcu":
            mark = f'<rect x="{x - 3:.1f}" y="{y - 11:.1f}" width="6" height="14" fill="url(#{unique}-hatch)" '
            mark += f'stroke="{COLOURS["rcu"]}"/>'
        body.append(mark + _text(x + 12, y, LEGEND[kind]))
        x += width
    return y + 10


def _text(x: float, y: float, text: str, style: str = "") -> str:
    styled = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{styled}>{escaped(text)}</text>'


def escaped(text: str) -> str:
    """Text for XML: escaped, and without the control characters that XML forbids."""
    return html.escape("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))


def _id(text: str) -> str:
    """Identifiers of one picture, so that several can stand in one page."""
    return "s" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]
