"""How the model comes into each outermost call of a trace, with the little that the trace does not record around it.

Not recorded: folios (their lock, writeback, the swap cache's slots), which slots of a CPU's allocation cache have been used,
and swapoff and swapon themselves. What is concluded here is counted in the report, and never decides what a byte becomes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..machine import NULL
from ..mm.swapops import SWAP_HAS_CACHE, swap_count, xa_slot
from ..program import KernelError
from .device import Swap, cluster_locked, locked
from .records import Call
from .report import Report


class Verdict:
    """What is known so far about a row: `given` a condition that the trace shows only by its effect, `taken` over a value."""

    __slots__ = ("differences", "given", "taken")

    def __init__(self) -> None:
        self.differences: list[Any] = []
        self.given = self.taken = False


class Surroundings:
    """Folios and slot caches around the calls of one trace."""

    def __init__(self, swap: Swap, report: Report, verdicts: dict[int, Verdict]):
        self.swap, self.report, self.verdicts = swap, report, verdicts
        self.folios = list(swap.world.folios)
        self.cached: dict[int, tuple[Any, int, int]] = {}  # task: its folio, and where that is in the swap cache
        self.batches: dict[int, list[int]] = {}  # CPU: the entries in its allocation cache when that was filled
        self.drained = 0  # the line where swapoff had the slot caches emptied

    def begin(self, call: Call) -> Generator[Any, Any, Any]:
        """The model's function for an outermost call."""
        swap, fn = self.swap, call.fn
        function, entry = vars(swap.space)[fn], swap.entry(call.offset)
        match fn:
            case "get_swap_pages":
                self._before_allocation(call)
                arguments: tuple[Any, ...] = (call.n, call.arg)
            case "swapcache_free_entries":
                arguments = (self._entries(call),)
            case "__swap_duplicate":
                arguments = (entry, call.arg)
            case "__swap_entry_free" | "swap_page_trans_huge_swapped" | "swapcache_clear" | "swap_entry_free":
                arguments = (swap.si, entry)
            case "swap_range_alloc" | "swap_range_free":
                arguments = (swap.si, call.offset, call.n)
            case "swap_free_cluster":
                arguments = (swap.si, call.offset // call.n if call.n else 0)
            case "__swap_entry_free_locked" | "__try_to_reclaim_swap":
                arguments = (swap.si, call.offset, call.arg)
            case "folio_free_swap":
                arguments = (self.folio(call, call, call.cpu),)
            case "put_swap_folio":
                arguments = (self.folio(call, call, call.cpu), entry)
            case "add_swap_count_continuation":
                arguments = (entry, swap.space.GFP_KERNEL)
            case _:
                arguments = (entry,)
        generator = function(*arguments)
        if fn in ("swap_range_alloc", "swap_range_free", "swap_entry_free", "swap_free_cluster"):
            return locked(swap, generator)
        return cluster_locked(swap, call.offset, generator) if fn == "__swap_entry_free_locked" else generator

    def prepare(self, call: Call) -> None:
        """What __try_to_reclaim_swap() will find in the swap cache: the folio whose folio_free_swap() is in the trace, or else
        one that somebody has locked; why it went no further the trace does not tell."""
        if call.fn == "__try_to_reclaim_swap":
            freed = call.named("folio_free_swap")
            self.folio(call, freed or call, None if freed else len(self.swap.cpus))
            self.verdicts[call.line].given |= freed is None

    def leave(self, call: Call, result: Any) -> None:
        """An outermost call is over."""
        if call.pid in self.cached:
            folio, offset, n = self.cached.pop(call.pid)
            self._uncache(folio, offset, n)
            self.folios.append(folio)
        if call.fn == "get_swap_pages" and call.arg == 1 and call.n > 1 and result:
            self.batches[call.cpu] = list(result)

    def take_over(self, call: Call) -> None:
        """What a call did to the caches of freed slots, in which the model went another way."""
        words, entry = self.swap.words, self.swap.entry(call.offset)
        for me, cache in enumerate(self.swap.world.constants["swp_slots"]):
            slots = tuple(e for e in words[cache.slots_ret.word] if e != entry)
            if call.fn == "free_swap_slot" and call.after.byte == SWAP_HAS_CACHE and me == call.cpu:
                words[cache.slots_ret.word] = (*slots, entry)
            elif call.fn == "swap_range_free":
                words[cache.slots_ret.word] = slots

    # ---- folios --------------------------------------------------------------------------------------------------------

    def folio(self, call: Call, about: Call, holder: int | None) -> Any:
        """A folio in the swap cache, locked by the CPU `holder`. It is under writeback where folio_free_swap() gave up although
        nothing refers to its slot."""
        if call.pid in self.cached:
            folio, offset, n = self.cached[call.pid]
            self._uncache(folio, offset, n)
        elif self.folios:
            folio = self.folios.pop()
        else:
            raise KernelError(f"line {call.line}: more tasks with a folio than there is room for")
        unused = about.fn == "folio_free_swap" and about.n == 1 and not swap_count(max(about.before.byte, 0))
        writeback = unused and not about.ret & 1
        self.verdicts[about.line].given |= writeback
        values = {
            "locked": 0 if holder is None else holder + 1,
            "swapcache": 1,
            "swap": self.swap.entry(about.offset),
            "refcount": about.n + 2,
            "nr_pages": about.n,
            "writeback": int(writeback),
            "mapcount": 0,
            "mapping": NULL,
            "content": (None,) * about.n,
        }
        words = self.swap.words
        words[folio._object.life] = 1
        for name, value in values.items():
            words[getattr(folio, name).word] = value
        for word in self._cache_words(about.offset, about.n):
            words[word] = folio
        self.cached[call.pid] = folio, about.offset, about.n
        return folio

    def _uncache(self, folio: Any, offset: int, n: int) -> None:
        for word in self._cache_words(offset, n):
            if self.swap.words[word] is folio:
                self.swap.words[word] = NULL

    def _cache_words(self, offset: int, n: int) -> range:
        spaces = self.swap.value(self.swap.space.swapper_spaces[0])
        first = xa_slot(spaces[offset >> self.swap.space.SWAP_ADDRESS_SPACE_SHIFT], offset).word
        return range(first, first + n)

    # ---- the caches of slots -------------------------------------------------------------------------------------------

    def _before_allocation(self, call: Call) -> None:
        swap = self.swap
        if self.drained and not swap.words[swap.inuse]:
            swap.swapoff()
            swap.swapon()
            self.report.notes.append(
                f"line {call.line}: slots are taken after the caches were drained (line {self.drained}) and the last slot was "
                "free: there was a swapoff and a swapon, which have no probe"
            )
        elif self.drained:
            swap.words[swap.space.swap_slot_cache_enabled.word] = 1
            self.report.notes.append(
                f"line {call.line}: slots are taken after the drain of line {self.drained}: swapoff gave up"
            )
        self.drained = 0
        if call.n > 1:  # folio_alloc_swap() looks whether its cache is in use before it fills it
            swap.finish(swap.start(-1, call.cpu, swap.space.check_cache_active()))

    def _entries(self, call: Call) -> tuple[int, ...]:
        """The entries of an outermost swapcache_free_entries(), which swapoff calls to drain the caches: what the model has in
        one of freed slots, or the rest of what a CPU was given. The row tells how many there are and the first one."""
        words, first = self.swap.words, self.swap.entry(call.offset)
        words[self.swap.space.swap_slot_cache_enabled.word] = 0
        self.drained = self.drained or call.line
        if not call.n:
            return ()
        caches = self.swap.world.constants["swp_slots"]
        for cache in caches:
            slots = words[cache.slots_ret.word]
            if len(slots) == call.n and slots[0] == first:
                words[cache.slots_ret.word] = ()
                return tuple(slots)
        for batch in self.batches.values():
            rest = tuple(batch[-call.n :])
            if len(rest) == call.n and rest[0] == first:
                del batch[-call.n :]
                return rest
        self.verdicts[call.line].taken = True
        freed = tuple(self.swap.entry(c.offset) for c in call.calls if c.fn == "swap_range_free")
        for cache in caches:
            words[cache.slots_ret.word] = tuple(e for e in words[cache.slots_ret.word] if e not in freed)
        return freed
