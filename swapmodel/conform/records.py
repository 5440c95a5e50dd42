"""Reads a recorded trace: two kinds of CSV, plain or compressed, as the lab of the real kernel writes them.

Nothing is skipped in silence: a line that can't be read is a BadUse that names file and line.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..names import BadUse, nearest

SLOTS = 16384  # of the device that the lab records: 64 MiB
CLUSTER = 512  # SWAPFILE_CLUSTER where a PMD-size folio has 512 pages
CPUS = 64  # more than the lab's machine can have

CHANGE_COLUMNS = "seq,ts_ns,cpu,pid,comm,fn,offset,n,before,usage,after,ret,inuse,ccount,cflags"
CALL_COLUMNS = (
    "seq_enter,seq_exit,t_enter,t_exit,cpu,pid,comm,fn,type,offset,n,before,arg,after,ret,"
    "inuse_before,inuse_after,ccount_before,ccount_after,cflags_before,cflags_after"
)

CHANGES = (
    "m:alloc",
    "m:alloc_cluster",
    "m:free_cluster",
    "m:entry_free",
    "m:entry_free_locked",
    "m:duplicate",
    "r:range_alloc",
    "r:range_free",
    "c:swap_free",
    "c:free_swap_and_cache",
    "c:put_swap_folio",
    "e:swapon",
    "e:swapoff_begin",
    "e:swapoff_unused",
    "e:swapoff_done",
    "e:split_swap_cluster",
    "e:add_continuation",
    "e:unuse_pass2_freed",
    "e:put_folio_clear_huge",
)

CALLS = (
    "get_swap_pages",
    "swap_duplicate",
    "__swap_duplicate",
    "swapcache_prepare",
    "swap_shmem_alloc",
    "swap_free",
    "free_swap_and_cache",
    "put_swap_folio",
    "__swap_entry_free",
    "__swap_entry_free_locked",
    "swap_range_free",
    "swap_range_alloc",
    "swapcache_free_entries",
    "add_swap_count_continuation",
    "split_swap_cluster",
    "folio_free_swap",
    "__try_to_reclaim_swap",
    "swap_page_trans_huge_swapped",
    "free_swap_slot",
    "swapcache_clear",
    "swap_entry_free",
    "swap_free_cluster",
    "try_to_unuse",
)


class Change(NamedTuple):
    """A row of own-*.csv or race-*.csv: the state right after one change, written under the lock that guards it."""

    line: int
    seq: int
    ts_ns: int
    cpu: int
    pid: int
    comm: str
    fn: str
    offset: int
    n: int
    before: int
    usage: int
    after: int
    ret: int
    inuse: int
    ccount: int
    cflags: int


class State(NamedTuple):
    """What the probes read at the entry or the return of a call; -1 is what they could not read."""

    byte: int
    inuse: int
    ccount: int
    cflags: int


class Call:
    """A row of debian*.csv: one call of a function, with what was read at its entry and at its return, without a lock."""

    __slots__ = (
        "after",
        "arg",
        "before",
        "calls",
        "cpu",
        "enter",
        "exit",
        "fn",
        "line",
        "n",
        "next",
        "offset",
        "pid",
        "prev",
        "ret",
    )

    def __init__(self, line: int, numbers: dict[str, int], fn: str):
        def state(when: str) -> State:
            return State(numbers[when], numbers[f"inuse_{when}"], numbers[f"ccount_{when}"], numbers[f"cflags_{when}"])

        self.line, self.fn, self.cpu, self.pid = line, fn, numbers["cpu"], numbers["pid"]
        self.enter, self.exit = numbers["seq_enter"], numbers["seq_exit"]
        self.offset, self.n, self.arg, self.ret = numbers["offset"], numbers["n"], numbers["arg"], numbers["ret"]
        self.before, self.after = state("before"), state("after")
        self.calls: list[Call] = []  # what it called, in order
        self.prev, self.next = 0, 1 << 62  # the events of the same task around this call

    def named(self, fn: str) -> Call | None:
        """The first call of `fn` inside this one."""
        for call in self.calls:
            found = call if call.fn == fn else call.named(fn)
            if found:
                return found
        return None


class Trace(NamedTuple):
    """A trace as it was read. `absent` are the functions without a probe: inlined, so no row can be there."""

    path: str
    changes: tuple[Change, ...]
    calls: tuple[Call, ...]
    probed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


def load(path: str | Path) -> Trace:
    """Reads one trace. BadUse, in one sentence with file and line, for anything that is not one."""
    name = Path(path).name
    lines = _text(path).split("\n")
    kinds = {CHANGE_COLUMNS: "change", CALL_COLUMNS: "call"}
    if not any(lines):
        raise BadUse(f"{name}: the file is empty")
    kind = kinds.get(lines[0].strip())
    if kind is None:
        raise BadUse(f"{name}:1: these are not the columns of a trace: {lines[0][:60]!r}")
    notes = [line.split() for line in lines[1:] if line.startswith("#")]
    rows = [(number, line) for number, line in enumerate(lines[1:], 2) if line.strip() and not line.startswith("#")]
    if not rows:
        raise BadUse(f"{name}: there is no event in this trace")
    if kind == "change":
        return Trace(name, tuple(_changes(name, rows)), ())
    calls = tuple(_calls(name, rows))
    told = {n[2]: n[3:] for n in notes if len(n) > 3 and n[1] == "probe"}
    probed = tuple(fn for fn, how in told.items() if how[0] == "ok") or tuple({c.fn: 0 for c in calls})
    missed = tuple(f"{fn} ({how[-1]})" for fn, how in told.items() if how[-1].startswith("missed=") and how[-1] != "missed=0")
    return Trace(name, (), calls, probed, tuple(fn for fn, how in told.items() if how[0].startswith("absent")), missed)


def _text(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadUse(f"{path}: can't be read: {error.strerror or error}") from None
    if Path(path).suffix == ".gz" or data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise BadUse(f"{Path(path).name}: this is not gzip, or it is torn") from None
    try:
        return data.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadUse(f"{Path(path).name}:{line}: this is not text") from None


def _numbers(name: str, line: int, text: str, columns: list[str]) -> tuple[dict[str, int], str, str]:
    fields = text.strip("\r").split(",")
    if len(fields) != len(columns):
        raise BadUse(f"{name}:{line}: the line is torn: it has {len(fields)} fields, not {len(columns)}")
    values = dict(zip(columns, fields, strict=True))
    fn, comm = values.pop("fn"), values.pop("comm")
    numbers = {}
    for column, value in values.items():
        try:
            numbers[column] = int(value)
        except ValueError:
            raise BadUse(f"{name}:{line}: {column} is {value[:30]!r}, which is not a number") from None
    _check_range(name, line, numbers)
    return numbers, fn, comm


def _check_range(name: str, line: int, numbers: dict[str, int]) -> None:
    offset, n = numbers["offset"], numbers["n"]
    if offset < 0 or n < 0 or offset + n > SLOTS:
        raise BadUse(f"{name}:{line}: offset {offset}, n {n}: the device has {SLOTS} slots")
    if not 0 <= numbers["cpu"] < CPUS:
        raise BadUse(f"{name}:{line}: cpu {numbers['cpu']} is not one of {CPUS}")
    for column in ("before", "after"):
        if not -1 <= numbers[column] <= 255:
            raise BadUse(f"{name}:{line}: {column} is {numbers[column]}, which is not a byte")


def _known(name: str, line: int, fn: str, known: tuple[str, ...]) -> None:
    if fn not in known:
        guess = nearest(fn, known)
        raise BadUse(f"{name}:{line}: no function {fn[:40]!r} is known" + (f"; is it {guess}?" if guess else ""))


def _changes(name: str, rows: list[tuple[int, str]]) -> Iterator[Change]:
    columns, last = CHANGE_COLUMNS.split(","), -1
    for line, text in rows:
        numbers, fn, comm = _numbers(name, line, text, columns)
        _known(name, line, fn, CHANGES)
        if last >= 0 and numbers["seq"] != last + 1:
            raise BadUse(f"{name}:{line}: seq {numbers['seq']} comes after {last}: rows are missing or out of order")
        last = numbers["seq"]
        yield Change(line=line, fn=fn, comm=comm, **numbers)


def _calls(name: str, rows: list[tuple[int, str]]) -> Iterator[Call]:
    columns = CALL_COLUMNS.split(",")
    for line, text in rows:
        numbers, fn, _ = _numbers(name, line, text, columns)
        _known(name, line, fn, CALLS)
        if numbers["type"] not in (-1, 0):
            raise BadUse(f"{name}:{line}: type {numbers['type']}: there is one device, of type 0")
        if numbers["seq_enter"] >= numbers["seq_exit"]:
            raise BadUse(f"{name}:{line}: the call ends (seq_exit {numbers['seq_exit']}) before it begins")
        yield Call(line, numbers, fn)


def nest(trace: Trace) -> list[tuple[int, bool, Call, Call]]:
    """Every entry and return in the order in which they happened: (number, is it the entry, the call, the outermost call it is
    in). Fills in who called whom. BadUse where the calls of a task do not nest."""
    events: list[tuple[int, bool, Call]] = []
    for call in trace.calls:
        events += [(call.enter, True, call), (call.exit, False, call)]
    events.sort(key=lambda event: event[0])
    ordered: list[tuple[int, bool, Call, Call]] = []
    open_calls: dict[int, list[Call]] = {}
    last: dict[int, tuple[Call | None, int]] = {}  # of each task: the call that returned last, the number of its last event
    previous = -1
    for number, entry, call in events:
        if number == previous:
            raise BadUse(f"{trace.path}:{call.line}: number {number} is there twice: rows are doubled")
        if previous >= 0 and number != previous + 1:
            raise BadUse(f"{trace.path}:{call.line}: number {number} comes after {previous}: a row is missing")
        previous = number
        stack = open_calls.setdefault(call.pid, [])
        if entry:
            if stack:
                stack[-1].calls.append(call)
            stack.append(call)
            call.prev = last.get(call.pid, (None, 0))[1]
        elif not stack or stack[-1] is not call:
            raise BadUse(f"{trace.path}:{call.line}: the call crosses another one of task {call.pid}: they do not nest")
        before, _ = last.get(call.pid, (None, 0))
        if before is not None:
            before.next = number
        ordered.append((number, entry, call, _outermost(stack)))
        if not entry:
            stack.pop()
        last[call.pid] = (None if entry else call, number)
    return ordered


def _outermost(stack: list[Call]) -> Call:
    """The outermost call of a task. try_to_unuse() is none: it walks over processes, which the trace does not have."""
    return next((call for call in stack if call.fn != "try_to_unuse"), stack[0])
