"""RCU, percpu_ref, completions."""

from .locks import nested_leave_moves
from .memory import Address, Violation
from .operation import BLOCKED, INVISIBLE, RCU, Cpu, may_sleep, operation


@operation(moves=INVISIBLE)
def rcu_read_lock(cpu: Cpu):
    """rcu_read_lock(). A step of its own: a grace period that begins before it does not wait for this section. It may be put
    off like the taking of a lock: that only makes grace periods shorter, and both orders are real."""
    cpu.enter(RCU)


@operation(moves=nested_leave_moves, releases=True)
def rcu_read_unlock(cpu: Cpu):
    """rcu_read_unlock(): every grace period that waited for this section stops waiting for it."""
    cpu.leave(RCU)


@operation()
@may_sleep
def start_poll_synchronize_rcu(cpu: Cpu):
    """The first half of synchronize_rcu(): a grace period begins. It waits for exactly the read-side sections that have
    begun by now; sections that begin later see everything the caller did before."""
    cpu.quiescent_state()
    cpu.raw_store(cpu.memory.grace[cpu.me], cpu.readers())


@operation(blocks=True)
@may_sleep
def cond_synchronize_rcu(cpu: Cpu):
    """The second half of synchronize_rcu(): waits until the last of those sections has ended."""
    return BLOCKED if cpu.raw_load(cpu.memory.grace[cpu.me]) else None


def synchronize_rcu():
    """kernel/rcu/tree.c, v6.8. Returns when every RCU read-side section that had begun at the call has ended."""
    yield start_poll_synchronize_rcu()
    yield cond_synchronize_rcu()


@operation(syncs=True)
def percpu_ref_tryget_live(cpu: Cpu, ref: Address):
    """percpu_ref_tryget_live(ref): false once killed. One step although it is a test and an increment: both are in one
    RCU section, and the mode switch after a kill adds the counters up only after a grace period."""
    if cpu.load(ref) is None or cpu.raw_load(ref.word + 1):
        return False
    cpu.raw_store(ref.word, cpu.raw_load(ref.word) + 1)
    return True


@operation(syncs=True)
def percpu_ref_put(cpu: Cpu, ref: Address):
    """percpu_ref_put(ref): the last put after a kill runs the release callback. One step: a per-CPU decrement, or an
    atomic one after the switch."""
    count = cpu.load(ref) - 1
    if count < 0:
        raise Violation("reference count underflow", f"{ref} drops below zero", ref)
    cpu.raw_store(ref.word, count)
    cpu.release_if_idle(ref.word, _completion(cpu, ref))


@operation(syncs=True)
def percpu_ref_kill(cpu: Cpu, ref: Address):
    """percpu_ref_kill(ref): no new tryget_live succeeds; the initial reference is dropped. lib/percpu-refcount.c switches
    to atomic mode through call_rcu(), so the release callback comes only after a grace period that begins here."""
    if cpu.load(ref) is None or cpu.raw_load(ref.word + 1):
        raise Violation("kernel WARNING", f"{ref} is killed twice", ref)
    cpu.raw_store(ref.word + 1, 1)
    itself = 1 << cpu.me if cpu.is_reader() else 0  # call_rcu() waits for the caller's own section as well
    cpu.raw_store(ref.word + 2, cpu.readers() | itself)
    cpu.release_if_idle(ref.word, _completion(cpu, ref))


@operation(syncs=True)
def percpu_ref_resurrect(cpu: Cpu, ref: Address):
    """percpu_ref_resurrect(ref): a killed and released ref lives again."""
    cpu.load(ref)
    cpu.raw_store(ref.word + 1, 0)


@operation(syncs=True)
def percpu_ref_init_dead(cpu: Cpu, ref: Address):
    """percpu_ref_init(ref, PERCPU_REF_INIT_DEAD): no tryget_live succeeds before percpu_ref_resurrect()."""
    cpu.load(ref)
    cpu.raw_store(ref.word + 1, 1)


@operation(blocks=True, syncs=True)
@may_sleep
def wait_for_completion(cpu: Cpu, done: Address):
    """wait_for_completion(done): sleeps until there was a complete() for it. One step: the decrement of ->done under
    the wait queue's lock."""
    count = cpu.load(done)
    if not count:
        return BLOCKED
    return cpu.raw_store(done.word, count - 1)


@operation(syncs=True)
def complete(cpu: Cpu, done: Address):
    """complete(done)."""
    cpu.store(done, cpu.load(done) + 1)


def _completion(cpu: Cpu, ref: Address) -> int:
    return next(done for first, done in cpu.memory.refs if first == ref.word)
