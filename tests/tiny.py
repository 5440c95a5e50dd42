"""A system small enough to look at every execution of it: two threads, two words, a lock."""

from swapmodel.machine import READ_ONCE, WRITE_ONCE, Memory, Struct, spin_lock, spin_unlock, spinlock_t, word
from swapmodel.program import Program, System


class pair(Struct):
    lock = spinlock_t()
    x = word()
    y = word()


def first(t):
    yield WRITE_ONCE(t.x, 1)
    yield spin_lock(t.lock)
    seen = yield READ_ONCE(t.y)
    yield WRITE_ONCE(t.y, seen + 1)
    yield spin_unlock(t.lock)


def second(t):
    yield spin_lock(t.lock)
    yield WRITE_ONCE(t.y, 1)
    yield READ_ONCE(t.x)
    yield spin_unlock(t.lock)
    yield WRITE_ONCE(t.x, 2)
    yield READ_ONCE(t.y)


def tiny():
    memory = Memory(["first", "second"])
    t = memory.new(pair, "t")
    return System(memory, [Program("first", lambda: first(t)), Program("second", lambda: second(t))])
