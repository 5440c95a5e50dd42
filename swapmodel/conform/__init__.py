"""Compares recorded accounting of real kernels with the model: every event of a trace against the model's own functions.

    from swapmodel.conform import conform
    print(conform("own-cont.csv.gz"))

Two kinds of trace: rows of changes under the kernel's locks (changes.py) and rows of calls around its functions (calls.py).
"""

from __future__ import annotations

from pathlib import Path

from ..kernel import Kernel, Replacements
from ..names import look_up_or_take
from ..progress import Progress
from ..versions import KERNELS
from .calls import CallReplay
from .changes import ChangeReplay
from .device import Swap
from .probes import ARGUMENTS
from .records import Trace, load
from .report import Counts, Disagreement, Report


def conform(path: str | Path, kernel: str | Kernel = "v6.8", fix: Replacements | None = None) -> Report:
    """Replays a trace. The report says of every event how it is explained; `report.agrees` is True if all are.

    `kernel` is a name or a Kernel, `fix` replaces functions of it. BadUse for a file that is not a trace, UnknownName for an
    unknown kernel, KernelError for a fix that can't run."""
    version = look_up_or_take("kernel", kernel, KERNELS)
    trace = load(path)
    report = Report(trace.path, version.name)
    cpus = sorted({row.cpu for row in trace.changes} | {call.cpu for call in trace.calls})
    probes = [fn for fn in trace.probed if fn in ARGUMENTS]
    swap = Swap(version, fix, cpus[-1] + 1, probes, overlaps=bool(trace.calls) and len(cpus) > 1)
    progress = Progress(f"conform {trace.path}", unit=" events", total=len(trace.changes) + len(trace.calls))
    try:
        replay: CallReplay | ChangeReplay
        replay = CallReplay(trace, swap, report) if trace.calls else ChangeReplay(trace, swap, report)
        replay.run(progress)
    finally:
        progress.close()
    _note_probes(trace, report)
    return report


def _note_probes(trace: Trace, report: Report) -> None:
    if trace.absent:
        report.notes.append(f"no probe, because inlined: {', '.join(trace.absent)}: the model runs them, no row can tell")
    report.notes += [f"the probe of {missed}: calls without a row" for missed in trace.missed]


__all__ = ["Counts", "Disagreement", "Report", "conform"]
