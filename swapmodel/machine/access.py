"""Loads, stores and atomic read-modify-writes of one word; assertions."""

from .memory import Address, Violation
from .operation import INVISIBLE, VISIBLE, Cpu, operation


def _load_moves(cpu: Cpu, p: Address) -> int:
    """A load is invisible where nobody else can store: a constant, a word that only this thread names or writes, or what
    a lock guards that this thread holds."""
    mine = p.private == cpu.me or p.writer == cpu.me
    return INVISIBLE if p.constant or mine or cpu.holds_guard(p) else VISIBLE


def _store_moves(cpu: Cpu, p: Address, *_: object) -> int:
    """A store is invisible where nobody else can load, or not without the lock that this thread holds."""
    return INVISIBLE if p.private == cpu.me or (not p.lockless and cpu.holds_guard(p)) else VISIBLE


@operation(moves=_load_moves)
def READ_ONCE(cpu: Cpu, p: Address):
    """READ_ONCE(*p), data_race(*p) and lockless plain loads. One step: a naturally aligned load is one instruction."""
    return cpu.load(p)


@operation(moves=_store_moves)
def WRITE_ONCE(cpu: Cpu, p: Address, value):
    """WRITE_ONCE(*p, value). One step: a naturally aligned store is one instruction."""
    cpu.store(p, value)


@operation(moves=_load_moves)
def read(cpu: Cpu, p: Address):
    """A plain load `*p`. One step; where the layout names a guard, the guard must be held (so it can't race a write)."""
    cpu.check_held(p, "read")
    return cpu.load(p)


@operation(moves=_store_moves)
def write(cpu: Cpu, p: Address, value):
    """A plain store `*p = value`. One step; where the layout names a guard, the guard must be held."""
    cpu.store(p, value)


@operation()
def init_store(cpu: Cpu, p: Address, value):
    """A plain store into an object that is being set up and that nobody else can reach yet: the lock that guards the member
    later on is not held. Nothing checks that nobody reaches it, except that it lives."""
    cpu.initialise(p, value)


@operation()
def memcpy(cpu: Cpu, p, first: int, values):
    """memcpy(p + first, values), and a device's DMA into its own blocks. One step: see the caller for who could look."""
    for i, value in enumerate(values):
        cpu.store(p[first + i], value)


@operation()
def user_load(cpu: Cpu, p: Address, i: int):
    """A plain load of user space from page i of a folio: `p` is the content of the folio, one value a page."""
    return cpu.load(p)[i]


@operation()
def user_store(cpu: Cpu, p: Address, i: int, value):
    """A plain store of user space into page i of a folio; the other pages' values stay."""
    values = cpu.load(p)
    cpu.store(p, (*values[:i], value, *values[i + 1 :]))


@operation()
def memset(cpu: Cpu, p, first: int, count: int, value):
    """memset(p + first, value, count) on memory whose guard is held. One step: only lockless readers could tell the
    difference, and each of them reads one byte, which it finds before or after."""
    for i in range(first, first + count):
        cpu.store(p[i], value)


@operation()
def xchg(cpu: Cpu, p: Address, value):
    """xchg(p, value): returns the old value. One step: a locked instruction."""
    old = cpu.load(p)
    cpu.store(p, value)
    return old


@operation()
def cmpxchg(cpu: Cpu, p: Address, old, new):
    """cmpxchg(p, old, new), and xa_cmpxchg_irq() whose xa_lock covers nothing else: returns what was found."""
    found = cpu.load(p)
    if found == old:
        cpu.store(p, new)
    return found


@operation()
def atomic_add(cpu: Cpu, n: int, p: Address):
    """atomic_long_add(n, p). One step: a locked instruction."""
    cpu.store(p, cpu.load(p) + n)


@operation()
def atomic_dec_and_test(cpu: Cpu, p: Address):
    """atomic_dec_and_test(p): true when the result is 0. One step: a locked instruction."""
    left = cpu.load(p) - 1
    if left < 0:
        raise Violation("reference count underflow", f"{p} drops below zero", p)
    cpu.store(p, left)
    return left == 0


@operation()
def atomic_sub_and_test(cpu: Cpu, n: int, p: Address):
    """atomic_sub_and_test(n, p): true when the result is 0. One step: a locked instruction."""
    left = cpu.load(p) - n
    if left < 0:
        raise Violation("reference count underflow", f"{p} drops below zero", p)
    cpu.store(p, left)
    return left == 0


@operation()
def atomic_inc_not_zero(cpu: Cpu, p: Address):
    """atomic_inc_not_zero(p): false, and nothing changed, when it is 0. One step: a cmpxchg loop that can't be seen."""
    found = cpu.load(p)
    if found:
        cpu.store(p, found + 1)
    return bool(found)


@operation()
def folio_ref_freeze(cpu: Cpu, p: Address, expected: int):
    """folio_ref_freeze(folio, expected), p being its refcount: it drops from exactly `expected` to 0, or nothing happens and
    the answer is false. One step: a cmpxchg."""
    if cpu.load(p) != expected:
        return False
    cpu.store(p, 0)
    return True


@operation()
def BUG(cpu: Cpu, why: str):
    """BUG(), VM_BUG_ON(): the kernel stops here."""
    raise Violation("kernel BUG", why)


@operation()
def WARN(cpu: Cpu, why: str):
    """WARN(), WARN_ON(): the kernel says that something is wrong; reported as a violation."""
    raise Violation("kernel WARNING", why)
