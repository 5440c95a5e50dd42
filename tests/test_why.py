"""Why: the orderings that a violation needs are enough and needed, the pin is where it is dropped, a fix stands in the way."""

import itertools
import random
import re
import time
from collections import namedtuple

import pytest

from swapmodel.edits import after, before, drop, edited
from swapmodel.explain import against, why
from swapmodel.explain.orders import candidates, gates, needed_orders
from swapmodel.explain.others import remarks
from swapmodel.explain.steps import Replay
from swapmodel.explore import Budget, Space
from swapmodel.explore.reach import Story, escape, place_of, reach, state_of
from swapmodel.machine import NULL, READ_ONCE, WRITE_ONCE, Memory, Violation, mutex_lock
from swapmodel.program import Program, System
from swapmodel.scenarios import SCENARIOS, Parameters
from swapmodel.trace import Recorder, record
from swapmodel.verdict import all_recorded, check
from swapmodel.versions import KERNELS

SMALL = [  # (scenario, kernel): each another kind of violation, or another pin
    ("shmem-truncate", "v6.8"),
    ("shmem-truncate", "mthp-v3"),
    ("one-process", "as-argued"),
    ("fault", "v5.2"),
    ("fault-ramdisk", "v5.2"),
    ("two-faults", "v6.7"),
    ("reuse", "v6.8"),
]


@pytest.fixture(scope="module")
def verdicts():
    return {cell: check(*cell) for cell in SMALL}


@pytest.fixture(scope="module")
def whys(verdicts):
    return {cell: why(verdict) for cell, verdict in verdicts.items()}


def replay_of(verdict):
    return Replay(verdict.recorder.system, verdict.outcome.schedule)


# ---- the slice: enough, and needed ---------------------------------------------------------------------------------------


def executions(system, replay, orders, count, seed):
    """Random executions that keep the orderings: what each ends in. None if it gets stuck or takes another step."""
    paths, held = replay.paths(), gates(orders)
    for n in range(count):
        rng, recorder, taken, t = random.Random(seed + n), Recorder(system), [0] * len(paths), 0
        while recorder.violation is None:
            ready = [i for i, path in enumerate(paths) if taken[i] < len(path)]
            ready = [i for i in ready if all(taken[o] >= steps for o, steps in held.get((i, taken[i]), ()))]
            if any(place_of(recorder.at[i]) != place_of(paths[i][taken[i]]) for i in ready):
                break
            rng.shuffle(ready)
            if rng.random() < 0.9:  # long turns, as schedules have
                ready.sort(key=lambda i, t=t: i != t)
            t = next((i for i in ready if recorder.take(i)), -1)
            if t < 0:
                break
            taken[t] += 1
        yield recorder.violation


@pytest.mark.parametrize("cell", SMALL, ids=str)
def test_the_orderings_are_enough(verdicts, whys, cell):
    """Whatever keeps them ends in the same violation: proven by the search, and tried by replay."""
    verdict, orders = verdicts[cell], whys[cell].orders
    assert orders.enough
    for violation in executions(verdict.recorder.system, replay_of(verdict), orders.orders, 40, 1):
        assert violation is not None
        assert violation.kind == verdict.outcome.violation.kind


@pytest.mark.parametrize("cell", SMALL, ids=str)
def test_each_ordering_is_needed(verdicts, whys, cell):
    """Without any one of them, the others kept, an execution goes another way, and replaying it shows so."""
    verdict, orders = verdicts[cell], whys[cell].orders
    assert orders.needed and orders.orders
    replay = replay_of(verdict)
    space = Space(verdict.recorder.system, reduce=False)
    every = [frozenset(range(len(p))) for p in replay.paths()]
    story = Story(space, replay.paths(), verdict.outcome.violation.kind, every)
    for order in orders.orders:
        rest = gates([o for o in orders.orders if o is not order])
        schedule, complete = escape(story, rest)
        assert complete and schedule is not None
        again = record(verdict.recorder.system, schedule)
        assert len(again.steps) == len(schedule)
        if again.violation is not None:
            assert again.violation.kind != story.kind


@pytest.mark.parametrize("cell", SMALL, ids=str)
def test_the_bad_schedule_keeps_its_orderings(whys, cell):
    for order in whys[cell].orders.orders:
        assert order.first.number < order.gate.number <= order.then.number
        assert order.first.thread != order.then.thread == order.gate.thread


def toy(*threads, **words):
    """A system of generator functions over named words."""
    memory = Memory([f.__name__ for f in threads])
    array = memory.array("w", [words.get(k, 0) for k in words], heap=False)
    names = namedtuple("Words", words)(*array)
    return System(memory, [Program(f.__name__, lambda f=f: f(names)) for f in threads])


def reader(w):
    ready = yield READ_ONCE(w.ready)
    if ready:
        pointer = yield READ_ONCE(w.pointer)
        yield READ_ONCE(pointer[0])


def writer(w):
    yield WRITE_ONCE(w.other, 1)
    yield WRITE_ONCE(w.ready, 1)
    yield WRITE_ONCE(w.other, 2)
    yield WRITE_ONCE(w.pointer, NULL)
    yield WRITE_ONCE(w.other, 3)


def test_the_orderings_of_a_toy_are_all_minimal_ones():
    """Against brute force: every set of candidates that is enough has a needed one below it, and ours is one of them."""
    system = toy(reader, writer, ready=0, pointer=(1,), other=0)
    schedule = [1, 1, 0, 1, 1, 0, 0]
    replay = Replay(system, schedule)
    found = needed_orders(replay, "NULL dereference")
    every = [frozenset(range(len(p))) for p in replay.paths()]
    story = Story(Space(system, reduce=False), replay.paths(), "NULL dereference", every)

    def ends(orders):
        return {(o.first.number, o.then.number) for o in orders}

    def enough(orders):
        return escape(story, gates(orders)) == (None, True)

    pairs = candidates(replay)
    sets = [s for n in range(len(pairs) + 1) for s in itertools.combinations(pairs, n)]
    minimal = [s for s in sets if enough(s) and not any(enough([o for o in s if o is not x]) for x in s)]
    assert ends(found.orders) in [ends(s) for s in minimal]
    assert found.enough and found.needed


def test_what_goes_wrong_alone_needs_no_order():
    def alone(w):
        yield READ_ONCE(w.a)
        yield READ_ONCE(NULL.x)

    def other(w):
        yield WRITE_ONCE(w.a, 1)

    system = toy(alone, other, a=0)
    orders = needed_orders(Replay(system, [1, 0, 0]), "NULL dereference")
    assert orders.orders == () and orders.enough


# ---- the pin -------------------------------------------------------------------------------------------------------------


def names_of(pin, verdict):
    def told(step):
        return step and (
            verdict.recorder.system.memory.threads[step.thread],
            step.step.stack[-1].function,
            str(step.step.operation),
        )

    return {name: told(getattr(pin, name)) for name in ("since", "dropped", "until", "kill", "use")}


def test_the_count_was_the_pin(verdicts, whys):
    """shmem-truncate on v6.8: up to swap_map[1] 0xff -> 0x40 swapoff can't get past its third loop; from there on it can."""
    cell = ("shmem-truncate", "v6.8")
    pin, told = whys[cell].pin, names_of(whys[cell].pin, verdicts[cell])
    assert told["dropped"] == ("truncate", "__swap_entry_free_locked", "WRITE_ONCE(swap_map[1], 64)")
    assert told["kill"][0] == "swapoff" and told["kill"][2] == "write(si.swap_map, NULL)"
    assert told["since"][2] == "spin_lock_irq(i_mapping[0].xa_lock)"
    assert told["until"][2] == "spin_unlock(cluster_info[0].lock)"
    assert pin.would_keep[:2] == ("an RCU read-side section", "a reference to si.users")
    assert pin.dropped.number < pin.kill.number < pin.use.number and pin.complete
    assert pin.wall.number < pin.beyond.number < pin.kill.number


def test_before_the_pin_is_dropped_nobody_gets_there(verdicts, whys):
    """The explorer is asked again, without reduction, at every step of the victim from `since` on."""
    for cell in (("shmem-truncate", "v6.8"), ("one-process", "as-argued")):
        replay, pin = replay_of(verdicts[cell]), whys[cell].pin
        space, last = Space(replay.system, reduce=False), pin.until or pin.dropped
        others = [t for t in space.threads if t != pin.use.thread]
        for step in replay.taken:
            if step.thread == pin.use.thread and pin.since.number <= step.number < pin.kill.number:
                can = reach(space, state_of(space, *replay.after(step.number)), others, pin.target.gone).reached
                assert can == (step.number >= last.number)


def test_a_lock_can_be_the_pin(verdicts, whys):
    cell = ("fault-ramdisk", "v5.2")
    told = names_of(whys[cell].pin, verdicts[cell])
    assert told["dropped"] == ("fault", "pte_unmap_unlock", "spin_unlock(mm1.page_table_lock)")
    assert told["until"] is None


def test_a_freed_object_has_a_pin_too(verdicts, whys):
    cell = ("shmem-truncate", "mthp-v3")
    pin = whys[cell].pin
    assert pin.target.freed and pin.target.name == "swapper_space" and pin.looked is None
    assert names_of(pin, verdicts[cell])["kill"][2] == "kvfree(swapper_space)"


def pin_with(*edits, function="free_swap_and_cache", kernel="v6.9"):
    fix = {function: edited(function, *edits, of=KERNELS[kernel].replaces, title="pin moved")}
    verdict = check("shmem-truncate", kernel, fix=fix)
    assert verdict.verdict == "violated"
    return names_of(why(verdict).pin, verdict)["dropped"]


def test_the_pin_moves_with_a_reference_that_is_dropped_earlier():
    """v6.9, but the device is let go right after the count was dropped."""
    told = pin_with(
        drop("yield from put_swap_device(si)"),
        after("count = yield from __swap_entry_free(si, entry)", "yield from put_swap_device(si)"),
    )
    assert told == ("truncate", "put_swap_device", "percpu_ref_put(si.users)")


def test_the_pin_moves_with_an_rcu_section_that_ends_earlier():
    told = pin_with(
        after("si = yield from _swap_info_get(entry)", "yield rcu_read_lock()"),
        after("count = yield from __swap_entry_free(si, entry)", "yield rcu_read_unlock()"),
        kernel="v6.8",
    )
    assert told == ("truncate", "free_swap_and_cache", "rcu_read_unlock()")


def test_who_frees_twice_has_no_pin():
    fix = {"swapoff_free": edited("swapoff_free", after("yield vfree(map)", "yield vfree(map)"), title="twice")}
    told = why(check("shmem-truncate", "v6.9", fix=fix))
    assert told.pin.dropped is None and told.pin.kill.thread == told.pin.use.thread
    assert "itself took it away" in str(told)


def test_a_reference_taken_too_late_is_no_pin():
    """Taken and put before the count is dropped: the count is the pin again."""
    told = pin_with(
        drop("yield from put_swap_device(si)"),
        after("byte = yield READ_ONCE(map[swp_offset(entry)])", "yield from put_swap_device(si)"),
    )
    assert told == ("truncate", "__swap_entry_free_locked", "WRITE_ONCE(swap_map[1], 64)")


# ---- every violation of every scenario, and other kinds --------------------------------------------------------------------

VIOLATED = sorted(
    tuple(cell.split(" ")[:2])
    for cell, told in all_recorded().items()
    if told["verdict"] == "violated" and cell.endswith("preempt=full slot-cache=off")
)


@pytest.mark.parametrize("cell", [c for c in VIOLATED if not c[0].startswith("thread")] + [("thread", "as-argued")], ids=str)
def test_every_violation_is_explained(cell):
    began = time.process_time()
    verdict = check(*cell, shortest="any")
    spent = time.process_time() - began
    told = why(verdict)
    assert time.process_time() - began - spent < 15
    assert told.orders.enough and told.orders.needed and told.orders.orders
    assert (told.pin is None) == (verdict.outcome.violation.kind == "kernel BUG")
    assert max(map(len, str(told).split("\n"))) <= 72
    assert told.document()["steps_that_matter"][-1] == len(verdict.recorder.steps)
    assert "<" not in re.sub(r"</?(div|strong|pre)>", "", told._repr_html_())


def test_preempt_none_is_explained_as_well():
    verdict = check("one-process", "v5.2", preempt="none")
    assert verdict.verdict == "violated"
    told = why(verdict)
    assert told.orders.enough and told.orders.needed


def patched(scenario, function, *edits, **parameters):
    verdict = check(scenario, fix={function: edited(function, *edits, title="mutant")}, **parameters)
    assert verdict.verdict == "violated", verdict
    return str(why(verdict)), verdict


def test_an_unlocked_store_is_told_shortly():
    told, _ = patched(
        "shmem-truncate", "shmem_recalc_inode", drop("yield spin_lock(info.lock)"), drop("yield spin_unlock(info.lock)")
    )
    told = re.sub(r"\s+", " ", told)
    assert "(lock misuse)" in told and "no pin to show" in told
    assert "Swapoff never took info.lock" in told
    assert "No other thread is needed" in told


def test_sleeping_in_an_atomic_section_names_the_lock():
    told, _ = patched("shmem-truncate", "shmem_recalc_inode", after("yield spin_lock(info.lock)", "yield might_sleep()"))
    told = re.sub(r"\s+", " ", told)
    assert "(sleeping while atomic)" in told
    assert re.search(r"(Truncate|Swapoff) holds the spinlock info.lock since shmem_recalc_inode\(\), step \d+", told)


def test_a_deadlock_names_both_sides():
    def one(w):
        yield mutex_lock(w.a)
        yield mutex_lock(w.b)

    def two(w):
        yield mutex_lock(w.b)
        yield mutex_lock(w.a)

    system = toy(one, two, a=0, b=0)
    replay = Replay(system, [0, 1])
    told = remarks(record(system, [0, 1]), replay, Violation("deadlock", "nobody can go on"))
    assert [t.split(" (")[0] for t in told] == ["one waits for w[1], held by two", "two waits for w[0], held by one"]


def test_a_deadlock_of_the_kernel_is_told():
    told, _ = patched(
        "shmem-truncate",
        "shmem_free_swap",
        before(
            "yield from free_swap_and_cache(radix_to_swp_entry(radswap))",
            "si = yield READ_ONCE(swap_info[0])",
            "yield spin_lock(si.lock)",
            "yield spin_lock(swap_lock)",
            "yield spin_unlock(swap_lock)",
            "yield spin_unlock(si.lock)",
        ),
    )
    told = re.sub(r"\s+", " ", told)
    assert "(deadlock)" in told
    assert "Truncate waits for swap_lock, held by swapoff (taken in swapoff(), step" in told
    assert "Swapoff waits for si.lock, held by truncate (taken in shmem_free_swap(), step" in told


def test_a_value_that_is_the_same_again(whys):
    told = re.sub(r"\s+", " ", str(whys["two-faults", "v6.7"]))
    assert "Fault reads mm1.pte[0] swap(0, 2, exclusive) in handle_pte_fault(), step" in told
    assert "and the same again in do_swap_page(), step" in told


# ---- against a fix ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "other", "said"),
    [
        (
            ("shmem-truncate", "v6.8"),
            {"fix": "get-swap-device"},
            r"swapoff waits in wait_for_completion\(\) for the reference to si.users that truncate took in get_swap_device\(\)",
        ),
        (
            ("shmem-truncate", "v6.8"),
            {"fix": "rcu-in-shmem"},
            r"swapoff waits in synchronize_rcu\(\) for truncate, which is inside rcu_read_lock\(\) \(taken in shmem_free_swap",
        ),
        (
            ("shmem-truncate", "v6.8"),
            {"kernel": "v6.10"},
            r"swapoff waits in wait_for_completion\(\) for the reference to si.users that truncate took",
        ),
        (
            ("one-process", "as-argued"),
            {"kernel": "v6.8"},
            r"swapoff waits in synchronize_rcu\(\) for process, which holds the spinlock mm1.page_table_lock",
        ),
        (("shmem-truncate", "v6.8"), {"fix": "inuse-last"}, r"it still goes wrong: truncate, in swap_page_trans_huge_swapped"),
        (("two-faults", "v6.7"), {"kernel": "v6.8"}, r"(goes another way|waits)"),
    ],
)
def test_the_old_schedule_against_a_fix(verdicts, cell, other, said):
    stand = against(verdicts[cell], **other)
    assert re.search(said, stand.said)
    assert all(len(line) <= 72 for line in str(stand).split("\n"))
    assert stand.document()["said"] == stand.said
    assert "<swapoff" not in stand._repr_html_()


def test_the_thread_is_stopped_by_the_page_table_lock():
    stand = against(check("thread", "as-argued", shortest="any"), kernel="v6.8")
    assert stand.ended.how == "blocked"
    assert "swapoff waits in synchronize_rcu() for process 1, which holds the spinlock mm1.page_table_lock" in stand.said


def test_a_blocked_schedule_is_a_real_one(verdicts):
    """The steps up to the stand-off replay on the fixed kernel, and there the thread is blocked."""
    stand = against(verdicts["shmem-truncate", "v6.8"], kernel="v6.9")
    system = SCENARIOS["shmem-truncate"].system(KERNELS["v6.9"], Parameters())
    again = record(system, [s.thread for s in stand.recorder.steps])
    assert len(again.steps) == len(stand.recorder.steps) and not again.take(stand.ended.thread)
    assert again.waits(stand.ended.thread)


def test_against_what():
    with pytest.raises(ValueError, match="there is no bad schedule"):
        against(check("signal"), kernel="v6.9")
    with pytest.raises(ValueError, match="needs a fix or a kernel"):
        against(check("shmem-truncate"))
    with pytest.raises(ValueError, match="nothing to explain"):
        why(check("shmem-truncate", "v6.9", budget=Budget(max_states=10)))


# ---- holds -----------------------------------------------------------------------------------------------------------------


def test_near_misses_name_their_rule():
    told = {m.rule: m for m in why(check("shmem-truncate", "v6.9")).misses}
    miss = told["swapoff waits in wait_for_completion() for references to the device"]
    assert miss.found == "miss" and miss.violation.kind == "NULL dereference"
    assert "for the reference to si.users that truncate took in get_swap_device()" in miss.said
    assert told["rcu_read_lock() is respected"].found == "nothing"
    assert sum(m.found == "miss" for m in told.values()) >= 2


def test_both_grace_periods_protect():
    """Without synchronize_rcu() alone nothing goes wrong: percpu_ref_kill() waits for readers too."""
    told = {m.rule: m for m in why(check("one-process")).misses}
    assert told["synchronize_rcu() waits for readers"].found == "nothing"
    miss = told["grace periods wait for readers, that of percpu_ref_kill() too"]
    assert "swapoff waits in synchronize_rcu() for process, which holds the spinlock mm1.page_table_lock" in miss.said
    assert told["a held page table lock is an RCU read-side section"].found == "miss"


def test_a_budget_leaves_rules_undecided():
    misses = why(check("one-process"), seconds=1e-9).misses
    assert {m.found for m in misses} == {"unfinished"}


def test_a_vacuous_verdict_shows():
    fix = {
        "swap_free_cluster": edited("swap_free_cluster", title="never called"),
        "free_swap_and_cache": edited("free_swap_and_cache", of=KERNELS["v6.9"].replaces, title="called"),
    }
    told = why(check("shmem-truncate", fix=fix), fix=fix, seconds=1e-9)
    assert any(u.startswith("swap_free_cluster() of the fix was never called") for u in told.unused)
    assert not any("WARN" in u for u in told.unused)
    assert "never called" in str(told)


# ---- the command -----------------------------------------------------------------------------------------------------------


def run(capsys, *arguments):
    from swapmodel.__main__ import main

    status = main(["why", *arguments])
    return status, capsys.readouterr()


def test_the_command(capsys):
    status, out = run(capsys, "shmem-truncate")
    assert status == 1 and "Pin dropped: truncate, __swap_entry_free_locked(), step 15: swap_map[1]" in out.out
    status, out = run(capsys, "shmem-truncate", "--against", "get-swap-device")
    assert status == 1 and "waits in wait_for_completion()" in out.out
    status, out = run(capsys, "signal", "--against", "v6.9")
    assert status == 2 and "there is no bad schedule" in out.err
    status, out = run(capsys, "shmem-truncate", "--against", "get-swap-devic")
    assert status == 2 and "did you mean get-swap-device?" in out.err
    status, out = run(capsys, "shmem-truncate", "--max-states", "10", "--kernel", "v6.9")
    assert status == 3


# ---- how it is told ------------------------------------------------------------------------------------------------------


def test_a_swap_map_byte_is_shown_in_hex(whys):
    told = whys["shmem-truncate", "v6.8"]
    assert "READ_ONCE(swap_map[1]) = 0x40" in re.sub(r"\s+", " ", str(told))
    orders = told.document()["orders"]
    assert "READ_ONCE(swap_map[1]) = 0x40" in [o["then"]["text"] for o in orders]


def test_names_are_not_broken_at_their_hyphens(verdicts):
    assert "get-swap-device:" in str(against(verdicts["shmem-truncate", "v6.8"], fix="get-swap-device"))
