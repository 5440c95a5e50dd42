"""A comparison as text: a table for every kernel and preemption, the violations, the prices."""

from __future__ import annotations

from collections.abc import Iterator

from ..views import plural, table
from .cell import Key, Result
from .comparison import Comparison
from .cost import Path, Price

WIDTH = 128
AS_IT_IS = "(as it is)"
WHAT_SHARED = "= none of the functions that the fix replaces is reached: the result is that of the kernel as it is"
WHAT_COUNTED = (
    "one page freed alone, anonymous / tmpfs; the fixes: what they add; longest hold: operations run under one spinlock;\n"
    "atomic: locked read-modify-writes besides those of locks"
)


def told(comparison: Comparison) -> str:
    parts = [*_tables(comparison), *_violations(comparison), *_remarks(comparison), *_prices(comparison), *comparison.notes]
    return "\n\n".join(parts)


def _tables(comparison: Comparison) -> Iterator[str]:
    """One table for each kernel and preemption, in pieces if it is too wide."""
    numbers = {row.key: i for i, row in enumerate(comparison.violated, 1)}
    fixes, scenarios = comparison.places("fix"), comparison.places("scenario")
    for kernel, preempt in dict.fromkeys((key.kernel, key.preempt) for key in comparison.results):
        columns = [[f"{kernel}, preempt {preempt}", *(label(fix) for fix in fixes)]]
        for scenario in scenarios:
            keys = [Key(kernel, preempt, fix, scenario) for fix in fixes]
            columns.append([scenario, *(short(comparison.results[key], numbers.get(key, 0)) for key in keys)])
        for piece in _pieces(columns):
            yield table(list(zip(*piece, strict=True)))
    if any(row.result.shared for row in comparison.rows):
        yield WHAT_SHARED


def _pieces(columns: list[list[str]]) -> Iterator[list[list[str]]]:
    """The columns, as many at a time as fit, each time behind the first one."""
    widths = [2 + max(map(len, column)) for column in columns]
    piece, width = [columns[0]], widths[0]
    for column, wide in zip(columns[1:], widths[1:], strict=True):
        if width + wide > WIDTH and len(piece) > 1:
            yield piece
            piece, width = [columns[0]], widths[0]
        piece.append(column)
        width += wide
    yield piece


def label(fix: str) -> str:
    return fix or AS_IT_IS


def short(result: Result, number: int = 0) -> str:
    """One cell in a few characters: the verdict in words, and states; a violated one has its number in the list."""
    shared = " =" if result.shared else ""
    if result.verdict == "violated":
        return f"VIOLATED [{number}]{shared}"
    states = f" {result.states:,}" if result.states else ""
    return f"{result.verdict}{states}{shared}"


def where(key: Key) -> str:
    return f"{key.scenario} on {key.kernel}, preempt {key.preempt}, {key.fix or 'no fix'}"


def _violations(comparison: Comparison) -> Iterator[str]:
    """The violated cells with their shortest counterexamples."""
    rows = [("", "violated", "kernel", "preempt", "fix", "steps", "switches", "states", "kind")]
    for i, (key, r) in enumerate(comparison.violated, 1):
        numbers = (f"{r.steps}", f"{r.switches}", f"{r.states:,}")
        rows.append((f"[{i}]", key.scenario, key.kernel, key.preempt, label(key.fix), *numbers, r.kind))
    if len(rows) > 1:
        yield table(rows)


def _remarks(comparison: Comparison) -> Iterator[str]:
    if lines := remarks(comparison):
        yield "\n".join(lines)


def remarks(comparison: Comparison) -> list[str]:
    """Why cells are unfinished or refused, and how others were searched where that is not as always: a line for each reason."""
    cells: dict[tuple[str, str], list[Key]] = {}
    for key, r in comparison.rows:
        reason = r.searched if r.verdict in ("holds", "violated") else r.reason
        if reason or r.verdict not in ("holds", "violated"):
            cells.setdefault((r.verdict, reason), []).append(key)
    return [
        f"{verdict}: {where(keys[0])}{f', and {len(keys) - 1} more' if keys[1:] else ''}: {reason}"
        for (verdict, reason), keys in cells.items()
    ]


# ---- prices ------------------------------------------------------------------------------------------------------------


def _prices(comparison: Comparison) -> Iterator[str]:
    for kernel in comparison.places("kernel"):
        prices = [p for p in comparison.prices.values() if p.kernel == kernel]
        if prices:
            yield table([price_heads(kernel), *(price_row(p) for p in prices)]) + "\n" + WHAT_COUNTED
            yield from (f"{p.fix}: {p.reason}" for p in prices if p.reason)


def price_heads(kernel: str) -> tuple[str, ...]:
    return (f"price on {kernel}", "operations", "atomic", "locks", "longest hold", "new lock order", "swapoff stalled")


def price_row(p: Price) -> tuple[str, ...]:
    """One price in words and numbers, as price_heads() has them."""
    counts = (" / ".join(_count(p, path, what) for path in ("anon", "shmem")) for what in ("operations", "atomics", "locks"))
    holds = " / ".join(_hold(path) for path in (p.anon, p.shmem))
    longer = _longer(p)
    edges = "not known" if p.lock_edges is None else ", ".join(p.lock_edges) or "none"
    stalls = "not known" if p.stalls is None else p.stalls or "never"
    return (label(p.fix), *counts, f"{holds}; {longer}" if longer else holds, edges if p.fix else "", stalls)


def _count(p: Price, path: str, what: str) -> str:
    mine: Path | None = getattr(p, path)
    if mine is None:
        return "?"
    return f"{p.added(path, what):+d}" if p.fix else str(getattr(mine, what))


def _hold(path: Path | None) -> str:
    return f"{path.worst_hold} {path.worst_lock}" if path else "?"


def _longer(p: Price) -> str:
    """The spinlocks held for longer than in the kernel as it is, but for those that are told as the longest."""
    told = []
    for mine, theirs in ((p.anon, p.kernel_anon), (p.shmem, p.kernel_shmem)):
        for lock, length in mine.holds.items() if mine else ():
            before = theirs.holds.get(lock, 0)
            if length > before and mine and lock != mine.worst_lock:
                told.append(f"{lock} {before} -> {length}")
    return ", ".join(dict.fromkeys(told))


def counterexample(result: Result) -> str:
    """How long the shortest counterexample is."""
    steps, switches = plural(result.steps or 0, "step"), plural(result.switches or 0, "context switch", "context switches")
    return f"{steps}, {switches}"
