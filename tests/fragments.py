"""Random programs made of fragments of kernel code: sections, waits, references, and what goes wrong with them.

Cheaper than random_programs.py, which tests Python's side, and far more often at the edge of a deadlock or of a lifetime: what
it found in the reductions is in test_reductions.py.

    python -m tests.fragments SEED SECONDS    searches on, and prints what disagrees
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.random_programs import Source
from tests.reference import TooBig, merged
from tests.test_soundness import assert_agrees

FRAGMENTS = """
p# = yield READ_ONCE(t.ptr)
if p#:
    yield READ_ONCE(p#.value)

p# = yield READ_ONCE(t.ptr)
@
if p#:
    yield READ_ONCE(p#.value)

yield rcu_read_lock()
p# = yield READ_ONCE(t.ptr)
@
if p#:
    yield WRITE_ONCE(p#.value, 2)
yield rcu_read_unlock()

p# = yield xchg(t.ptr, NULL)
yield from synchronize_rcu()
yield kfree(p#)

p# = yield xchg(t.ptr, NULL)
yield percpu_ref_kill(t.users)
@
yield wait_for_completion(t.comp)
yield kfree(p#)

r# = yield percpu_ref_tryget_live(t.users)
if r#:
    @
    yield percpu_ref_put(t.users)

yield mutex_lock(t.mutex)
@
yield mutex_unlock(t.mutex)

yield down_read(t.sem)
@
yield up_read(t.sem)

yield down_write(t.sem)
@
yield up_write(t.sem)

yield down_write(t.sem)
yield downgrade_write(t.sem)
@
yield up_read(t.sem)

yield spin_lock(t.lock)
@
yield spin_unlock(t.lock)

yield spin_lock(t.lock2)
@
yield spin_unlock(t.lock2)

yield spin_lock_irq(t.lock2)
@
yield spin_unlock_irq(t.lock2)

yield spin_lock_not_rcu(t.lock2)
@
yield spin_unlock_not_rcu(t.lock2)

yield spin_lock(o.latch)
@
yield write(o.inner, 1)
@
yield spin_unlock(o.latch)

yield spin_lock(t.lock)
yield WRITE_ONCE(t.peek, 1)
yield write(t.data, 1)
yield spin_unlock(t.lock)

yield spin_lock(t.lock)
x# = yield read(t.data)
yield write(t.data, 1)
yield spin_unlock(t.lock)
if x#:
    yield WRITE_ONCE(t.turn, 2)

yield folio_lock(o)
@
yield folio_unlock(o)

x# = yield READ_ONCE(o.locked)
if x#:
    @

x# = yield folio_trylock(o)
if x#:
    @
    yield folio_unlock(o)

yield rcu_read_lock()
@
yield rcu_read_unlock()

yield local_irq_disable()
@
yield local_irq_enable()

yield start_poll_synchronize_rcu()
@
yield cond_synchronize_rcu()

yield WRITE_ONCE(t.flag, 1)

yield WRITE_ONCE(t.flag, 0)

yield wait_var_event(t.flag, 1)

yield wait_for_completion(t.comp)

yield complete(t.comp)

yield percpu_ref_kill(t.users)

yield schedule_timeout_uninterruptible(1)

x# = yield READ_ONCE(t.flag)
if x#:
    @

x# = yield READ_ONCE(t.peek)
if x#:
    @

x# = yield READ_ONCE(t.limit)
if x#:
    @

x# = yield READ_ONCE(t.flag)
@
y# = yield READ_ONCE(t.flag)
if x# > y#:
    yield BUG("torn")

yield atomic_add(1, t.turn)

x# = yield READ_ONCE(t.turn)
if x# == 2:
    yield BUG("two")

x# = yield READ_ONCE(t.lock)
if x#:
    @
"""

KINDS = [fragment.splitlines() for fragment in FRAGMENTS.strip().split("\n\n")]
PEEKING = 1  # the last so many look at locks: nothing is reduced where they are
SIZES = {2: 7, 3: 5}  # threads: steps each, about


def program(chance: random.Random) -> Source:
    threads = chance.choice((2, 3, 3))
    kinds = KINDS if chance.random() < 0.05 else KINDS[:-PEEKING]
    few = [chance.choice(kinds) for _ in range(chance.choice((3, 4, 6)))]  # threads that do the same things meet
    pool = few if chance.random() < 0.8 else kinds
    steps = SIZES[threads]
    bodies = [_block(chance, pool, chance.choice((1, 2, steps - 1, steps)), 0, [0]) for _ in range(threads)]
    text = "\n\n".join("\n    ".join([f"def thread{t}(t, o):", *body]) + "\n" for t, body in enumerate(bodies))
    return Source(text, threads, chance.choice(("full", "none")), own=chance.random() < 0.5)


def _block(chance: random.Random, pool: list[list[str]], steps: int, depth: int, number: list[int]) -> list[str]:
    lines: list[str] = []
    while steps > 0:
        number[0] += 1
        mine = str(number[0])
        fragment = chance.choice(pool)
        steps -= max(1, sum("yield" in line for line in fragment))
        for line in fragment:
            indent, inside = re.fullmatch(r"( *)(.*)", line).groups()
            if inside != "@":
                lines.append(line.replace("#", mine))
            elif depth < 2 and steps > 0 and chance.random() < 0.7:
                more = _block(chance, pool, min(steps, 3), depth + 1, number)
                steps -= sum("yield" in line for line in more)
                lines += [indent + line for line in more]
            elif indent:
                lines.append(f"{indent}pass")
    return lines


def check(source: Source) -> None:
    """AssertionError where a search disagrees with the reference. Programs that are too big are passed over."""
    try:
        reference = merged(source.build().system, 8_000)
    except TooBig:
        return
    assert_agrees(source, reference, exact=True)


def search(seed: int, seconds: float, check: Callable[[Source], Any] = check) -> None:
    """Random programs that `check` raises for are printed."""
    chance, end, tried = random.Random(seed), time.time() + seconds, 0
    while time.time() < end:
        source, tried = program(chance), tried + 1
        try:
            check(source)
        except Exception as error:
            print(f"{source}\n{type(error).__name__}: {error}\n", flush=True)
    print(tried, "programs tried")


if __name__ == "__main__":
    search(int(sys.argv[1]), float(sys.argv[2]))
