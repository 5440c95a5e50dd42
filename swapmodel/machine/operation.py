"""What an operation is: one atomic step on shared memory, taken by one thread."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .memory import Address, Memory, Violation

BLOCKED = object()  # what an operation returns when it can't be taken now

# A thread's context word counts what it is inside of. Any RCU or KERNEL bit makes the thread an RCU reader.
ATOMIC = 0x1  # spinlocks, preempt_disable(), interrupts off: must not sleep
RCU = 0x100  # RCU read-side sections: must not sleep voluntarily, holds back grace periods
SLEEPLESS = 0xFFFF
KERNEL = 0x10000  # running in a kernel that is not preempted (preempt="none"): holds back grace periods


class Operation:
    """One step: a kernel primitive and the words it is about. Hashable and comparable, so that steps can be merged."""

    __slots__ = ("arguments", "effect", "name")

    def __init__(self, name: str, effect: Callable[..., Any], arguments: tuple[Any, ...]):
        self.name, self.effect, self.arguments = name, effect, arguments

    @property
    def address(self) -> Any:
        """What the operation is about: the first argument, if that names memory."""
        first = self.arguments[0] if self.arguments else None
        return first if isinstance(first, Address) or hasattr(first, "_object") else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self.name == other.name and self.arguments == other.arguments

    def __hash__(self) -> int:
        return hash((self.name, self.arguments))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"

    def __iter__(self) -> Any:
        raise TypeError(f"{self.name}() is one operation: write `yield {self.name}(...)`, not `yield from`")

    @property
    def blocks(self) -> bool:
        """May another thread make it wait?"""
        blocks = self.effect.blocks  # type: ignore[attr-defined]
        return bool(blocks(*self.arguments) if callable(blocks) else blocks)

    def releases(self, cpu: Cpu) -> bool:
        """Does it only let others go on, in memory that is never freed? Then taking it at once hides nothing."""
        address, releases = self.address, self.effect.releases  # type: ignore[attr-defined]
        return bool(releases(cpu) if callable(releases) else releases) and (address is None or address.life < 0)

    def peeks(self, memory: Memory) -> bool:
        """Does it look at what others only wait for: a lock, a completion, a killed percpu_ref? Then nothing can be put off."""
        if self.effect.syncs:  # type: ignore[attr-defined]
            return self.name in ("spin_trylock", "spin_trylock_not_rcu", "percpu_ref_resurrect")
        return any(isinstance(a, Address) and a.word in memory.sync for a in self.arguments)

    def apply(self, cpu: Cpu) -> Any:
        """Takes the step on `cpu`: returns its value, or BLOCKED (and nothing has changed). May raise Violation."""
        return self.effect(cpu, *self.arguments)

    def moves(self, cpu: Cpu) -> int:
        """VISIBLE, INVISIBLE or ACQUIRE, for the thread and the words of `cpu`."""
        moves = self.effect.moves  # type: ignore[attr-defined]
        return moves if isinstance(moves, int) else moves(cpu, *self.arguments)

    def sleep(self, cpu: Cpu) -> bool:
        """A blocked thread that may sleep goes to sleep: under preempt="none" this is a quiescent state.

        False when it can't sleep, or when nothing waits for this thread."""
        if cpu.memory.preempt == "full" or not getattr(self.effect, "may_sleep", False):
            return False
        return cpu.quiescent_state()


class Cpu:
    """What operations see: the words, checked access to them, and the thread that takes the step. Stores are collected in
    `writes`; `words` stay as they are."""

    __slots__ = ("me", "memory", "words", "writes")

    def __init__(self, memory: Memory, words: Any, me: int):
        self.memory, self.words, self.me = memory, words, me
        self.writes: dict[int, Any] = {}

    def after(self) -> tuple[Any, ...]:
        """The words with the stores applied."""
        words = list(self.words)
        for word, value in self.writes.items():
            words[word] = value
        return tuple(words)

    def load(self, address: Address) -> Any:
        """The value at `address`; a Violation if nothing lives there, or if only holders of its lock may look."""
        self._live(address)
        if address.guard is not None and not address.lockless:
            self.check_held(address, "read")
        return self.raw_load(address.word)

    def store(self, address: Address, value: Any) -> None:
        """Stores `value`; a Violation if nothing lives there or the lock that guards it is not held."""
        self._live(address)
        if address.constant:
            raise Violation("lock misuse", f"{address} never changes once the device is in use, but is written", address)
        if address.guard is not None:
            self.check_held(address, "written")
        self.raw_store(address.word, value)

    def initialise(self, address: Address, value: Any) -> None:
        """Stores without the lock that guards the word: its object is not yet in use."""
        self._live(address)
        self.raw_store(address.word, value)

    def raw_store(self, word: int, value: Any) -> None:
        self.writes[word] = value

    def raw_load(self, word: int) -> Any:
        return self.writes[word] if word in self.writes else self.words[word]

    def check_held(self, address: Address, verb: str) -> None:
        guard = address.guard
        if guard is not None and not self.holds_guard(address):
            raise Violation("lock misuse", f"{address} is {verb} without {guard}", address)

    def holds_guard(self, address: Address) -> bool:
        return address.guard is not None and self.raw_load(address.guard.word) == self.me + 1

    def _live(self, address: Address) -> None:
        if not isinstance(address, Address):
            raise TypeError(f"an operation needs the address of a word, not {address!r}")
        if address.word < 0:
            raise Violation(address.fault, f"{address} is touched", address)
        if address.life >= 0 and self.raw_load(address.life) != address.birth:
            raise Violation("use after free", f"{address} is touched after it was freed", address)

    # ---- contexts: atomic sections, RCU readers, quiescent states -----------------------------------------------

    def enter(self, bits: int) -> None:
        word = self.memory.context[self.me]
        self.raw_store(word, self.raw_load(word) + bits)

    def leave(self, bits: int) -> None:
        word = self.memory.context[self.me]
        before = self.raw_load(word)
        if before & 0xFF < bits & 0xFF or before >> 8 & 0xFF < bits >> 8 & 0xFF:
            raise Violation("lock misuse", "an atomic or RCU section ends that never began")
        self.raw_store(word, before - bits)
        if before >= RCU > before - bits:
            self.quiescent_state()

    def might_sleep(self, what: str) -> None:
        """kernel: might_sleep(). A Violation inside a spinlock, with interrupts off or in an RCU read-side section."""
        if self.raw_load(self.memory.context[self.me]) & SLEEPLESS:
            raise Violation("sleeping while atomic", f"{what} may sleep inside an atomic section")

    def readers(self) -> int:
        """Bit mask of the other threads that are RCU readers now."""
        context = self.memory.context
        return sum(1 << t for t in range(len(context)) if t != self.me and self.raw_load(context[t]) >= RCU)

    def is_reader(self) -> bool:
        return bool(self.raw_load(self.memory.context[self.me]) >= RCU)

    def reader_depth(self) -> int:
        """In how many RCU read-side sections the thread is. A large number where nobody ever waits for a grace period that
        this thread could hold back: then entering and leaving them is its own affair."""
        depth: int = self.raw_load(self.memory.context[self.me]) // RCU
        return depth if self.me in self.memory.watched else 1 << 20

    def sleep_is_seen(self) -> bool:
        """Under preempt="none" a thread that is made to wait goes to sleep, and no grace period waits for it any longer: so
        what makes it wait can be noticed. False where no grace period can wait for another thread."""
        return self.memory.preempt == "none" and bool(self.memory.watched - {self.me})

    def quiescent_state(self) -> bool:
        """No grace period waits any longer for what this thread read before now. False if none did."""
        mine, waited = 1 << self.me, False
        for gp in self.memory.grace:
            if self.raw_load(gp) & mine:
                self.raw_store(gp, self.raw_load(gp) & ~mine)
                waited = True
        for ref, done in self.memory.refs:
            if self.raw_load(ref + 2) & mine:
                self.raw_store(ref + 2, self.raw_load(ref + 2) & ~mine)
                self.release_if_idle(ref, done)
                waited = True
        return waited

    def release_if_idle(self, ref: int, done: int) -> None:
        """The release callback of a percpu_ref: dead, its own grace period over, and no reference left."""
        if self.raw_load(ref + 1) and not self.raw_load(ref + 2) and not self.raw_load(ref):
            self.raw_store(done, self.raw_load(done) + 1)


# How a step relates to the steps of other threads: see explore.py, "Steps that move".
VISIBLE = 0  # others can tell whether it was taken before or after theirs
INVISIBLE = 1  # they can't, while its thread holds what it holds
ACQUIRE = 2  # taking a lock: it can be put off past steps of others, because none of them could have taken that lock


def operation(
    *,
    moves: Callable[..., int] | int = VISIBLE,
    blocks: Callable[..., bool] | bool = False,
    releases: Callable[[Cpu], bool] | bool = False,
    syncs: bool = False,
) -> Callable[..., Any]:
    """Makes `effect(cpu, ...)`, which runs as one atomic step, into the constructor of that operation.

    `moves(cpu, ...)` is one of the three kinds above; `blocks`: it may have to wait; `releases`: all it does for others is
    to let them go on; `syncs`: it is one of the operations that locks and completions are for."""

    def decorate(effect: Callable[..., Any]) -> Callable[..., Operation]:
        name = effect.__name__
        effect.moves, effect.blocks, effect.releases = moves, blocks, releases  # type: ignore[attr-defined]
        effect.syncs = syncs  # type: ignore[attr-defined]

        @functools.wraps(effect)
        def construct(*arguments: Any, new: Any = Operation.__new__) -> Operation:
            made: Operation = new(Operation)  # not Operation(...): this is where a session spends its time
            made.name, made.effect, made.arguments = name, effect, arguments
            return made

        construct.is_operation = True  # type: ignore[attr-defined]
        del construct.__wrapped__  # the signature people should see has no cpu
        return construct

    return decorate


def may_sleep(effect: Callable[..., Any]) -> Callable[..., Any]:
    """Marks an operation that may sleep: a Violation in atomic context, a schedule point when it blocks."""
    name = effect.__name__

    @functools.wraps(effect)
    def checked(cpu: Cpu, *arguments: Any) -> Any:
        cpu.might_sleep(f"{name}()")
        return effect(cpu, *arguments)

    checked.may_sleep = True  # type: ignore[attr-defined]
    return checked
