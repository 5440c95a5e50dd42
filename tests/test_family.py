"""The bug family: each race is found on the kernel that had it, at the place and in the order that its commit tells, and not on
the one with the fix, where the lines in question are reached."""

import functools
import json
import linecache
import re
from types import SimpleNamespace

import pytest

from swapmodel import FAMILY, KERNELS, Kernel, Parameters, family
from swapmodel.edits import before, drop, edited
from swapmodel.explore import Budget, explore
from swapmodel.explore.priority import hogs
from swapmodel.kernel import base
from swapmodel.machine import (
    READ_ONCE,
    WRITE_ONCE,
    Memory,
    Struct,
    schedule_timeout_uninterruptible,
    spin_lock,
    spin_unlock,
    spinlock_t,
    word,
)
from swapmodel.names import UnknownName
from swapmodel.program import Program, System
from swapmodel.trace import record
from swapmodel.verdict import check
from swapmodel.views import failure, visible_frames
from swapmodel.zoo import PATTERNS
from swapmodel.zoo.scenes import SCENES
from swapmodel.zoo.vfs import VFS
from tests.record_family import FILE, cells

RECORDED = json.loads(FILE.read_text())
ONE_CPU = [name for name, race in FAMILY.items() if race.one_cpu]


@functools.cache
def pair(name):
    return family(name)


# ---- verdicts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILY)
def test_recorded(name):
    assert cells(pair(name)) == {side: RECORDED[side] for side in (f"{name} buggy", f"{name} fixed")}
    assert (pair(name).buggy.verdict, pair(name).fixed.verdict) == ("violated", "holds")


def test_nothing_else_is_recorded():
    assert set(RECORDED) == {f"{name} {side}" for name in FAMILY for side in ("buggy", "fixed")}


def system(name, kernel):
    race = FAMILY[name]
    return race.scenario.system(kernel, race.scenario.fill(Parameters(preempt=race.preempt)))


@pytest.mark.parametrize("name", [n for n in FAMILY if n not in ONE_CPU])
def test_without_reductions(name):
    for kernel, side in zip(FAMILY[name].kernels(), ("buggy", "fixed"), strict=True):
        outcome, _ = explore(system(name, kernel), reduce=False, shortest="any")
        kind = outcome.violation.kind if outcome.violation else None
        assert (outcome.verdict, kind) == (RECORDED[f"{name} {side}"]["verdict"], RECORDED[f"{name} {side}"]["violation"])


# ---- the interleaving is the one of the commit ---------------------------------------------------------------------------

# of each: what happens, in this order, as (thread, one of the functions on its stack, the operation begins with); and how the
# failure is told
STORIES = {
    "Z1": (
        [
            ("truncate", "xa_cmpxchg_irq", "write(i_mapping[0].i_pages[0], NULL)"),
            ("truncate", "__swap_entry_free_locked", "WRITE_ONCE(swap_map[1], 64)"),
            ("swapoff", "folio_free_swap", "xchg(swapper_space[0].i_pages[1]"),
            ("swapoff", "swap_entry_free", "write(swap_map[1], 0)"),
            ("swapoff", "swapoff", "cond_synchronize_rcu"),
            ("swapoff", "swapoff", "write(si.swap_map, NULL)"),
            ("truncate", "swap_page_trans_huge_swapped", "READ_ONCE(si.swap_map)"),
        ],
        r"truncate, in swap_page_trans_huge_swapped\(\), dereferences si.swap_map",
    ),
    "Z2": (
        [
            ("fault", "handle_pte_fault", "READ_ONCE(mm1.pte[0])"),
            ("swapoff", "unuse_pte", "write(mm1.pte[0], PagePte("),
            ("swapoff", "swapoff", "write(si.swap_map, NULL)"),
            ("fault", "__read_swap_cache_async", "READ_ONCE(si.swap_map)"),
        ],
        r"fault, in swap_swapcount\(\), dereferences si.swap_map",
    ),
    "Z3": (
        [
            ("fault", "do_swap_page", "READ_ONCE(si.flags)"),
            ("swapoff", "unuse_pte", "write(mm1.pte[0], PagePte("),
            ("swapoff", "destroy_swap_extents", "write(si.swap_extent_root, NULL)"),
            ("fault", "swap_read_folio", "READ_ONCE(si.swap_extent_root)"),
        ],
        r"fault, in swap_folio_sector\(\), dereferences si.swap_extent_root",
    ),
    "Z4": (
        [
            ("swapoff", "shmem_unuse_inode", "write(info.i_mapping[0].i_pages[0], folio1)"),
            ("swapoff", "swapoff", "write(si.swap_file, NULL)"),
            ("read", "swap_cluster_readahead", "READ_ONCE(si.swap_file)"),
        ],
        r"read, in swap_cluster_readahead\(\), dereferences si.swap_file",
    ),
    "Z5": (
        [
            ("fault", "swap_read_folio", "WRITE_ONCE(folio1.content, ('old',))"),
            ("rewrite", "do_swap_page", "write(mm1.pte[0], PagePte(folio=folio2"),
            ("rewrite", "rewrite_thread", "user_store(folio2.content, 0, 'new')"),
            ("rewrite", "try_to_unmap_one", "write(mm1.pte[0], SwapPte(entry=2"),
            ("fault", "do_swap_page", "read(mm1.pte[0])"),
            ("fault", "do_swap_page", "write(mm1.pte[0], PagePte(folio=folio1"),
        ],
        "stale data: the page reads old, but new was written",
    ),
    "Z7": (
        [
            ("normal", "swapcache_prepare", "WRITE_ONCE(swap_map[2], 65)"),
            ("real-time", "__read_swap_cache_async", "alloc_page"),
            ("real-time", "swapcache_prepare", "read(swap_map[2])"),
            ("real-time", "__read_swap_cache_async", "alloc_page"),
        ],
        "real-time never gives the CPU back",
    ),
    "Z10": (
        [
            ("fork 1", "add_swap_count_continuation", "WRITE_ONCE(si.continuation[0], (swap_map,))"),
            ("fork 2", "swap_count_continued", "WRITE_ONCE(swap_map[4], 1)"),
            ("fork 2", "__swap_duplicate", "WRITE_ONCE(swap_map[4], 128)"),
            ("fork 1", "add_swap_count_continuation", "WRITE_ONCE(si.continuation[0], (continuation1,))"),
        ],
        r"swap_map\[4\] counts 0 references, but there are 63",
    ),
    "Z11": (
        [
            ("swapoff", "swapoff", "write(si0.flags, 0)"),
            ("swapon", "alloc_swap_info", "write(si0.flags, 1)"),
            ("swapon", "swapon", "write(si0.cluster_next_cpu, swap1.cluster_next_cpu)"),
            ("swapoff", "swapoff", "kfree(swap1.cluster_next_cpu)"),
        ],
        r"swapon, in swapon\(\), touches swap1.cluster_next_cpu",
    ),
    "Z13": (
        [
            ("swapoff", "read_swap_cache_async", "write(swap0.swapper_space[0].i_pages[2], folio1)"),
            ("rewrite", "folio_free_swap", "xchg(swap0.swapper_space[0].i_pages[2]"),
            ("rewrite", "add_to_swap_cache", "write(swap1.swapper_space[0].i_pages[3], folio1)"),
            ("swapoff", "try_to_unuse", "folio_lock(folio1)"),
            ("swapoff", "delete_from_swap_cache", "xchg(swap1.swapper_space[0].i_pages[3]"),
            ("rewrite", "swap_read_folio", "READ_ONCE(swap1.disk[3])"),
        ],
        "stale data: the page reads None, but new was written",
    ),
    "Z16": (
        [
            ("swapoff", "igrab", "atomic_add(1, inode.i_count)"),
            ("umount", "evict_inodes", "READ_ONCE(inode.i_count)"),
            ("swapoff", "iput", "atomic_dec_and_test(inode.i_count)"),
            ("umount", "generic_shutdown_super", "kfree(sb)"),
        ],
        r"swapoff, in iput\(\), touches sb.s_op",
    ),
    "Z17": (
        [
            ("exit", "mmput", "atomic_dec_and_test(mm1.mm_users)"),
            ("swapoff", "mmget_not_zero", "atomic_inc_not_zero(mm1.mm_users)"),
            ("swapoff", "mmget_not_zero", "atomic_inc_not_zero(mm1.mm_users)"),
            ("swapoff", "mmget_not_zero", "atomic_inc_not_zero(mm1.mm_users)"),
        ],
        "swapoff gives up with -16",
    ),
    "Z23": (
        [
            ("fault", "get_swap_device", "percpu_ref_tryget_live(si1.users)"),
            ("swapoff", "unuse_pte", "write(mm1.pte[0], PagePte("),
            ("swapoff", "swapoff", "write(si0.swap_map, NULL)"),
            ("fault", "swap_vma_readahead", "READ_ONCE(si0.swap_map)"),
        ],
        r"fault, in swap_swapcount\(\), dereferences si0.swap_map",
    ),
    "Z35": (
        [
            ("swapoff", "del_from_avail_list", "write(swap_avail_head, ())"),
            ("rewrite", "add_to_avail_list", "write(swap_avail_head, ((2, si),))"),
            ("swapoff", "swapoff", "spin_lock(si.lock)"),
            ("rewrite", "get_swap_pages", "WARN"),
        ],
        "a device on the list of those with free slots is full, or not WRITEOK",
    ),
    "Z36": (
        [
            ("kswapd", "shmem_delete_from_page_cache", "write(info.i_mapping[0].i_pages[0], RadixEntry(entry=2))"),
            ("truncate", "xa_cmpxchg_irq", "write(info.i_mapping[0].i_pages[0], NULL)"),
            ("truncate", "__swap_entry_free_locked", "WRITE_ONCE(swap_map[2], -1)"),
        ],
        r"a reference to swap_map\[2\] is dropped that nobody had",
    ),
}


@pytest.mark.parametrize("name", FAMILY)
def test_the_interleaving_is_that_of_the_commit(name):
    events, told = STORIES[name]
    recorder = pair(name).buggy.recorder
    threads = recorder.system.memory.threads
    at = 0
    for step in recorder.steps:
        if at == len(events):
            break
        thread, function, operation = events[at]
        stack = {frame.function for frame in step.stack}
        if threads[step.thread] == thread and function in stack and str(step.operation).startswith(operation):
            at += 1
    assert at == len(events), f"{events[at]} does not come"
    assert re.search(told, failure(recorder))


@pytest.mark.parametrize("name", [n for n in FAMILY if n not in ONE_CPU])
def test_the_interleaving_is_replayed(name):
    verdict = pair(name).buggy
    again = record(system(name, verdict.kernel), verdict.outcome.schedule)
    assert again.violation is not None and again.violation.kind == RECORDED[f"{name} buggy"]["violation"]
    assert len(again.steps) == len(verdict.recorder.steps)


# ---- with the fix the place is reached, so that it holds is not for nothing ------------------------------------------------

REACHED = {
    "Z1": {
        "free_swap_and_cache": "yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)",
        "swapoff_free": "yield vfree(map)",
    },
    "Z2": {"swap_swapcount": "byte = yield READ_ONCE(map[swp_offset(entry)])", "swapoff_free": "yield vfree(map)"},
    "Z3": {"swapin_direct": "yield from swap_read_folio(folio)", "destroy_swap_extents": "yield kfree(extent)"},
    "Z4": {
        "swap_cluster_readahead": "yield READ_ONCE(file.disk[0])",
        "swapoff_unpublish": "yield write(si.swap_file, NULL)",
        "shmem_swapin_folio": "return -EINVAL if still else -EEXIST, NULL",
    },
    "Z5": {"do_swap_page": "yield schedule_timeout_uninterruptible(1)"},
    "Z7": {"__read_swap_cache_async": "yield schedule_timeout_uninterruptible(1)"},
    "Z10": {
        "link_continuation_page": "yield WRITE_ONCE(si.continuation[offset // PAGE_SIZE], (map,))",
        "swap_count_continued": "yield spin_lock(si.cont_lock)",
        "carry_into_continuation": "yield WRITE_ONCE(pages[i][place], digit + 1)",
    },
    "Z11": {
        "alloc_swap_info": "si = NULL",
        "swapoff_free": "yield kfree(percpu)",
        "swapoff_release": "yield write(si.flags, 0)",
    },
    "Z13": {"try_to_unuse_delete": "return"},
    "Z16": {
        "shmem_evict_inode": "at_work = yield READ_ONCE(info.stop_eviction)",
        "generic_shutdown_super": "yield kfree(info)",
    },
    "Z17": {"unuse_mms": "continue", "swapoff_free": "yield vfree(map)"},
    "Z23": {"readahead_neighbour": "return", "swapoff_free": "yield vfree(map)"},
    "Z35": {"slots_of_device": "yield from drop_unusable_device(si)", "add_to_avail_list": "yield spin_lock(swap_avail_lock)"},
    "Z36": {"shmem_free_swap": "yield from free_swap_and_cache(radix_to_swp_entry(radswap))"},
}


def reached(verdict, function, text):
    """Was the last line of `function` that reads `text` ever run?"""
    found = verdict.reached["functions"][function]
    code = {**base(), **VFS, **verdict.kernel.replaces}[function].__code__
    lines = [n for n in found["lines"] if linecache.getline(code.co_filename, n).strip() == text]
    assert lines, f"{function}() has no line {text!r}"
    return lines[-1] not in found["never_reached"]


@pytest.mark.parametrize("name", FAMILY)
def test_with_the_fix_the_place_is_reached(name):
    for function, text in REACHED[name].items():
        assert reached(pair(name).fixed, function, text), f"{function}(): {text}"


def test_a_line_that_is_not_run_is_noticed():
    assert not reached(pair("Z17").fixed, "try_to_unuse", "return -EINTR")


def test_a_page_in_the_cache_holds_its_device():
    """The mail of 2799e77529c2: without the pin it is only the read past the swap cache that fails."""
    buggy, _ = FAMILY["Z3"].kernels()
    assert check("fault-ramdisk", buggy, nearest=False).verdict == "violated"
    assert check("fault", buggy, nearest=False).verdict == "holds"


# ---- one CPU -------------------------------------------------------------------------------------------------------------


class thing(Struct):
    lock = spinlock_t()
    busy = word()


def busy_for_a_while(t):
    yield WRITE_ONCE(t.busy, 1)
    yield WRITE_ONCE(t.busy, 0)


def busy_under_a_lock(t):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.busy, 1)
    yield WRITE_ONCE(t.busy, 0)
    yield spin_unlock(t.lock)


def spins(t):
    while True:
        busy = yield READ_ONCE(t.busy)
        if not busy:
            return


def sleeps(t):
    while True:
        busy = yield READ_ONCE(t.busy)
        if not busy:
            return
        yield schedule_timeout_uninterruptible(1)


def takes_the_lock(t):
    yield spin_lock(t.lock)
    yield spin_unlock(t.lock)


def toy(*functions):
    memory = Memory(["low", "high"])
    t = memory.new(thing, "t")
    programs = [Program(n, lambda f=f: f(t)) for n, f in zip(memory.threads, functions, strict=True)]
    return System(memory, programs, (), SimpleNamespace())


def test_a_real_time_task_that_spins_keeps_the_cpu():
    found, states, why = hogs(toy(busy_for_a_while, spins), 0, 1)
    assert (found.schedule, found.cycle, why) == ([0, 1], 1, "") and states > 2


@pytest.mark.parametrize(
    ("low", "high"), [(busy_for_a_while, sleeps), (busy_under_a_lock, spins), (busy_under_a_lock, takes_the_lock)]
)
def test_one_that_sleeps_or_that_can_not_come_there_does_not(low, high):
    assert hogs(toy(low, high), 0, 1)[0] is None


def test_a_budget_ends_it():
    found, _, why = hogs(toy(busy_for_a_while, sleeps), 0, 1, Budget(max_states=1))
    assert found is None and "1 states is used up" in why
    verdict = family("Z7", Budget(max_states=10))
    assert (verdict.buggy.verdict, verdict.fixed.verdict) == ("unfinished", "unfinished")


# ---- what building it showed ---------------------------------------------------------------------------------------------


def test_drain_mmlist_may_take_off_a_process_that_has_just_been_put_on():
    """mm/README.md, section 5: the second swapoff does not find the process, and never ends."""
    verdict = check(SCENES["drained"], "v6.8", shortest="any", nearest=False)
    assert verdict.outcome.violation.kind == "livelock"
    last = record(SCENES["drained"].system(KERNELS["v6.8"], Parameters()), verdict.outcome.schedule)
    swapped = [step for step in last.steps if str(step.operation).startswith("write(mm1.mmlist, 1)")]
    assert swapped, "the process is put on the mmlist"
    assert any(visible_frames(step.stack)[-1].function == "drain_mmlist" for step in last.steps if step.thread == 1)


def test_stop_eviction_is_lowered_too_late_where_the_kernel_is_preemptible():
    """mm/README.md, section 5."""
    verdict = check(SCENES["umount"], "v6.9", shortest="any", nearest=False)
    assert (verdict.outcome.violation.kind, str(verdict.outcome.violation.address)) == ("use after free", "info.stop_eviction")
    assert check(SCENES["umount"], "v6.9", preempt="none", nearest=False).verdict == "holds"
    lower = "yield atomic_dec_and_test(info.stop_eviction)"
    first = edited("shmem_unuse", drop(lower), before("left = yield READ_ONCE(info.swapped)", lower))
    lowered = Kernel("lowered", "lowered first", {**KERNELS["v6.9"].replaces, "shmem_unuse": first})
    assert check(SCENES["umount"], lowered, nearest=False).verdict == "holds"


# ---- what people see -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILY)
def test_what_is_shown(name):
    shown, race = str(pair(name)), FAMILY[name]
    for part in (race.title, race.commit, race.release, *race.patterns, "Story", "VIOLATED", "holds", "CPU0"):
        assert part in shown
    assert " at 0x" not in shown + repr(race) + repr(pair(name)) and max(map(len, shown.splitlines())) <= 100
    page = pair(name)._repr_html_()
    assert race.title in page and "->" not in page and "-&gt;" in page


@pytest.mark.parametrize("name", ["Z7", "Z10", "Z16", "Z36"])
def test_it_is_the_same_each_time(name):
    assert str(family(name)) == str(pair(name))


def test_the_overview_has_every_race_under_its_patterns():
    for shown in (str(FAMILY), FAMILY._repr_html_()):
        assert all(race.title in shown for race in FAMILY.values())
    assert {p for race in FAMILY.values() for p in race.patterns} == set(PATTERNS)
    assert "0x" not in repr(FAMILY) + str(FAMILY["Z13"])


def test_a_wait_for_an_event_names_no_holder():
    assert pair("Z16").stopped == "umount waits for info.stop_eviction to become 0: the old step 209 can't come now"


def test_the_name_of_a_race():
    assert family(" z36 ").race is FAMILY["Z36"]
    with pytest.raises(UnknownName, match="no race of the bug family is named 'Z99'; there are: Z1, Z2"):
        family("Z99")
