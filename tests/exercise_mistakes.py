"""Plausible wrong answers to the exercises: what somebody believed, the answer it leads to, and words of the hint it must get.

Each answer is made from the question, most of them of seed 0."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable
from typing import Any, NamedTuple

from exercises import solutions
from exercises.set06 import ASK, BODY, BROKEN, COUNT, END, GET, PUT, SHMEM, SOURCE, TAIL
from exercises.set07 import ANON, VALUE
from exercises.set07 import SHMEM as STORY
from exercises.set08 import CLEAR, PREPARE, PUT_LINE, READ, half_mended
from swapmodel.entries import encode_pte, make_entry

solve = functools.cache(solutions.solve)  # who asks must not change it


class Wrong(NamedTuple):
    """`hint` is part of the hint that must come."""

    belief: str
    answer: Callable[[Any], Any]
    hint: str
    seed: int = 0


def kernel_function(text: str) -> Any:
    """A kernel function as a notebook cell leaves it."""
    file = f"<ipython-input-1-{abs(hash(text)):x}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space: dict[str, Any] = {}
    exec(compile(text, file, "exec"), space)
    return next(f for n, f in space.items() if not n.startswith("__"))


def given(answer: Any) -> Callable[[Any], Any]:
    return lambda question: answer


def fix(text: str) -> Callable[[Any], Any]:
    return lambda question: kernel_function(text)


def but(id: str, seed: int = 0, **changed: Any) -> Callable[[Any], Any]:
    """The right answer, a dict, with some values changed."""
    return lambda question: {**solve(id, seed), **changed}


def swapped(id: str, first: str, then: str) -> Callable[[Any], Any]:
    """The right order, but with two that follow each other exchanged."""

    def answer(question: Any) -> Any:
        order = list(solve(id))
        i, j = order.index(first), order.index(then)
        order[i], order[j] = order[j], order[i]
        return order

    return answer


PINNED = BODY.replace(ASK, GET) + PUT + END
CALL = "    yield from free_swap_and_cache(radix_to_swp_entry(radswap))\n"
RCU, DONE = "    yield rcu_read_lock()\n", "    yield rcu_read_unlock()\n"
LOCK, UNLOCK = "    yield spin_lock(si.lock)\n", "    yield spin_unlock(si.lock)\n"
DROP_UNDER_SI = """\
    offset = swp_offset(entry)
    yield spin_lock(si.lock)
    ci = yield from lock_cluster(si, offset)
    count = yield from __swap_entry_free_locked(si, offset, 1)
    yield from unlock_cluster(ci)
    if not count:
        yield from swap_entry_free(si, entry)
    yield spin_unlock(si.lock)
"""
WINDOW = "swap_page_trans_huge_swapped"

MISTAKES: dict[str, tuple[Wrong, ...]] = {
    "ex00a": (
        Wrong("the thread was right", but("ex00a", B="violated"), "Which lock does this caller hold"),
        Wrong("the page table lock always helps", but("ex00a", A="holds"), "as-argued is v6.8 in which nobody waits"),
        Wrong("no lock, no race", but("ex00a", C="holds"), "List what shmem_free_swap() holds"),
        Wrong("a hypervisor can stop it in the window", but("ex00a", D="violated"), "from one schedule point to the next"),
        Wrong("holds is True", but("ex00a", A=True), "The words are"),
    ),
    "ex00b": (
        Wrong("the byte", given(("swap_map[1]", "swapoff", WINDOW)), "a byte of the map"),
        Wrong("who fails", given(("si.swap_map", "truncate", WINDOW)), "Each column is a thread"),
        Wrong("the part, not the function", given(("si.swap_map", "swapoff", "__swap_entry_free")), "innermost call"),
    ),
    "ex00c": (
        Wrong("it must take the PTL", given(("spin_lock", "a spinlock")), "as soon as inuse_pages reads 0"),
        Wrong("there is a pin", given(("wait_for_completion", "a pin")), "counted pins"),
        Wrong("preemption is off", given(("synchronize_rcu", "no schedule point")), "what this thread took"),
    ),
    "ex01a": (
        Wrong("as it stands", lambda q: (q.word >> 59, q.word >> 9 & (1 << 50) - 1, bool(q.word & 8)), "stored inverted"),
        Wrong("arm64", lambda q: (q.word >> 3 & 31, 1, False), "on arm64"),
        Wrong("inverted whole", lambda q: (q.word >> 59, ~q.word >> 9, bool(q.word & 8)), "the field ends"),
        Wrong("one bit too low", lambda q: (q.word >> 59, ~q.word >> 8 & (1 << 50) - 1, False), "PROT_NONE"),
        Wrong("the wrong bit", lambda q: (*solve("ex01a")[:2], not solve("ex01a")[2]), "the fourth from the right"),
    ),
    "ex01b": (
        Wrong("x86-64", given(lambda type, offset: encode_pte(make_entry(type, offset), "x86-64")), "layout of x86-64"),
        Wrong("the entry itself", given(lambda type, offset: type << 58 | offset), "the swp_entry_t itself"),
        Wrong("present", given(lambda type, offset: type << 3 | offset << 8 | 1), "must be clear"),
        Wrong("exclusive", given(lambda type, offset: type << 3 | offset << 8 | 4), "exclusive flag"),
        Wrong("offset too high", given(lambda type, offset: type << 3 | offset << 9), "the offset is not"),
    ),
    "ex01c": (
        Wrong("0xff is a count", lambda q: {**solve("ex01c"), 0xFF: ("counted", True)}, "Who never needs a count over one?"),
        Wrong("0x40 is free", lambda q: {**solve("ex01c"), 0x40: ("free", True)}, "No count is left"),
        Wrong("0xc0 counts nothing", lambda q: {**solve("ex01c"), 0xC0: ("pinned", True)}, "Bit 7 means"),
        Wrong("0x3f is 63", lambda q: {**solve("ex01c"), 0x3F: ("counted", False)}, "62 is the largest count"),
        Wrong("the wrong bit", lambda q: {**solve("ex01c"), 0x41: ("counted", False)}, "bit 6"),
    ),
    "ex01d": tuple(
        Wrong(f"everything is {word}", lambda q, word=word: dict.fromkeys("ABCD", word), hint)
        for word, hint in (
            ("allocated", "taken and not given out"),
            ("cached", "a folio at that offset"),
            ("returned", "slots_ret"),
            ("direct", "a page fault would be under way"),
        )
    ),
    "ex02a": (
        Wrong("fork copies no count", given([0x41, 0x41, 0x40, 0x40]), "swap_duplicate()"),
        Wrong("a fault gives nothing back", given([0x41, 0x42, 0x42, 0x41]), "do_swap_page() drops"),
        Wrong("the cache has no bit", given([0x01, 0x02, 0x01, 0x00]), "The count is right"),
        Wrong("no reference, free", given([0x41, 0x42, 0x41, 0x00]), "not counted in inuse_pages"),
    ),
    "ex02b": (
        Wrong("mapping is pinning", given({"PTE of process 1", "PTE of process 2", "swap cache"}), "maps the page"),
        Wrong("the cache alone", given({"swap cache"}), "was it given back?"),
        Wrong("nobody", given({"nobody"}), "the byte would be 0x00"),
        Wrong("a cache of slots", given({"slots to free", "swap cache"}), "the caches of slots are not active"),
    ),
    "ex02c": (
        Wrong("written first", swapped("ex02c", "swap_writepage", "swap_duplicate"), "through a PTE any more"),
        Wrong("the cache needs no slot", swapped("ex02c", "folio_alloc_swap", "add_to_swap_cache"), "who hands it out?"),
        Wrong("counted first", swapped("ex02c", "add_to_swap_cache", "swap_duplicate"), "a fault looks in the cache"),
        Wrong("unmapped first", swapped("ex02c", "swap_duplicate", "folio_remove_rmap_pte"), "The count rises before"),
    ),
    "ex03a": (
        Wrong("the slot is free", given(({0x00: 1, 0x41: 7}, 7)), "free on its own"),
        Wrong("a fault on one is on all", given(({0x41: 8}, 8)), "Count the swap PTEs"),
        Wrong("not in the cache", given(({0x00: 0, 0x01: 8}, 8)), "free on its own"),
        Wrong("no bit", given(({0x01: 8}, 8)), "in every byte of the cluster"),
        Wrong("only mapped ones", given(({0x40: 1, 0x41: 6}, 7)), "fills its cluster"),
        Wrong("pinned is not in use", given(({0x40: 1, 0x41: 7}, 7)), "neither 0x00 nor 0x3f"),
    ),
    "ex03b": (
        Wrong("one slot", given([13]), "share one fate"),
        Wrong("all of them", given(list(range(8, 16))), "when is the answer known?"),
        Wrong("from there on", given([13, 14, 15]), "Round the offset down"),
        Wrong("huge everywhere", given([8, 9]), "Is this cluster HUGE?", seed=2),
    ),
    "ex03c": (
        Wrong("every slot", given(list(range(8, 19))), "behind that folio"),
        Wrong("one folio", given([8]), "the run of entries goes on"),
        Wrong("downwards", given([18, 17, 16, 8]), "upwards"),
        Wrong("whatever the byte", given([8, 16, 17, 18]), "without a folio in the cache", seed=1),
    ),
    "ex04a": (
        Wrong("grace period first", swapped("ex04a", "try_to_unuse", "synchronize_rcu"), "the last reference"),
        Wrong("freed while reachable", swapped("ex04a", "vfree(swap_map)", "si->swap_map = NULL"), "must not be reachable"),
        Wrong("wait before kill", swapped("ex04a", "percpu_ref_kill", "wait_for_completion"), "must be killed before"),
    ),
    "ex04b": (
        Wrong("the byte is still there", given("a byte in use"), "freed by whoever looks next"),
        Wrong("somebody pinned", given("a pin of the device"), "get_swap_device() on the way"),
        Wrong("it needs the PTL", given("a lock that try_to_unuse wants"), "Does it look there?"),
    ),
    "ex04c": (
        Wrong("nobody is in the way", given([("swapoff", "end")]), "swapoff has returned"),
        Wrong("before the drop", given([("process", "free_swap_and_cache"), ("swapoff", "end")]), "still in try_to_unuse()"),
        Wrong("no swapoff", given([("process", "end")]), "has not run at all"),
        Wrong("not far enough", given([("process", WINDOW), ("swapoff", "percpu_ref_kill")]), "give it a turn to the end"),
        Wrong("a thread there is not", given([("cpu0", "end")]), "The threads are"),
    ),
    "ex05a": (
        Wrong("one after the other", given([("truncate", "end"), ("swapoff", "end")]), "stop it in its window"),
        Wrong(
            "stopped too early",
            given([("truncate", "__swap_entry_free"), ("swapoff", "end"), ("truncate", "end")]),
            "let it be dropped first",
        ),
        Wrong(
            "swapoff stopped too early",
            given([("truncate", WINDOW), ("swapoff", "synchronize_rcu"), ("truncate", "end")]),
            "turn is too short",
        ),
        Wrong("no last look", given([("truncate", WINDOW), ("swapoff", "end")]), "give it its turn"),
        Wrong(
            "too many switches",
            given([("truncate", WINDOW), ("swapoff", "try_to_unuse"), ("swapoff", "end"), ("truncate", "end")]),
            "Two context switches",
        ),
    ),
    "ex05b": (
        Wrong("a second process", but("ex05b", A=True), "Who else removes folios"),
        Wrong("the thread was right", but("ex05b", B=False), "What is a spinlock to"),
        Wrong("shmem_unuse() runs first", but("ex05b", C=True), "When does truncation take its entry"),
        Wrong("the hypervisor suffices", but("ex05b", D=True), "while a CPU stands still"),
        Wrong("one grace period", but("ex05b", E=True), "another grace period"),
        Wrong("leave out the look", but("ex05b", F=True), "itself dereference"),
    ),
    "ex05c": (
        Wrong("to be on the safe side", given("a"), "Until which line"),
        Wrong("before the first look", given("c"), "The grace period began"),
        Wrong("before the last look", given("d"), "which function is it that fails?"),
        Wrong("a pin, on the safe side", given("b"), "What does a refusal mean", seed=1),
        Wrong("a pin is refused: too late anyway", given("d"), "which function is it", seed=1),
    ),
    "ex05d": (
        Wrong("a pin is a reader", given(("swapoff", "synchronize_rcu")), "a read-side section"),
        Wrong("a pin is a lock", given(("swapoff", "a lock")), "a lock which truncate holds"),
        Wrong("truncation turns back", given(("truncate", "another way")), "the code turns back"),
        Wrong("the other way round", given(("truncate", "wait_for_completion")), "Who protects"),
    ),
    "ex06a": (
        Wrong("as it was", fix(SOURCE), "what keeps the device from there"),
        Wrong("never put", fix(BODY.replace(ASK, GET) + END), "every path out of it"),
        Wrong("pinned late", fix(BROKEN[0][1]), "never got"),
        Wrong("nothing is freed", fix(PINNED.replace(TAIL, "    if False:\n")), "do all of the old"),
        Wrong("an RCU section", fix(BODY.replace(ASK, RCU + ASK) + DONE + END), "about the pin"),
        Wrong("a lock nested", fix(BROKEN[3][1]), "taken once"),
    ),
    "ex06b": (
        Wrong("nothing", fix(SHMEM), "No section was begun"),
        Wrong(
            "around the XArray alone",
            fix(SHMEM.replace("    old =", RCU + "    old =").replace("    if old", DONE + "    if old")),
            "over before the last look",
        ),
        Wrong("not ended", fix(SHMEM.replace(CALL, RCU + CALL)), "given back before you return"),
        Wrong("a pin", fix(SHMEM.replace(CALL, "    yield percpu_ref_put(1)\n" + CALL)), "what they mark"),
        Wrong("begun late", fix(BODY.replace(TAIL, RCU + TAIL) + DONE + END), "began too late", seed=1),
    ),
    "ex06c": (
        Wrong("as it was", fix(BROKEN[0][1]), "never got"),
        Wrong("only shmem counts", fix(SOURCE), "what keeps the device"),
        Wrong("a mutex", fix(BROKEN[1][1]), "nothing there may sleep"),
        Wrong("si->lock around everything", fix(BROKEN[3][1]), "taken once"),
        Wrong("let go early", fix(BROKEN[2][1]), "what keeps the device"),
    ),
    "ex06d": (
        Wrong("around everything", fix(BROKEN[3][1]), "taken once"),
        Wrong("over the drop alone", fix(SOURCE.replace(COUNT, DROP_UNDER_SI)), "let go while neither"),
        Wrong("a pin after all", fix(PINNED), "swapoff itself takes si->lock"),
        Wrong("nothing", fix(SOURCE), "was not taken on this path"),
    ),
    "ex06e": (
        Wrong("from the inside", lambda q: solve("ex06e")[::-1], "a part of it"),
        Wrong("spinlocks outside", swapped("ex06e", "folio.locked", "mm.page_table_lock"), "nobody sleeps under a spinlock"),
        Wrong("the mutex is short", swapped("ex06e", "swap_slots_cache_enable_mutex", "mm.mmap_lock"), "over a whole phase"),
        Wrong("a folio first", swapped("ex06e", "mm.mmap_lock", "folio.locked"), "locks many folios"),
    ),
    "ex07a": (
        Wrong("the drop", given(6), "what does it hold"),
        Wrong("the crash", given(13), "Go up from there"),
        Wrong("the header", given(1), "what does it hold"),
        Wrong("none", given(99), "numbered from"),
    ),
    "ex07b": (
        Wrong("as it was", given(ANON), "swapoff waits for somebody"),
        Wrong("no crash", given(STORY.split("    ***")[0]), "It does not end with the failure"),
        Wrong("the wrong byte", given(VALUE), "The byte has another value"),
        Wrong("prose", given("swapoff frees the map too early"), "Keep to the form"),
        Wrong("no store", given(STORY.replace("si->swap_map = NULL", "si->inuse_pages == 0")), "Say what swapoff takes away"),
        Wrong("one thread", given("CPU0 (truncate)\n----\nshmem_free_swap()\n*** NULL dereference\n"), "no race"),
    ),
    "ex07c": (
        Wrong("an RCU section is an RCU section", but("ex07c", A="holds"), "where it begins"),
        Wrong("the caller can't pin", but("ex07c", B="violated"), "Something is held"),
        Wrong("what is not read can't fail", but("ex07c", C="holds"), "old as soon as it is made"),
        Wrong("the lock is in what is freed", but("ex07c", D="violated"), "goes over into another"),
    ),
    "ex08a": (
        Wrong("everything is a pin", lambda q: dict.fromkeys("ABCDEF", "pin"), "gone when it is touched"),
        Wrong("everything is reuse", lambda q: dict.fromkeys("ABCDEF", "reuse"), "a check would succeed"),
        Wrong("everything is progress", lambda q: dict.fromkeys("ABCDEF", "progress"), "nothing would be damaged"),
        Wrong("everything is a counter", lambda q: dict.fromkeys("ABCDEF", "counter"), "only a number"),
    ),
    "ex08b": (
        Wrong("a scenario that holds", given(("free_swap_and_cache", "one-process")), "Try those with another caller"),
        Wrong("another function", given(("swapoff_wait_for_users", "shmem-truncate")), "who should have kept it"),
        Wrong("the loop", given(("unuse_swap_cache", "one-process")), "work to do", seed=1),
        Wrong("who is called", given(("free_swap_and_cache", "shmem-truncate")), "over a call", seed=2),
        Wrong("a thing there is not", given(("swapoff", "shmem-truncate")), "The words are"),
    ),
    "ex08c": (
        Wrong("closed at once", given("v5.2"), "in the counterexample hold"),
        Wrong("closed with the pin", given("v6.9"), "the commit that closed it"),
        Wrong("not a kernel", given("v6.6"), "The words are"),
    ),
    "ex08d": (
        Wrong("as it was", fix(half_mended(0)[1]), "nothing made the second one wait"),
        Wrong("never given back", fix(half_mended(1)[1]), "A ticket was left"),
        Wrong(
            "given back at once",
            fix(half_mended(0)[1].replace(READ, PREPARE + "    " + CLEAR.replace("\n    ", "\n        ").rstrip(" ") + READ)),
            "did not exclude the other",
        ),
        Wrong("taken late", fix(half_mended(2)[1]), "in hand at each return"),
        Wrong("given back unasked", fix(half_mended(0)[1].replace(PUT_LINE, CLEAR + PUT_LINE)), "that nobody took"),
    ),
}
