"""A player as HTML that needs nothing: no network, no server, no kernel; and without scripts still a readable text.

The script finds its player as the element before it, so no id is needed and the same verdict always makes the same text.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from .assets import page_script, style

STYLE = '<style data-swapmodel="replay.css">\n{}\n</style>'
SCRIPT = '<script data-swapmodel="replay.js">\n{}</script>'


def fragment(document: dict[str, Any], head: Sequence[str], text: str) -> str:
    """The player for the output of a cell. `head` are sentences above it, the first of them the verdict; `text` is what those
    read who run no scripts."""
    data = f'<script type="application/json">{embedded(document)}</script>'
    told = f'<div class="smr-text"><pre tabindex="0" data-lm-suppress-shortcuts="true">{html.escape(text)}</pre></div>'
    first, *rest = map(html.escape, head)
    said = f'<p class="smr-verdict"><strong>{first}</strong> {" ".join(rest)}</p>'
    player = f'<div class="swapmodel-replay">{said}{told}{data}</div>'
    return f"{STYLE.format(style())}\n{player}\n{SCRIPT.format(page_script())}"


def embedded(document: dict[str, Any]) -> str:
    """JSON that can stand inside a <script>: no `<`, whatever names it holds."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(document: dict[str, Any], head: Sequence[str], text: str, title: str) -> str:
    """One file to attach to a mail."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
:root {{ color-scheme: light dark; background: light-dark(#ffffff, #16181b); color: light-dark(#1b1b1b, #ececec); }}
body {{ margin: 0 auto; padding: 8px; max-width: 78rem; font: 15px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.15rem; margin: 4px 0 8px; }}
</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
{fragment(document, head, text)}
</main>
</body>
</html>
"""
