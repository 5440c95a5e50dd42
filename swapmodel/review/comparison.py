"""The answers of compare(), to be read as text, as HTML, or as JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .cell import REFUSED, Key, Result
from .cost import Path, Price


class Row(NamedTuple):
    """One cell with where it stands."""

    key: Key
    result: Result


class Comparison:
    """A table: `results[kernel, preempt, fix, scenario]` and `prices[kernel, fix]`, the fix "" being the kernel as it is.

    `titles` are the fixes' own, `sizes` the processes and pages that were asked for (0: each scenario's own); `notes` say
    what did not come to its end."""

    def __init__(
        self,
        results: Mapping[Key, Result],
        prices: Mapping[tuple[str, str], Price],
        titles: Mapping[str, str],
        sizes: Mapping[str, int],
        notes: list[str],
    ):
        self.results, self.prices, self.titles, self.sizes, self.notes = results, prices, titles, sizes, notes

    @property
    def rows(self) -> list[Row]:
        """Every cell: kernels, then preemption, then fixes, then scenarios, in the order asked for."""
        return [Row(*item) for item in self.results.items()]

    def places(self, part: str) -> list[str]:
        """The kernels, preempt, fixes or scenarios of the table: "kernel", "preempt", "fix" or "scenario"."""
        return list(dict.fromkeys(getattr(key, part) for key in self.results))

    @property
    def violated(self) -> list[Row]:
        return [row for row in self.rows if row.result.verdict == "violated"]

    @property
    def status(self) -> int:
        """The exit status of the command: 0 all cells are done, 2 a fix can't run, 3 a budget or an interrupt ended a cell."""
        verdicts = {result.verdict for result in self.results.values()}
        return 2 if REFUSED in verdicts else 3 if "unfinished" in verdicts else 0

    def anchor(self, key: Key) -> str:
        """The id of a violated cell's interleaving in the HTML: the same for the same comparison, another in another one."""
        asked = "\n".join("\t".join(k) for k in self.results) + str(sorted(self.sizes.items()))
        digest = hashlib.sha256(asked.encode()).hexdigest()[:8]
        place = "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in key if part)
        return f"swapmodel-{digest}-{list(self.results).index(key)}-{place}"

    def __repr__(self) -> str:
        counts = {v: sum(r.verdict == v for r in self.results.values()) for v in ("holds", "violated", "unfinished", REFUSED)}
        return f"<comparison of {len(self.results)} cells: {', '.join(f'{n} {v}' for v, n in counts.items() if n)}>"

    def __str__(self) -> str:
        from .text import told

        return told(self)

    def _repr_html_(self) -> str:
        from .page import fragment

        return fragment(self)

    def document(self) -> dict[str, Any]:
        """The comparison as plain data: see comparison.schema.json."""
        return {
            **self.sizes,
            "fixes": [{"fix": label or None, "title": title} for label, title in self.titles.items()],
            "cells": [_cell(row) for row in self.rows],
            "prices": [_price(p) for p in self.prices.values()],
            "notes": list(self.notes),
        }


def _cell(row: Row) -> dict[str, Any]:
    key, r = row
    return {
        **key._asdict(),
        "fix": key.fix or None,
        "verdict": r.verdict,
        "reason": r.reason or None,
        "violation": {"kind": r.kind, "message": r.message} if r.kind else None,
        "states": r.states,
        "steps": r.steps,
        "switches": r.switches,
        "seconds": round(r.seconds, 3),
        "searched": r.searched or None,
        "threads": list(r.threads),
        "schedule": list(r.schedule),
        "shared": r.shared,
        "source": r.source or None,
    }


def _price(p: Price) -> dict[str, Any]:
    return {
        "kernel": p.kernel,
        "fix": p.fix or None,
        "anon": _path(p.anon),
        "shmem": _path(p.shmem),
        "kernel_anon": _path(p.kernel_anon),
        "kernel_shmem": _path(p.kernel_shmem),
        "lock_edges": None if p.lock_edges is None else list(p.lock_edges),
        "stalls": p.stalls,
        "reason": p.reason or None,
    }


def _path(path: Path | None) -> dict[str, Any] | None:
    return path._asdict() if path is not None else None
