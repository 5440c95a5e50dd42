"""A comparison as HTML: for a notebook, and as a page of its own. Verdicts are words and marks, and nothing has a colour."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

from .cell import Key, Result
from .comparison import Comparison
from .text import WHAT_COUNTED, WHAT_SHARED, counterexample, label, price_heads, price_row, remarks, where

MARKS = {"holds": "\N{CHECK MARK}", "violated": "\N{BALLOT X}", "unfinished": "?", "refused": "!"}
BORDER = "border: 1px solid currentColor; padding: 0.2em 0.5em; text-align: left; vertical-align: top"
TABLE = "border-collapse: collapse; margin: 0.5em 0"
PRE = "font-family: monospace; overflow-x: auto; background: transparent; color: inherit"


def page(comparison: Comparison) -> str:
    """A whole document, readable on a dark and on a light screen: the reader's browser chooses both colours."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width"><title>swapmodel compare</title></head>\n'
        f'<body style="font-family: sans-serif">\n<h1>swapmodel compare</h1>\n{fragment(comparison)}\n</body></html>\n'
    )


def fragment(comparison: Comparison) -> str:
    """The tables, then the interleaving of every violated cell, to which its cell links."""
    parts = [*_tables(comparison), *_prices(comparison), *_remarks(comparison), *_interleavings(comparison)]
    return '<div class="swapmodel-comparison">\n' + "\n".join(parts) + "\n</div>"


def _tables(comparison: Comparison) -> Iterator[str]:
    fixes, scenarios = comparison.places("fix"), comparison.places("scenario")
    for kernel, preempt in dict.fromkeys((key.kernel, key.preempt) for key in comparison.results):
        rows = [_row("th", ["fix", *scenarios], "col")]
        for fix in fixes:
            title = f"<strong>{html.escape(label(fix))}</strong><br>{html.escape(comparison.titles[fix])}"
            cells = [_cell(comparison, Key(kernel, preempt, fix, scenario)) for scenario in scenarios]
            rows.append(f'<tr><th scope="row" style="{BORDER}; font-weight: normal">{title}</th>{"".join(cells)}</tr>')
        yield _table(f"{kernel}, preempt {preempt}", rows)


def _table(caption: str, rows: Iterable[str]) -> str:
    told = f'<caption style="text-align: left; font-weight: bold">{html.escape(caption)}</caption>'
    return f'<div style="overflow-x: auto"><table style="{TABLE}">{told}\n' + "\n".join(rows) + "\n</table></div>"


def _row(tag: str, cells: Iterable[str], scope: str = "") -> str:
    told = f' scope="{scope}"' if scope else ""
    return "<tr>" + "".join(f'<{tag}{told} style="{BORDER}">{html.escape(cell)}</{tag}>' for cell in cells) + "</tr>"


def _cell(comparison: Comparison, key: Key) -> str:
    result = comparison.results[key]
    lines = [f"{MARKS[result.verdict]} {result.verdict}"]
    if result.verdict == "violated":
        anchor = comparison.anchor(key)
        lines = [f'<a id="{anchor}-cell" href="#{anchor}" style="color: inherit">{lines[0]}</a>', *_details(result)]
    else:
        lines += _details(result)
    return f'<td style="{BORDER}">' + "<br>".join(lines) + "</td>"


def _details(result: Result) -> Iterator[str]:
    if result.kind:
        yield html.escape(result.kind)
        yield html.escape(counterexample(result))
    if result.states:
        yield f"{result.states:,} states"
    if result.shared:
        yield "= as it is"


def _interleavings(comparison: Comparison) -> Iterator[str]:
    for key, result in comparison.violated:
        anchor = comparison.anchor(key)
        yield (
            f'<section id="{anchor}"><h4>{html.escape(where(key))}: {html.escape(result.kind)}</h4>\n'
            f'<pre style="{PRE}">{html.escape(result.interleaving)}</pre>\n'
            f'<p><a href="#{anchor}-cell" style="color: inherit">back to the table</a></p></section>'
        )


def _prices(comparison: Comparison) -> Iterator[str]:
    for kernel in comparison.places("kernel"):
        prices = [p for p in comparison.prices.values() if p.kernel == kernel]
        if prices:
            heads, rows = price_heads(kernel), [_row("td", price_row(p)) for p in prices]
            yield _table(heads[0], [_row("th", ("fix", *heads[1:]), "col"), *rows])
            yield f"<p>{html.escape(WHAT_COUNTED)}</p>"
            yield from (f"<p>{html.escape(f'{p.fix}: {p.reason}')}</p>" for p in prices if p.reason)


def _remarks(comparison: Comparison) -> Iterator[str]:
    if any(row.result.shared for row in comparison.rows):
        yield f"<p>{html.escape(WHAT_SHARED)}</p>"
    yield from (f"<p>{html.escape(line)}</p>" for line in (*remarks(comparison), *comparison.notes))
