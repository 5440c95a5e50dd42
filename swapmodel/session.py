"""Machine: whole operations, one after the other, on a small computer. What a notebook plays with, one line a cell.

    machine = Machine(slots=64)
    p = machine.spawn()
    machine.write(p, 0, "hello")
    machine.swap_out(p, 0)          # shows what changed
    machine.read(p, 0)

Every operation runs the kernel functions that the explorer explores, from system call or fault to its end; nothing else runs
meanwhile. An operation that goes wrong raises Violation, and the computer is as it was before.
"""

from __future__ import annotations

import contextlib
import inspect
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import state
from .effect import Effect
from .invariants import broken
from .kernel import Kernel, Replacements, link
from .machine import Address, Pointer, Violation
from .mm import swapops
from .names import look_up, look_up_or_take
from .process import File, Process
from .sequential import Sequential
from .task import Task
from .versions import KERNELS
from .world import Device, Sizes, check_sizes, lay


class Machine:
    """A small computer with swap. `devices` are world.Device; `slots` makes one of so many slots; other keywords are those of
    world.Sizes (cpus, processes, pages, cluster, ...).

    Every device is swapped on at once, unless `swapon=False`. ValueError for sizes that can't be, BadUse for an unknown kernel,
    KernelError for a fix that can't run."""

    def __init__(
        self,
        *devices: Device,
        slots: int = 64,
        kernel: str | Kernel = "v6.8",
        fix: Replacements | None = None,
        preempt: str = "full",
        swapon: bool = True,
        place: str = "reused",
        **sizes: int,
    ):
        unknown = set(sizes) - set(Sizes._fields)
        if unknown:
            raise ValueError(f"a Machine has no size {', '.join(sorted(unknown))}; it has {', '.join(Sizes._fields)}")
        self.devices, self.sizes = devices or (Device(slots=slots),), Sizes(**sizes)
        check_sizes(self.devices, self.sizes)
        version = look_up_or_take("kernel", kernel, KERNELS)
        if not isinstance(version, Kernel) or not isinstance(fix, Mapping | None):
            raise ValueError(f"kernel is a name or a Kernel, fix a dict of functions, not {kernel!r}, {fix!r}")
        if place not in ("reused", "counted"):
            raise ValueError(f"place is 'reused' or 'counted', not {place!r}")
        self.kernel = version
        self.world = lay(self.devices, self.sizes, preempt, place)
        self.space = link(self.world.memory, version, fix, self.world.constants)
        self.sequential = Sequential(self.world.memory)
        self.io = True  # the disk answers as soon as an operation is over
        self.processes: list[Process] = []
        self.tasks: dict[int, Task] = {}  # what stands still on a CPU
        self.files = [
            File(f"file {i + 1}" if len(self.world.infos) > 1 else "file", info, self.sizes.pages, self)
            for i, info in enumerate(self.world.infos)
        ]
        self._writebacks = {f.writeback.word: f for f in self.world.folios}
        self._spawned = 0
        self._undo: dict[int, Any] | None = None  # within an operation: what each word was before it
        if swapon:
            for number in range(len(self.devices)):
                error = self.swapon(number).value
                if error:
                    raise ValueError(f"swapon of {self.devices[number]} returns {error}")

    def __repr__(self) -> str:
        slots = " and ".join(f"{d.slots} slots" for d in self.devices)
        return f"<Machine: {self.kernel.name}, {self.sizes.cpus} CPUs, swap of {slots}>"

    # ---- processes ---------------------------------------------------------------------------------------------------

    def spawn(self, name: str = "") -> Process:
        """A new process with one VMA and no page yet. ValueError when all places (`processes=`) are taken."""
        mm = self._free_mm()
        for address, value in ((mm.mm_users, 1), (mm.vma, 1)):
            self.sequential.words[address.word] = value
        return self._process(mm, name)

    def fork(self, parent: Process, name: str = "", cpu: int = 0) -> Process:
        """fork(): the child shares every page and every swap entry."""
        self._alive(parent, Process)
        mm = self._free_mm()
        with self._all_or_nothing():
            error = self._do(f"fork({parent})", "dup_mm", parent.mm, mm, cpu=cpu)
            if error.value:
                raise MemoryError(f"fork of {parent} returns {error.value}")
        child = self._process(mm, name)
        child.born = error
        return child

    def exit(self, process: Process, cpu: int = 0) -> Effect:
        """The process quits."""
        self._alive(process, Process)
        effect = self._do(f"exit({process})", "do_exit", process.mm, cpu=cpu)
        process.alive = False
        self.processes.remove(process)
        return effect

    # ---- pages -------------------------------------------------------------------------------------------------------

    def write(self, who: Process | File, page: int, value: Any, cpu: int = 0) -> Effect:
        """User space stores `value` (a number, a string, a tuple) into a page, with all faults that this takes."""
        name, target = self._page(who, page, "user_write", "shmem_write")
        try:
            hash(value)
        except TypeError:
            raise ValueError(f"a page holds a value that can't change, not a {type(value).__name__}") from None
        return self._do(f"write({who}, {page}, {reprlib.repr(value)})", name, target, page, value, cpu=cpu)

    def read(self, who: Process | File, page: int, cpu: int = 0) -> Any:
        """User space loads a page; None if nobody has written it. `touch` shows what that changed."""
        return self.touch(who, page, cpu).value

    def touch(self, who: Process | File, page: int, cpu: int = 0) -> Effect:
        """User space loads a page, with all faults that this takes."""
        name, target = self._page(who, page, "user_read", "shmem_read")
        return self._do(f"touch({who}, {page})", name, target, page, cpu=cpu)

    def huge(self, process: Process, first: int = 0, pages: int = 0, cpu: int = 0) -> Effect:
        """A large folio for pages `first` on, none of which is there yet. It has `pages` pages; by default it is of PMD size,
        which is `cluster=` pages."""
        self._alive(process, Process)
        size = pages or self.sizes.cluster
        if not isinstance(size, int) or size & (size - 1) or not 2 <= size <= self.sizes.cluster:
            raise ValueError(f"a large folio has a power of two of pages, 2 to {self.sizes.cluster}, not {pages!r}")
        self._page(process, first)
        self._page(process, first + size - 1)
        return self._do(f"huge({process}, {first})", "do_huge_anonymous_page", process.mm, first, size, cpu=cpu)

    def swap_out(self, who: Process | File, page: int, keep: bool = False, cpu: int = 0) -> Effect:
        """Reclaim takes the folio behind a page: written out, and freed once the disk is done. `keep`: it stays in the swap
        cache, as when reclaim does not come by again."""
        folio = self._folio_of(who, page)
        what = f"swap_out({who}, {page})"
        if not folio:
            return Effect(what, None, 0, self.world.memory, ())
        with self._all_or_nothing():
            effect = self._do(what, "reclaim_folio", folio, cpu=cpu)
            if not keep and self.io and self._cached(folio):
                effect = self._merge(what, effect, self._do(what, "reclaim_folio", folio, cpu=cpu))
        return effect

    def reclaim(self, cpu: int = 0) -> Effect:
        """kswapd comes by: every folio in the swap cache that nobody maps is freed, if it is clean."""
        idle = (f for f in self.world.folios if self._cached(f) and not self.value(f.mapcount))
        return self._each("reclaim()", "reclaim_folio", idle, cpu)

    def split(self, process: Process, page: int, cpu: int = 0) -> Effect:
        """The folio that page belongs to is split, as when memory is short; not if nobody maps it (-EBUSY)."""
        self._alive(process, Process)
        folio = self._folio_of(process, page)
        if not folio:
            raise ValueError(f"page {page} of {process} has no folio to split")
        return self._do(f"split({process}, {page})", "deferred_split_scan", folio, cpu=cpu)

    def madvise(self, process: Process, advice: str, cpu: int = 0) -> Effect:
        """madvise() on the whole VMA: "dontneed", "free", "pageout", "willneed" or "cold"."""
        self._alive(process, Process)
        known = ("dontneed", "free", "pageout", "willneed", "cold")
        if advice not in known:
            raise ValueError(f"madvise knows {', '.join(known)}, not {advice!r}")
        return self._do(f"madvise({process}, {advice})", f"madvise_{advice}", process.mm, cpu=cpu)

    def munmap(self, process: Process, cpu: int = 0) -> Effect:
        """munmap() of the whole VMA."""
        self._alive(process, Process)
        return self._do(f"munmap({process})", "munmap", process.mm, cpu=cpu)

    def punch(self, file: File, first: int, last: int, cpu: int = 0) -> Effect:
        """fallocate(FALLOC_FL_PUNCH_HOLE) of pages `first` to `last` of a tmpfs file."""
        self._alive(file, File)
        self._page(file, first)
        self._page(file, last)
        if last < first:
            raise ValueError(f"pages {first} to {last} are none")
        return self._do(f"punch({file}, {first}, {last})", "shmem_undo_range", file.info, first, last + 1, cpu=cpu)

    def truncate(self, file: File, cpu: int = 0) -> Effect:
        """ftruncate(0) of a tmpfs file."""
        self._alive(file, File)
        return self._do(f"truncate({file})", "shmem_undo_range", file.info, cpu=cpu)

    # ---- devices -----------------------------------------------------------------------------------------------------

    def swapon(self, number: int = 0, prio: int | None = None, cpu: int = 0) -> Effect:
        """swapon() of device `number`; the value is 0 or a negative errno."""
        file = self._file(number)
        wanted = self.devices[number].prio if prio is None else prio
        return self._do(f"swapon({file})", "swapon", file, wanted, cpu=cpu)

    def swapoff(self, number: int = 0, signal: bool = False, cpu: int = 0) -> Effect:
        """swapoff() of device `number`; the value is 0 or a negative errno. `signal`: one is pending, so that it gives up as
        soon as it looks."""
        self._cpu(cpu)
        file = self._file(number)
        type = next((t for t in range(len(self.space.swap_info)) if self._file_of(t) is file), None)
        if type is None:
            raise ValueError(f"{file} is not in use: swapon first")
        pending = self.space.signals_pending[cpu].word
        self.sequential.words[pending] = int(signal)
        try:
            return self._do(f"swapoff({file})", "swapoff", type, cpu=cpu)
        finally:
            self.sequential.words[pending] = 0

    def finish_io(self, cpu: int = 0) -> Effect:
        """The disk has written what it was given (only needed with `machine.io = False`)."""
        written = (f for f in self.world.folios if self.value(f.writeback))
        return self._each("finish_io()", "end_swap_bio_write", written, cpu)

    # ---- looking -----------------------------------------------------------------------------------------------------

    def value(self, address: Address) -> Any:
        """What a word holds now. ValueError for an address behind NULL or outside an array."""
        if address.word < 0:
            raise ValueError(f"{address}: {address.fault}")
        return self.sequential.words[address.word]

    def slots(self) -> state.Table:
        """Every slot that is not free: its byte, the swap cache, who refers to it, the disk."""
        return state.slots(self)

    def clusters(self) -> state.Table:
        """The clusters of each device, the list that each is on, and where the CPUs allocate."""
        return state.clusters(self)

    def folios(self) -> state.Table:
        """Every folio that is not free."""
        return state.folios(self)

    def pins(self, type: int = 0) -> state.Table:
        """What keeps the device of that type number alive, one row for each of the six ways."""
        return state.pins(self, type)

    def call(self, function: str, *arguments: Any, cpu: int = 0) -> Any:
        """Runs any kernel function to its end and returns its value."""
        self._function(function)
        return self._do(function, function, *arguments, cpu=cpu).value

    def begin(self, function: str, *arguments: Any, cpu: int = 0) -> Task:
        """A system call, or a fault, that stands still before its first step, for until() and finish() to go on with. The other
        CPUs can do something else meanwhile."""
        self._cpu(cpu)
        self.tasks[cpu] = Task(self, function, self.space.syscall(self._function(function), *arguments), cpu)
        return self.tasks[cpu]

    def check(self) -> None:
        """Every invariant of invariants.py. The first one that does not hold is raised as a Violation."""
        found = next(broken(self.world, self.space, self.sequential.words), None)
        if found is not None:
            raise found

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _do(self, what: str, function: str, *arguments: Any, cpu: int = 0) -> Effect:
        self._cpu(cpu)
        kernel_function: Callable[..., Any] = getattr(self.space, function)
        with self._all_or_nothing():
            value = self._run(kernel_function(*arguments), cpu)
            effect = self._effect(what, value, cpu)
            if self.io:
                effect = self._end_writeback(what, effect, cpu)
        return effect

    def _each(self, what: str, function: str, folios: Iterator[Pointer], cpu: int) -> Effect:
        """The function for one folio after the other, as one operation."""
        self._cpu(cpu)
        effect = Effect(what, None, 0, self.world.memory, ())
        with self._all_or_nothing():
            for folio in folios:
                effect = self._merge(what, effect, self._do(what, function, folio, cpu=cpu))
        return effect

    def _run(self, generator: Any, cpu: int) -> Any:
        value = self.sequential.run(generator, cpu)
        assert self._undo is not None
        for word, old in self.sequential.cpus[cpu].before.items():
            self._undo.setdefault(word, old)
        return value

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Several kernel functions that are one operation: if one goes wrong, what those before it changed is put back."""
        if self._undo is not None:
            yield
            return
        undo = self._undo = {}
        try:
            yield
        except BaseException:
            for word, old in undo.items():
                self.sequential.words[word] = old
            raise
        finally:
            self._undo = None

    def _effect(self, what: str, value: Any, cpu: int) -> Effect:
        words, before = self.sequential.words, self.sequential.cpus[cpu].before
        changed = tuple((w, old, words[w]) for w, old in before.items() if words[w] is not old)
        return Effect(what, value, self.sequential.steps, self.world.memory, changed)

    def _end_writeback(self, what: str, effect: Effect, cpu: int) -> Effect:
        """The disk's interrupts for the folios that this operation has begun to write."""
        for word, _, new in effect.words:
            if new and word in self._writebacks:
                self._run(self.space.end_swap_bio_write(self._writebacks[word]), cpu)
                effect = self._merge(what, effect, self._effect(what, effect.value, cpu))
        return effect

    def _merge(self, what: str, first: Effect, second: Effect) -> Effect:
        old = {w: o for w, o, _ in second.words} | {w: o for w, o, _ in first.words}
        now = {w: n for w, _, n in first.words} | {w: n for w, _, n in second.words}
        words = tuple((w, o, now[w]) for w, o in old.items() if now[w] is not o)
        return Effect(what, second.value, first.steps + second.steps, self.world.memory, words)

    def _page(self, who: Process | File, page: int, ours: str = "", files: str = "") -> tuple[str, Pointer]:
        self._alive(who)
        if not isinstance(page, int) or not 0 <= page < who.pages:
            raise ValueError(f"{who} has pages 0 to {who.pages - 1}, not {page!r}")
        return (ours, who.mm) if isinstance(who, Process) else (files, who.info)

    def _alive(self, who: Process | File, kind: type[Process] | type[File] | None = None) -> None:
        if not isinstance(who, kind or (Process, File)) or who.machine is not self:
            wanted = {Process: "a process", File: "a file"}.get(kind, "a process or a file")  # type: ignore[arg-type]
            raise ValueError(f"{who!r} is not {wanted} of this machine")
        if not who.alive:
            raise ValueError(f"{who} has exited")

    def _cpu(self, cpu: int) -> None:
        if not isinstance(cpu, int) or not 0 <= cpu < self.sizes.cpus:
            raise ValueError(f"there are CPUs 0 to {self.sizes.cpus - 1}, not {cpu!r}")
        if cpu in self.tasks:
            raise ValueError(f"CPU {cpu} is in the middle of {self.tasks[cpu].what}: finish() it, or use another CPU")

    def _function(self, name: str) -> Callable[..., Any]:
        known: dict[str, Callable[..., Any]] = {n: f for n, f in vars(self.space).items() if inspect.isgeneratorfunction(f)}
        return look_up("kernel function", name, known)

    def _folio_of(self, who: Process | File, page: int) -> Any:
        """The folio behind a page: mapped, in the file, or in the swap cache. NULL if there is none."""
        _, target = self._page(who, page)
        found = self.value(target.pte[page] if isinstance(who, Process) else swapops.xa_slot(target.i_mapping, page))
        if isinstance(found, swapops.PagePte):
            return found.folio
        if not isinstance(found, swapops.SwapPte | swapops.RadixEntry):
            return found
        spaces = self.value(self.space.swapper_spaces[swapops.swp_type(found.entry)])
        offset = swapops.swp_offset(found.entry)
        cached = self.value(swapops.xa_slot(spaces[offset >> self.sizes.address_space_shift], offset))
        return swapops.NULL if swapops.xa_is_value(cached) else cached

    def _cached(self, folio: Pointer) -> bool:
        words = self.sequential.words
        return words[folio._object.life] > 0 and bool(words[folio.swapcache.word])

    def _free_mm(self) -> Pointer:
        for mm in self.world.mms:
            if not self.value(mm.mm_users) and all(p.mm is not mm for p in self.processes):
                return mm
        raise ValueError(f"all {self.sizes.processes} processes are there: Machine(processes=...) makes more")

    def _process(self, mm: Pointer, name: str) -> Process:
        self._spawned += 1
        process = Process(name or f"process {self._spawned}", mm, self.sizes.pages, self)
        self.processes.append(process)
        return process

    def _file(self, number: int) -> swapops.SwapFile:
        if not isinstance(number, int) or not 0 <= number < len(self.devices):
            raise ValueError(f"there are devices 0 to {len(self.devices) - 1}, not {number!r}")
        return self.world.devices[number]

    def _file_of(self, type: int) -> Any:
        si = self.value(self.space.swap_info[type])
        return self.value(si.swap_file) if si else None


__all__ = ["Device", "File", "Machine", "Process", "Sizes", "Task", "Violation"]
