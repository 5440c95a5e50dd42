"""The scheduler's edge: schedule points, sleeping, entering and leaving the kernel.

Who runs next is the explorer's choice at every step. What depends on `preempt` is only when a thread is an RCU reader:
under "none" all kernel code is, between one schedule point and the next.
"""

from .locks import hides_nothing
from .memory import Violation
from .operation import BLOCKED, INVISIBLE, KERNEL, SLEEPLESS, VISIBLE, Cpu, may_sleep, operation


@operation()
@may_sleep
def schedule_timeout_uninterruptible(cpu: Cpu, jiffies: int):
    """schedule_timeout_uninterruptible(n): sleeps. How long does not matter: any other thread may run meanwhile."""
    cpu.quiescent_state()


def wait_moves(cpu: Cpu, p, value) -> int:
    """Where this thread holds the lock that guards the word, nobody else can change it."""
    return INVISIBLE if cpu.holds_guard(p) else VISIBLE


@operation(moves=wait_moves, blocks=True)
@may_sleep
def wait_var_event(cpu: Cpu, p, value):
    """wait_var_event(): sleeps until the word equals `value`. One step: the test that succeeds."""
    return None if cpu.load(p) == value else BLOCKED


@operation()
@may_sleep
def schedule_point(cpu: Cpu):
    """The schedule() inside cond_resched(): a quiescent state. Taken always under preempt="none": a cond_resched() that
    does not reschedule only makes grace periods longer, which the scheduler can do anyway."""
    cpu.quiescent_state()


def enter_moves(cpu: Cpu) -> int:
    return VISIBLE if cpu.sleep_is_seen() else INVISIBLE


@operation(moves=enter_moves)
def enter_from_user_mode(cpu: Cpu):
    """enter_from_user_mode(): the system call begins. Under preempt="none" the thread is an RCU reader from here on."""
    cpu.enter(KERNEL)


@operation(releases=hides_nothing)
def exit_to_user_mode(cpu: Cpu):
    """exit_to_user_mode(), or the last schedule() of an exiting task: a quiescent state."""
    word = cpu.memory.context[cpu.me]
    cpu.raw_store(word, cpu.raw_load(word) - KERNEL)
    cpu.quiescent_state()


@operation(moves=INVISIBLE)
def raw_cpu_ptr(cpu: Cpu, per_cpu):
    """raw_cpu_ptr(&per_cpu): this CPU's element. Every thread has a CPU of its own; a task that migrates afterwards goes
    on with the pointer it has, as in the kernel."""
    return per_cpu[cpu.me]


def cond_resched_none():
    """cond_resched() where the kernel is not preemptible: a schedule point."""
    yield schedule_point()


@operation(moves=INVISIBLE)
@may_sleep
def might_sleep(cpu: Cpu):
    """might_sleep() and __might_resched(): a debug check in every configuration; nothing else happens."""


def cond_resched_full():
    """cond_resched() where the kernel is preemptible: only the check, the task may be preempted anyway."""
    yield might_sleep()


@operation(moves=INVISIBLE, releases=True)
def lockdep_sys_exit(cpu: Cpu):
    """lockdep_sys_exit(), kernel/locking/lockdep.c: "lock held when returning to user space!". No lock and no RCU section
    outlives a system call."""
    if cpu.raw_load(cpu.memory.context[cpu.me]) & SLEEPLESS:
        raise Violation("lock misuse", "a system call ends inside an atomic or RCU section")
    for _, field, lock in cpu.memory.named:
        if field.held is not None and field.held(cpu.raw_load(lock.word), cpu.me):
            raise Violation("lock misuse", f"{lock} is still held at the end of a system call", lock)


def syscall_none(function, *arguments):
    """A system call from user mode and back, where kernel code is not preempted."""
    yield enter_from_user_mode()
    result = yield from function(*arguments)
    yield lockdep_sys_exit()
    yield exit_to_user_mode()
    return result


def syscall_full(function, *arguments):
    """A system call in a preemptible kernel: entering and leaving it can't be told from being preempted."""
    result = yield from function(*arguments)
    yield lockdep_sys_exit()
    return result
