"""Spinlocks, interrupts, mutexes, rw-semaphores and the folio lock."""

from .memory import Address, Violation
from .operation import ACQUIRE, ATOMIC, BLOCKED, INVISIBLE, RCU, VISIBLE, Cpu, may_sleep, operation


def nested_leave_moves(cpu: Cpu, *_: object) -> int:
    """Leaving a section inside another one."""
    return INVISIBLE if cpu.reader_depth() > 1 else VISIBLE


def lock_moves(cpu: Cpu, lock: Address) -> int:
    """Taking a lock can be put off; taking one that only this thread takes can't be noticed at all."""
    return INVISIBLE if lock.private == cpu.me else ACQUIRE


def shared(lock: Address) -> bool:
    """Nobody waits for a lock that only this thread takes."""
    return lock.private < 0


def sleeping_lock_moves(cpu: Cpu, lock: Address) -> int:
    """As lock_moves(), but who waits for this lock sleeps."""
    return VISIBLE if lock.private != cpu.me and cpu.sleep_is_seen() else lock_moves(cpu, lock)


def hides_nothing(cpu: Cpu) -> bool:
    return not cpu.sleep_is_seen()


def mutex_unlock_moves(cpu: Cpu, lock: Address) -> int:
    """Nobody waits for a lock that only this thread takes."""
    return INVISIBLE if lock.private == cpu.me else VISIBLE


def spin_unlock_moves(cpu: Cpu, lock: Address) -> int:
    return nested_leave_moves(cpu) if lock.private == cpu.me else VISIBLE


def take(cpu: Cpu, lock: Address):
    holder = cpu.load(lock)
    if holder == cpu.me + 1:
        raise Violation("lock misuse", f"{lock} is taken by the thread that holds it: it waits for itself", lock)
    if holder:
        return BLOCKED
    cpu.raw_store(lock.word, cpu.me + 1)
    return None


def drop(cpu: Cpu, lock: Address) -> None:
    if cpu.load(lock) != cpu.me + 1:
        raise Violation("lock misuse", f"{lock} is released by a thread that does not hold it", lock)
    cpu.raw_store(lock.word, 0)


@operation(moves=lock_moves, blocks=shared, syncs=True)
def spin_lock(cpu: Cpu, lock: Address):
    """spin_lock(lock): waits, then owns it. One step: the locked instruction that succeeds; spinning before it changes
    nothing. Disables preemption, so the section is also an RCU reader (Documentation/RCU/whatisRCU.rst)."""
    if take(cpu, lock) is BLOCKED:
        return BLOCKED
    return cpu.enter(ATOMIC + RCU)


@operation(syncs=True)
def spin_trylock(cpu: Cpu, lock: Address):
    """spin_trylock(lock): true if it was free and is now owned. One step: one locked instruction."""
    if cpu.load(lock):
        return False
    cpu.raw_store(lock.word, cpu.me + 1)
    cpu.enter(ATOMIC + RCU)
    return True


@operation(moves=spin_unlock_moves, releases=True, syncs=True)
def spin_unlock(cpu: Cpu, lock: Address):
    """spin_unlock(lock). One step: the releasing store; the preempt_enable() after it can't be observed apart."""
    drop(cpu, lock)
    cpu.leave(ATOMIC + RCU)


@operation(moves=lock_moves, blocks=shared, syncs=True)
def spin_lock_irq(cpu: Cpu, lock: Address):
    """spin_lock_irq(lock), xa_lock_irq(): as spin_lock(), interrupts off too."""
    if take(cpu, lock) is BLOCKED:
        return BLOCKED
    return cpu.enter(2 * (ATOMIC + RCU))


@operation(releases=True, syncs=True)
def spin_unlock_irq(cpu: Cpu, lock: Address):
    """spin_unlock_irq(lock), xa_unlock_irq()."""
    drop(cpu, lock)
    cpu.leave(2 * (ATOMIC + RCU))


@operation(moves=lock_moves, blocks=shared, syncs=True)
def spin_lock_not_rcu(cpu: Cpu, lock: Address):
    """A spinlock as the seed thread thought of it: it excludes and must not sleep, but no grace period waits for it.

    No kernel since v4.20, when the RCU flavours were merged, has this lock; `as-argued` is built with it."""
    if take(cpu, lock) is BLOCKED:
        return BLOCKED
    return cpu.enter(ATOMIC)


@operation(moves=spin_unlock_moves, releases=True, syncs=True)
def spin_unlock_not_rcu(cpu: Cpu, lock: Address):
    """Releases what spin_lock_not_rcu() took."""
    drop(cpu, lock)
    cpu.leave(ATOMIC)


@operation(syncs=True)
def spin_trylock_not_rcu(cpu: Cpu, lock: Address):
    """spin_trylock() as spin_lock_not_rcu() is spin_lock()."""
    if cpu.load(lock):
        return False
    cpu.raw_store(lock.word, cpu.me + 1)
    cpu.enter(ATOMIC)
    return True


@operation(moves=lock_moves, blocks=shared, syncs=True)
def spin_lock_irq_not_rcu(cpu: Cpu, lock: Address):
    """spin_lock_irq() as spin_lock_not_rcu() is spin_lock()."""
    if take(cpu, lock) is BLOCKED:
        return BLOCKED
    return cpu.enter(2 * ATOMIC)


@operation(releases=True, syncs=True)
def spin_unlock_irq_not_rcu(cpu: Cpu, lock: Address):
    """Releases what spin_lock_irq_not_rcu() took."""
    drop(cpu, lock)
    cpu.leave(2 * ATOMIC)


@operation(moves=INVISIBLE)
def local_irq_disable(cpu: Cpu):
    """local_irq_disable(): no interrupt, no preemption, hence an RCU reader. Per-CPU state, so no other thread sees it."""
    cpu.enter(ATOMIC + RCU)


@operation(moves=nested_leave_moves)
def local_irq_enable(cpu: Cpu):
    """local_irq_enable()."""
    cpu.leave(ATOMIC + RCU)


preempt_disable, preempt_enable = local_irq_disable, local_irq_enable


@operation(moves=sleeping_lock_moves, blocks=shared, syncs=True)
@may_sleep
def mutex_lock(cpu: Cpu, lock: Address):
    """mutex_lock(lock): may sleep, then owns it. One step: the cmpxchg of the owner that succeeds."""
    return take(cpu, lock)


@operation(moves=mutex_unlock_moves, releases=hides_nothing, syncs=True)
def mutex_unlock(cpu: Cpu, lock: Address):
    """mutex_unlock(lock). One step: the cmpxchg of the owner; wake-ups are the scheduler's choice."""
    drop(cpu, lock)


@operation(moves=sleeping_lock_moves, blocks=shared, syncs=True)
@may_sleep
def down_read(cpu: Cpu, sem: Address):
    """down_read(sem), mmap_read_lock(): may sleep while there is a writer. Every order of grants is explored; a queued
    writer does not hold later readers back, so a deadlock that needs it to would be missed (no mm has three users here)."""
    value = cpu.load(sem)
    if value < 0:
        return BLOCKED
    if value & 1 << cpu.me:
        raise Violation("lock misuse", f"{sem} is taken for reading twice", sem)
    return cpu.raw_store(sem.word, value | 1 << cpu.me)


@operation(moves=sleeping_lock_moves, blocks=shared, syncs=True)
@may_sleep
def down_write(cpu: Cpu, sem: Address):
    """down_write(sem), mmap_write_lock(): may sleep until it is free."""
    value = cpu.load(sem)
    if value == -(cpu.me + 1) or (value > 0 and value & 1 << cpu.me):
        raise Violation("lock misuse", f"{sem} is taken by the thread that holds it: it waits for itself", sem)
    if value:
        return BLOCKED
    return cpu.raw_store(sem.word, -(cpu.me + 1))


@operation(releases=hides_nothing, syncs=True)
def up_read(cpu: Cpu, sem: Address):
    """up_read(sem), mmap_read_unlock()."""
    value = cpu.load(sem)
    if value <= 0 or not value & 1 << cpu.me:
        raise Violation("lock misuse", f"{sem} is released by a thread that does not hold it", sem)
    cpu.raw_store(sem.word, value & ~(1 << cpu.me))


@operation(releases=hides_nothing, syncs=True)
def up_write(cpu: Cpu, sem: Address):
    """up_write(sem), mmap_write_unlock()."""
    if cpu.load(sem) != -(cpu.me + 1):
        raise Violation("lock misuse", f"{sem} is released by a thread that does not hold it", sem)
    cpu.raw_store(sem.word, 0)


@operation(syncs=True)
def downgrade_write(cpu: Cpu, sem: Address):
    """downgrade_write(sem), mmap_write_downgrade(): the writer becomes a reader without letting anybody in."""
    if cpu.load(sem) != -(cpu.me + 1):
        raise Violation("lock misuse", f"{sem} is downgraded by a thread that does not hold it", sem)
    cpu.raw_store(sem.word, 1 << cpu.me)


@operation(blocks=True)
@may_sleep
def folio_lock(cpu: Cpu, folio):
    """folio_lock(folio): sets PG_locked, sleeping while it is set. One step: the test_and_set_bit that succeeds."""
    return take(cpu, folio.locked)


@operation()
def folio_trylock(cpu: Cpu, folio):
    """folio_trylock(folio): true if PG_locked was clear and is now ours. Allowed in atomic context."""
    if cpu.load(folio.locked):
        return False
    cpu.raw_store(folio.locked.word, cpu.me + 1)
    return True


@operation()
def folio_unlock(cpu: Cpu, folio):
    """folio_unlock(folio): clears PG_locked; wake-ups are the scheduler's choice."""
    if not cpu.load(folio.locked):
        raise Violation("lock misuse", f"{folio} is unlocked while it is not locked", folio.locked)
    cpu.raw_store(folio.locked.word, 0)
