"""A thread's graph of steps as rows, numbered along its paths so that most rows only lead to the next one."""

from __future__ import annotations

from typing import Any

from ..program import Program, Step
from .tables import Tables
from .values import encode


def graph_of(program: Program, me: int, tables: Tables, kernel: Any) -> list[list[Any]]:
    """One row a step: [operation or -1, stack], then nothing if the only value known is None and leads to the next row, a
    number if it leads elsewhere, or [value, step, value, step, ...]; -1 stands for a step after which nothing is known."""
    order = along_paths(program.first)
    number = {step: n for n, step in enumerate(order)}
    return [row_of(step, n, number, me, tables, kernel) for n, step in enumerate(order)]


def along_paths(first: Step) -> list[Step]:
    """Every step, depth first."""
    order, seen, pending = list[Step](), set[Step](), [first]
    while pending:
        step = pending.pop()
        if step not in seen:
            seen.add(step)
            order.append(step)
            pending += reversed(step.next.values())
    return order


def row_of(step: Step, n: int, number: dict[Step, int], me: int, tables: Tables, kernel: Any) -> list[Any]:
    if step.operation is None:
        return [-1, -1]
    row: list[Any] = [tables.operation(step.operation, me), tables.stack(step.stack, kernel)]
    edges = [(encode(value), number[after]) for value, after in step.next.items()]
    if edges == [(None, n + 1)]:
        return row
    if len(edges) == 1 and edges[0][0] is None:
        return [*row, edges[0][1]]
    return [*row, [part for edge in edges for part in edge] if edges else -1]
