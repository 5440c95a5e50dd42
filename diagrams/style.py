"""The style sheet of every SVG: light and dark by the reader's colour scheme, Okabe-Ito colours, always on its own paper.

Selectors begin with the id of the picture, so that two on one page, or the page around them, are not touched.
"""

from __future__ import annotations

from .dot import INK, KINDS, PAPER, QUIET

DARK_INK, DARK_QUIET, DARK_PAPER = "#f0f0f0", "#b4bcc6", "#15181d"
DARK = {  # class -> (line, fill) on dark paper
    "plain": ("#98a2ad", "#242930"),
    "blue": ("#56b4e9", "#102c40"),
    "sky": ("#9bd4f5", "#14303f"),
    "green": ("#2fc79c", "#0c3227"),
    "orange": ("#e69f00", "#38290a"),
    "red": ("#ff8f4d", "#3d1f0b"),
    "purple": ("#e09fc4", "#371f2e"),
}


def style_sheet(id: str) -> str:
    """The rules for the picture with this id."""
    dark = _rules(id, DARK_INK, DARK_QUIET, DARK_PAPER, DARK)
    return (
        f"#{id} {{ max-width: 100%; height: auto; }}\n"
        f"#{id} text {{ font-family: 'Liberation Sans', Arial, Helvetica, sans-serif; }}\n"
        f"{_rules(id, INK, QUIET, PAPER, KINDS)}"
        f"@media (prefers-color-scheme: dark) {{\n{dark}}}\n"
    )


def _rules(id: str, ink: str, quiet: str, paper: str, kinds: dict[str, tuple[str, str]]) -> str:
    rules = [
        f"#{id} text {{ fill: {ink}; }}",
        f'#{id} text[fill="{QUIET}"] {{ fill: {quiet}; }}',
        f"#{id} .graph > polygon {{ fill: {paper}; }}",
        f"#{id} .cluster > path, #{id} .cluster > polygon {{ fill: none; stroke: {quiet}; }}",
    ]
    for kind, (line, fill) in kinds.items():
        shapes = ", ".join(f"#{id} .node.{kind} > {shape}" for shape in ("path", "polygon", "ellipse"))
        rules.append(f"{shapes} {{ stroke: {line}; fill: {fill}; }}")
        rules.append(f"#{id} .node.{kind} > polyline, #{id} .edge.{kind} > path {{ stroke: {line}; }}")
        rules.append(f"#{id} .edge.{kind} > polygon, #{id} .edge.{kind} > ellipse {{ stroke: {line}; fill: {line}; }}")
    rules.append(f'#{id} .node > polygon + polygon[fill="none"] {{ fill: none; }}')  # the outer line of a double one
    return "".join(rule + "\n" for rule in rules)
