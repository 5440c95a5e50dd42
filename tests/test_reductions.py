"""Minimal programs that a wrong reduction gets wrong: each is the smallest of one that random search or a mutant once found."""

import re

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters
from swapmodel.explore import Budget, explore
from swapmodel.machine import READ_ONCE, percpu_ref_put, write
from tests.random_programs import Source
from tests.reference import unmerged
from tests.test_soundness import assert_agrees

SLEEPERS = {
    # Whoever waits for the mutex sleeps: then no grace period waits for him, although he still uses what he read before.
    "mutex": """
def thread0(t, o):
    yield mutex_lock(t.mutex)
    yield mutex_unlock(t.mutex)

def thread1(t, o):
    p = yield READ_ONCE(t.ptr)
    yield mutex_lock(t.mutex)
    yield mutex_unlock(t.mutex)
    if p:
        yield READ_ONCE(p.value)

def thread2(t, o):
    p = yield xchg(t.ptr, NULL)
    yield from synchronize_rcu()
    yield kfree(p)
""",
    "semaphore": """
def thread0(t, o):
    yield down_write(t.sem)
    yield up_write(t.sem)

def thread1(t, o):
    p = yield READ_ONCE(t.ptr)
    yield down_read(t.sem)
    yield up_read(t.sem)
    if p:
        yield READ_ONCE(p.value)

def thread2(t, o):
    p = yield xchg(t.ptr, NULL)
    yield from synchronize_rcu()
    yield kfree(p)
""",
    # The grace period of thread 1 waits for the system call of thread 0, and thread 1 sleeps meanwhile.
    "system call": """
def thread0(t, o):
    yield WRITE_ONCE(t.turn, 1)

def thread1(t, o):
    p = yield READ_ONCE(t.ptr)
    yield start_poll_synchronize_rcu()
    yield WRITE_ONCE(t.flag, 1)
    yield cond_synchronize_rcu()
    if p:
        yield READ_ONCE(p.value)

def thread2(t, o):
    yield wait_var_event(t.flag, 1)
    p = yield xchg(t.ptr, NULL)
    yield from synchronize_rcu()
    yield kfree(p)
""",
}

PEEKS = {
    "spinlock": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield spin_unlock(t.lock)

def thread1(t, o):
    held = yield READ_ONCE(t.lock)
    if held:
        yield BUG("seen")
""",
    "trylock": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield spin_unlock(t.lock)

def thread1(t, o):
    got = yield spin_trylock(t.lock)
    if not got:
        yield BUG("seen")
    yield spin_unlock(t.lock)
""",
    "mutex": """
def thread0(t, o):
    yield mutex_lock(t.mutex)
    yield mutex_unlock(t.mutex)

def thread1(t, o):
    held = yield READ_ONCE(t.mutex)
    if held:
        yield BUG("seen")
""",
    "semaphore": """
def thread0(t, o):
    yield down_read(t.sem)
    yield up_read(t.sem)

def thread1(t, o):
    yield wait_var_event(t.sem, 1)
    yield BUG("seen")
""",
    "exchange": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield spin_unlock(t.lock)

def thread1(t, o):
    was = yield cmpxchg(t.lock, 1, 1)
    if was:
        yield BUG("seen")
""",
    # A killed percpu_ref that a section holds back is not released yet.
    "completion": """
def thread0(t, o):
    yield rcu_read_lock()
    yield READ_ONCE(t.flag)
    yield rcu_read_unlock()

def thread1(t, o):
    yield percpu_ref_kill(t.users)
    done = yield READ_ONCE(t.comp)
    if not done:
        yield BUG("not released yet")
""",
    "resurrection": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield spin_unlock(t.lock)

def thread1(t, o):
    yield percpu_ref_kill(t.users)
    yield percpu_ref_resurrect(t.users)
    yield wait_for_completion(t.comp)
""",
}

DEADLOCKS = {
    "two spinlocks": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield READ_ONCE(t.limit)
    yield spin_lock(t.lock2)
    yield spin_unlock(t.lock2)
    yield spin_unlock(t.lock)

def thread1(t, o):
    yield spin_lock(t.lock2)
    yield spin_lock(t.lock)
    yield spin_unlock(t.lock)
    yield spin_unlock(t.lock2)
""",
    "mutex and semaphore": """
def thread0(t, o):
    yield mutex_lock(t.mutex)
    yield down_write(t.sem)
    yield up_write(t.sem)
    yield mutex_unlock(t.mutex)

def thread1(t, o):
    yield down_read(t.sem)
    yield mutex_lock(t.mutex)
    yield mutex_unlock(t.mutex)
    yield up_read(t.sem)
""",
    "mutex and completion": """
def thread0(t, o):
    yield mutex_lock(t.mutex)
    yield wait_for_completion(t.comp)
    yield mutex_unlock(t.mutex)

def thread1(t, o):
    yield mutex_lock(t.mutex)
    yield complete(t.comp)
    yield mutex_unlock(t.mutex)
""",
    "behind invisible steps": """
def thread0(t, o):
    yield READ_ONCE(t.limit)
    yield READ_ONCE(t.limit)
    yield wait_for_completion(t.comp)

def thread1(t, o):
    yield WRITE_ONCE(t.flag, 1)
    yield READ_ONCE(t.limit)
    yield wait_for_completion(t.comp)
""",
    # Breadth first meets the way to the BUG, of four steps, before the deadlock after three.
    "shorter than a violation beside it": """
def thread0(t, o):
    x = yield READ_ONCE(t.flag)
    if x:
        yield wait_for_completion(t.comp)
    yield WRITE_ONCE(t.turn, 1)
    yield WRITE_ONCE(t.turn, 1)
    yield BUG("four steps")

def thread1(t, o):
    yield WRITE_ONCE(t.turn, 1)
    yield WRITE_ONCE(t.flag, 1)
    yield wait_for_completion(t.comp)
""",
    "a reader of a semaphore that waits for its writer": """
def thread0(t, o):
    yield down_read(t.sem)
    yield wait_var_event(t.flag, 1)
    yield up_read(t.sem)

def thread1(t, o):
    yield down_write(t.sem)
    yield WRITE_ONCE(t.flag, 1)
    yield up_write(t.sem)
""",
}

LIFETIMES = {
    # The lock is freed between the visible store and the release: a release must not be early in memory that can be freed.
    "released in freed memory": """
def thread0(t, o):
    yield spin_lock(o.latch)
    yield WRITE_ONCE(t.flag, 1)
    yield spin_unlock(o.latch)

def thread1(t, o):
    yield wait_var_event(t.flag, 1)
    yield kfree(o)
""",
    "guarded data in freed memory": """
def thread0(t, o):
    yield spin_lock(o.latch)
    yield write(o.inner, 1)
    yield WRITE_ONCE(t.flag, 1)
    yield read(o.inner)
    yield spin_unlock(o.latch)

def thread1(t, o):
    yield wait_var_event(t.flag, 1)
    yield kfree(o)
""",
    "a section that ends too early": """
def thread0(t, o):
    yield rcu_read_lock()
    p = yield READ_ONCE(t.ptr)
    yield rcu_read_unlock()
    if p:
        yield READ_ONCE(p.value)

def thread1(t, o):
    p = yield xchg(t.ptr, NULL)
    yield from synchronize_rcu()
    yield kfree(p)
""",
    "a section that begins too late": """
def thread0(t, o):
    p = yield READ_ONCE(t.ptr)
    yield rcu_read_lock()
    if p:
        yield READ_ONCE(p.value)
    yield rcu_read_unlock()

def thread1(t, o):
    p = yield xchg(t.ptr, NULL)
    yield from synchronize_rcu()
    yield kfree(p)
""",
    "a reference that is not taken": """
def thread0(t, o):
    p = yield READ_ONCE(t.ptr)
    alive = yield percpu_ref_tryget_live(t.users)
    if alive:
        yield percpu_ref_put(t.users)
        if p:
            yield READ_ONCE(p.value)

def thread1(t, o):
    p = yield xchg(t.ptr, NULL)
    yield percpu_ref_kill(t.users)
    yield wait_for_completion(t.comp)
    yield kfree(p)
""",
}

DATA = {
    # Between the two stores nobody holds the lock, and thread 1 can come in.
    "torn": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield write(t.data, 1)
    yield spin_unlock(t.lock)
    yield spin_lock(t.lock)
    yield write(t.data, 0)
    yield spin_unlock(t.lock)

def thread1(t, o):
    yield spin_lock(t.lock)
    x = yield read(t.data)
    yield spin_unlock(t.lock)
    if x:
        yield BUG("seen")
""",
    # What a lock guards, but others may read without it.
    "peeked": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield WRITE_ONCE(t.peek, 0)
    yield spin_unlock(t.lock)

def thread1(t, o):
    x = yield READ_ONCE(t.peek)
    if x:
        yield BUG("seen")
""",
    # Thread 0 alone writes turn: its loads of it are its own affair, its stores are not. flag it alone does not write.
    "one writer": """
def thread0(t, o):
    yield WRITE_ONCE(t.turn, 1)
    x = yield READ_ONCE(t.turn)
    y = yield READ_ONCE(t.flag)
    yield WRITE_ONCE(t.turn, 0)
    if x == y:
        yield BUG("seen")

def thread1(t, o):
    x = yield READ_ONCE(t.turn)
    if x:
        yield WRITE_ONCE(t.flag, 1)
""",
    "unlocked twice": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield spin_unlock(t.lock)
    yield spin_unlock(t.lock)
""",
    "a section that never began": """
def thread0(t, o):
    yield WRITE_ONCE(t.flag, 1)
    yield rcu_read_unlock()
""",
    "released by another": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.peek, 1)
    yield spin_unlock(t.lock)

def thread1(t, o):
    yield WRITE_ONCE(t.flag, 1)
    yield spin_unlock(t.lock)
""",
    "a lock of one thread's own": """
def thread0(t, o):
    yield spin_lock(t.lock)
    yield write(t.data, 1)
    x = yield READ_ONCE(t.flag)
    yield spin_unlock(t.lock)
    if x:
        yield BUG("seen")

def thread1(t, o):
    yield WRITE_ONCE(t.flag, 1)
""",
}

OWNERS = {
    # Thread 0 alone names the completion, but the last put of thread 1 completes it: it may wait with the mutex held.
    "a completion of a reference": """
def thread0(t, o):
    yield percpu_ref_kill(t.users)
    yield mutex_lock(t.mutex)
    yield wait_for_completion(t.comp)
    yield mutex_unlock(t.mutex)

def thread1(t, o):
    got = yield percpu_ref_tryget_live(t.users)
    if got:
        yield mutex_lock(t.mutex)
        yield mutex_unlock(t.mutex)
        yield percpu_ref_put(t.users)
""",
    # Thread 1 alone names folio.locked, but folio_lock() writes it.
    "the lock of a folio": """
def thread0(t, o):
    yield folio_lock(o)
    yield WRITE_ONCE(t.flag, 1)
    yield folio_unlock(o)

def thread1(t, o):
    x = yield READ_ONCE(o.locked)
    y = yield READ_ONCE(o.locked)
    if x != y:
        yield BUG("seen")
""",
    # Nobody else ever sets flag: thread 1 waits for ever, with the semaphore held.
    "a wait for a word of its own": """
def thread0(t, o):
    yield WRITE_ONCE(t.turn, 1)
    yield down_write(t.sem)
    yield up_write(t.sem)

def thread1(t, o):
    yield down_read(t.sem)
    yield wait_var_event(t.flag, 1)
    yield up_read(t.sem)
""",
}


def sources():
    for programs in (SLEEPERS, PEEKS, DEADLOCKS, LIFETIMES, DATA, OWNERS):
        for name, text in programs.items():
            threads = len(re.findall(r"^def thread\d", text, re.M))
            for preempt in ("full", "none") if programs is not SLEEPERS else ("none",):
                for own in (False, True):
                    yield pytest.param(Source(text, threads, preempt, own), id=f"{name}-{preempt}{'-own' * own}")


@pytest.mark.parametrize("source", list(sources()))
def test_full_and_reduced_search_agree_with_the_reference(source):
    built = source.build()
    reference = unmerged(built.system, built.starts, 20_000)
    assert reference.verdict == "violated" or source.preempt == "none"
    assert_agrees(source, reference, exact=True)


def helper(si):
    extent = yield READ_ONCE(si.swap_extent_root)
    return extent


def closes_over(helper):
    def put_swap_device(si):
        yield from helper(si)
        yield percpu_ref_put(si.users)

    return put_swap_device


def by_default(si, helper=helper):
    yield from helper(si)
    yield percpu_ref_put(si.users)


def by_name(si):
    root = getattr(si, "swap_extent_root")  # noqa: B009
    yield READ_ONCE(root)
    yield percpu_ref_put(si.users)


def in_an_expression(si):
    roots = tuple(s.swap_extent_root for s in (si,))
    yield READ_ONCE(roots[0])
    yield percpu_ref_put(si.users)


def by_another_name(si):
    store = write
    yield store(si.swap_extent_root, 0)
    yield percpu_ref_put(si.users)


def plain(si):
    yield percpu_ref_put(si.users)


FIXES = [closes_over(helper), by_default, by_name, in_an_expression, by_another_name, plain]


@pytest.mark.parametrize("fix", FIXES, ids=lambda f: f.__name__)
def test_no_thread_owns_what_a_fix_reaches_in_another(fix):
    """swap_extent_root is swapoff's own in the kernel as it is, where no other thread reads or writes it."""
    system = SCENARIOS["one-process"].system(KERNELS["v6.9"], Parameters(), {"put_swap_device": fix})
    owner = {name: address.private for name, _, address in system.memory.named}["swap_extent_root"]
    assert owner == (1 if fix is plain else -1)


ALONE = Source("def thread0(t, o):\n    while True:\n        yield READ_ONCE(t.limit)\n", 1)
BESIDE_A_BUG = Source(ALONE.text + "\n\ndef thread1(t, o):\n    yield WRITE_ONCE(t.flag, 1)\n    yield BUG('seen')\n", 2)
BUSY = Source(
    """
def thread0(t, o):
    x = yield READ_ONCE(t.flag)
    while not x:
        yield READ_ONCE(t.limit)
        x = yield READ_ONCE(t.flag)
""",
    1,
)


@pytest.mark.parametrize("source", [ALONE, BUSY], ids=["invisible", "visible"])
@pytest.mark.parametrize("reduce", [False, True])
def test_a_loop_that_nobody_ends_is_told_in_a_few_steps(source, reduce):
    outcome, _ = explore(source.build().system, reduce=reduce)
    assert outcome.verdict == "violated"
    assert outcome.violation.kind in ("deadlock", "livelock")
    assert len(outcome.schedule) <= 6


@pytest.mark.parametrize("reduce", [False, True])
def test_a_loop_that_nobody_ends_does_not_hide_a_bug(reduce):
    outcome, _ = explore(BESIDE_A_BUG.build().system, reduce=reduce)
    assert (outcome.violation.kind, len(outcome.schedule)) == ("kernel BUG", 2)


class Noted(tuple):
    """Words that note which of them an oracle looks at."""

    seen: set

    def __getitem__(self, index):
        self.seen.update(range(*index.indices(len(self))) if isinstance(index, slice) else [index])
        return super().__getitem__(index)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_oracles_look_at_no_word_whose_stores_are_invisible(scenario, kernel):
    """Moves pass over the memories between their invisible steps, and no oracle is asked about those."""
    system = SCENARIOS[scenario].system(KERNELS[kernel], Parameters(pages=1))
    Noted.seen = set()
    _, space = explore(system, Budget(max_states=3_000))
    for words in space.memories[::5]:
        for oracle in system.oracles:
            if not hasattr(oracle, "at_end"):
                oracle(Noted(words))
    hidden = [
        str(address)
        for _, _, address in system.memory.named
        if address.word in Noted.seen and (address.private >= 0 or (address.guard is not None and not address.lockless))
    ]
    assert Noted.seen or scenario in ("signal", "two-faults")
    assert hidden == []


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if SCENARIOS[s].fixed])
def test_the_oracles_of_the_end_look_at_nothing_but_the_count_before(scenario):
    system = SCENARIOS[scenario].system(KERNELS["v6.8"])
    [last] = [oracle for oracle in system.oracles if hasattr(oracle, "at_end")]
    Noted.seen = set()
    assert last(Noted(system.words)) is None
    assert [system.memory.shown[word].name for word in Noted.seen] == ["curtain.done"]


def forgets_the_device(si):
    """reinsert_swap_info() that does nothing."""
    return
    yield


def counts_too_much(si, offset, nr_entries):
    """A part of swap_range_alloc() that adds one more to inuse_pages."""
    pages = yield READ_ONCE(si.inuse_pages)
    yield write(si.inuse_pages, pages + nr_entries + 1)


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize(
    ("scenario", "fix", "told"),
    [
        ("signal", {"reinsert_swap_info": forgets_the_device}, "was not put back into use"),
        ("two-faults", {"swap_range_alloc": counts_too_much}, "but should be|bytes are in use"),
    ],
)
def test_what_is_wrong_at_the_end_is_found(scenario, fix, told, reduce):
    outcome, _ = explore(SCENARIOS[scenario].system(KERNELS["v6.8"], fix=fix), reduce=reduce)
    assert outcome.verdict == "violated" and re.search(told, str(outcome.violation))
