"""What a search reached of the kernel: lines never run, branches never taken. A verdict over code that never ran is vacuous."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable
from types import CodeType
from typing import Any

from .liveness import JUMPS_ALWAYS
from .program import Program, plain_file


def coverage(programs: Iterable[Program]) -> dict[str, Any]:
    """For every kernel function that ran: its file, its lines, those never reached, the (line, line) branches never taken."""
    arcs = set().union(*(p.arcs for p in programs))
    ran: dict[CodeType, set[tuple[int, int]]] = {}
    for code, before, line in arcs:
        ran.setdefault(code, set()).add((before, line))
    functions = {}
    for code in sorted(ran, key=lambda c: (c.co_filename, c.co_firstlineno)):
        file = plain_file(code.co_filename)
        if not file.startswith(("machine/", "subpages.py")):
            functions[code.co_name] = _function(code, file, ran[code])
    lines = sum(len(f["lines"]) for f in functions.values())
    missed = sum(len(f["never_reached"]) for f in functions.values())
    return {"functions": functions, "lines": lines, "reached": lines - missed}


def _function(code: CodeType, file: str, ran: set[tuple[int, int]]) -> dict[str, Any]:
    lines = code_lines(code)
    reached = {line for _, line in ran}
    possible = {(a, b) for a, b in branches(code) if a in reached}
    return {
        "file": file,
        "lines": lines,
        "never_reached": [line for line in lines if line not in reached],
        "never_taken": sorted([a, b] for a, b in possible - ran),
    }


@functools.cache
def code_lines(code: CodeType) -> list[int]:
    """The lines of a function that can run: without its `def` line."""
    return sorted({line for _, _, line in code.co_lines() if line} - {code.co_firstlineno})


@functools.cache
def branches(code: CodeType) -> frozenset[tuple[int, int]]:
    """The (line, next line) pairs of lines that can be followed by more than one."""
    instructions = list(dis.get_instructions(code))
    at = {ins.offset: i for i, ins in enumerate(instructions)}
    line_of = {offset: line for start, end, line in code.co_lines() for offset in range(start, end, 2)}
    jumps = set(dis.hasjrel) | set(dis.hasjabs)

    def following(i: int) -> list[int]:
        ins = instructions[i]
        stops = ins.opname in JUMPS_ALWAYS or ins.opname.startswith(("RETURN_", "RAISE", "RERAISE"))
        after = [] if stops or i + 1 == len(instructions) else [i + 1]
        return after + ([at[ins.argval]] if ins.opcode in jumps and ins.opname != "SEND" else [])

    found: dict[int, set[int]] = {}
    for i, ins in enumerate(instructions):
        line = line_of.get(ins.offset)
        if line:
            found.setdefault(line, set()).update(
                after for j in following(i) if (after := line_of.get(instructions[j].offset)) and after != line
            )
    return frozenset((line, after) for line, nexts in found.items() if len(nexts) > 1 for after in nexts)
