"""A checkout of two notebooks, one exercise and one diagram, with every kind of output that a page must cope with."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PLAYER = (
    '<div class="replay" data-swapmodel="replay"><ol><li>process 1 stops</li></ol></div>'
    '<style data-swapmodel="replay.css">.replay { border: 1px solid currentColor }</style>'
    '<script type="application/json">{"steps": ["\\u003c/script>"]}</script>'
    '<script data-swapmodel="replay.js">(function () {\n'
    "  const data = document.currentScript.previousElementSibling, button = document.createElement('button');\n"
    "  button.textContent = 'Step: ' + JSON.parse(data.textContent).steps.length;\n"
    "  data.before(button);\n"
    "})();</script>"
)
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="90" viewBox="0 0 900 90"><title>Life of a byte</title>'
    '<desc>From free to cached.</desc><rect id="a" width="20" height="20"/><use href="#a" x="40"/></svg>'
)
COSTS = (
    "# Measured: 1 May 2026, 2 cores of <b>a machine</b>\n# Harmony is left out: pip install harmony\n"
    "scenario  P,N     checker      CPU s   wall s     MiB       states  outcome\n"
    "peers     2,2     swapmodel     0.12     0.13      18        5,101  holds\n"
    "peers     2,2     SPIN         60.12    60.13     180            -  more than 60 s\n"
)
VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "m", "version_major": 2, "version_minor": 0}}
WIDE = "x" * 300
HOSTILE = '# 02 · <i onclick=alert(1)>it</i> & "quotes"'

FIRST = [
    new_markdown_cell("# 01 · First steps\n\nAfter this page you know `swap_map`, see [the second](02-second.ipynb#A-part)."),
    new_markdown_cell(
        "## A part\n\n| | b |\n|---|---|\n| gazebo | 2 |\n\n[source](../src/code.py)\n\n![byte](../diagrams/byte.svg)"
    ),
    new_code_cell("player", outputs=[new_output("display_data", {"text/html": PLAYER, "text/plain": "<r>", **VIEW})]),
    new_code_cell("again", outputs=[new_output("execute_result", {"text/html": PLAYER, "text/plain": "<r>", **VIEW})]),
    new_code_cell("slider", outputs=[new_output("display_data", {"text/plain": "IntSlider(value=3)", **VIEW})]),
    new_code_cell("bar", outputs=[new_output("display_data", VIEW), new_output("stream", name="stderr", text="50%|###")]),
    new_markdown_cell("### Deep\n\n##### Deeper"),
    new_code_cell("print(wide)", outputs=[new_output("stream", text=f"{WIDE}\n<b>no markup</b>\n")]),
    new_code_cell("svg", outputs=[new_output("display_data", {"image/svg+xml": SVG, "text/plain": "<SVG>"})]),
    new_code_cell("inline", outputs=[new_output("display_data", {"text/html": SVG})] * 2),
]
SECOND = [
    new_markdown_cell(HOSTILE),
    new_markdown_cell("## A part\n\nTwice. <script>alert(2)</script> [mail](mailto:a@example.org)"),
    new_markdown_cell("## A part\n\nAgain, with `__swap_duplicate()`."),
    new_code_cell("1 + 1", outputs=[new_output("execute_result", {"text/plain": "2"}, execution_count=1)], execution_count=1),
]


def write_book(path, cells, **metadata):
    book = new_notebook(cells=cells, metadata=metadata)
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number:02}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)


def write_checkout(root):
    """Returns its notebooks/."""
    write_book(root / "notebooks" / "01-first.ipynb", FIRST)
    write_book(root / "notebooks" / "02-second.ipynb", SECOND, widgets={"state": {}})
    write_book(root / "exercises" / "01-first.ipynb", [new_markdown_cell("# Exercises 1\n\nDecode 0x41.")])
    (root / "diagrams").mkdir()
    (root / "diagrams" / "byte.svg").write_text(SVG)
    (root / "diagrams" / "cost.svg").write_text(SVG)
    (root / "diagrams" / "cost.txt").write_text(COSTS)
    (root / "src").mkdir()
    (root / "src" / "code.py").write_text("pass\n")
    (root / "README.md").write_text(
        "# A kit\n\nWhat it is.\n\n## Use\n\nSee [first](notebooks/01-first.ipynb), [cost](diagrams/cost.txt).\n"
    )
    return root / "notebooks"
