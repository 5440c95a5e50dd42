"""Protections, taken away one at a time: each rule is a set of operations that protect less than the kernel's do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..edits import Replace, edited
from ..kernel import Kernel, Replacements, base
from ..machine import BLOCKED, Address, Cpu, operation
from ..machine.operation import ATOMIC, RCU
from ..program import System
from ..versions import before_v6_6, functions_of
from ..versions.as_argued import SPINLOCK_IS_NO_READER

TAKING = {
    "spin_lock": ATOMIC + RCU,
    "spin_trylock": ATOMIC + RCU,
    "spin_lock_irq": 2 * (ATOMIC + RCU),
    "spin_lock_not_rcu": ATOMIC,
    "spin_trylock_not_rcu": ATOMIC,
    "spin_lock_irq_not_rcu": 2 * ATOMIC,
    "mutex_lock": 0,
    "down_read": 0,
    "down_write": 0,
    "folio_lock": 0,
    "folio_trylock": 0,
}
DROPPING = {
    "spin_unlock": ATOMIC + RCU,
    "spin_unlock_irq": 2 * (ATOMIC + RCU),
    "spin_unlock_not_rcu": ATOMIC,
    "spin_unlock_irq_not_rcu": 2 * ATOMIC,
    "mutex_unlock": 0,
    "up_read": 0,
    "up_write": 0,
    "downgrade_write": 0,
    "folio_unlock": 0,
}


class Rule(NamedTuple):
    """`told`: the protection, as a clause about the kernel. `replaces`: what takes it away. `lock`: the class of locks that
    then exclude nobody, and that need not be held. `last_resort`: tried only if nothing before it was needed."""

    told: str
    replaces: Replacements
    lock: str = ""
    last_resort: bool = False


def rules(kernel: Kernel, system: System) -> Iterator[Rule]:
    """What keeps the threads of `system` apart, the larger things first."""
    gp = _waits_never(kernel, "cond_synchronize_rcu")
    completion = _waits_never(kernel, "wait_for_completion")
    yield Rule("synchronize_rcu() waits for readers", gp)
    yield Rule("swapoff waits in wait_for_completion() for references to the device", completion)
    yield Rule("grace periods wait for readers, that of percpu_ref_kill() too", {**gp, **_kills_at_once(kernel)})
    yield Rule("swapoff waits, for readers or for references", {**gp, **completion}, last_resort=True)
    if "spin_lock" not in kernel.replaces:
        yield Rule("a held page table lock is an RCU read-side section", _page_table_lock_is_no_reader(kernel))
        readers = {**functions_of(before_v6_6), **SPINLOCK_IS_NO_READER}
        yield Rule("a held spinlock is an RCU read-side section", readers)
    yield Rule("rcu_read_lock() is respected", {n: _does_nothing(n) for n in ("rcu_read_lock", "rcu_read_unlock")})
    for lock in lock_classes(system):
        yield Rule(f"{lock} excludes", without_exclusion(kernel, lock), lock)


def original(kernel: Kernel, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = kernel.replaces.get(name, base()[name])
    return found


def effect_of(constructor: Any) -> Any:
    """What an operation does, from the function that makes it."""
    cells = dict(zip(constructor.__code__.co_freevars, constructor.__closure__ or (), strict=True))
    return cells["effect"].cell_contents


def _waits_never(kernel: Kernel, name: str) -> Replacements:
    effect = effect_of(original(kernel, name))

    def weaker(cpu: Cpu, *arguments: Any) -> Any:
        value = effect(cpu, *arguments)
        return None if value is BLOCKED else value

    weaker.__name__ = name
    return {name: operation(syncs=bool(effect.syncs))(weaker)}


def _kills_at_once(kernel: Kernel) -> Replacements:
    effect = effect_of(original(kernel, "percpu_ref_kill"))

    def percpu_ref_kill(cpu: Cpu, ref: Address) -> None:
        effect(cpu, ref)
        if cpu.raw_load(ref.word + 2):
            cpu.raw_store(ref.word + 2, 0)
            cpu.release_if_idle(ref.word, next(done for first, done in cpu.memory.refs if first == ref.word))

    return {"percpu_ref_kill": operation(syncs=True)(percpu_ref_kill)}


def _does_nothing(name: str) -> Callable[..., Any]:
    def nothing(cpu: Cpu) -> None:
        return None

    nothing.__name__ = name
    made: Callable[..., Any] = operation()(nothing)
    return made


def _page_table_lock_is_no_reader(kernel: Kernel) -> Replacements:
    takes = edited("pte_offset_map_lock", Replace("spin_lock(", "spin_lock_not_rcu("), of=kernel.replaces, title="weaker")
    drops = edited("pte_unmap_unlock", Replace("spin_unlock(", "spin_unlock_not_rcu("), of=kernel.replaces, title="weaker")
    return {**functions_of(before_v6_6), "pte_offset_map_lock": takes, "pte_unmap_unlock": drops}


# ---- locks that exclude nobody -----------------------------------------------------------------------------------------


def class_of(name: str) -> str:
    """The locks of one struct member: "cluster_info[1].lock" and "cluster_info[0].lock" are both "cluster_info.lock"."""
    return re.sub(r"\[\d+\]|\d+(?=\.)", "", name)


def lock_classes(system: System) -> list[str]:
    """The classes of locks that two threads or more take, as far as their steps are known."""
    users: dict[str, set[int]] = {}
    for t, program in enumerate(system.programs):
        for step in program.steps:
            if step is not None and step.operation is not None and step.operation.name in TAKING:
                users.setdefault(class_of(_lock_name(step.operation.arguments[0])), set()).add(t)
    return [lock for lock, threads in users.items() if len(threads) > 1]


def _lock_name(argument: Any) -> str:
    return str(argument if isinstance(argument, Address) else argument.locked)


def without_exclusion(kernel: Kernel, lock: str) -> Replacements:
    """The operations on locks, which leave those of class `lock` alone: everybody goes on, and nobody holds them."""
    names = [n for n in (*TAKING, *DROPPING) if not n.endswith("_not_rcu")]
    return {n: _excludes_nobody(original(kernel, n), lock) for n in names}


def _excludes_nobody(constructor: Any, lock: str) -> Callable[..., Any]:
    effect = effect_of(constructor)
    name = effect.__name__
    bits = TAKING.get(name, DROPPING.get(name, 0))

    def weaker(cpu: Cpu, argument: Any) -> Any:
        if class_of(_lock_name(argument)) != lock:
            return effect(cpu, argument)
        cpu.load(argument if isinstance(argument, Address) else argument.locked)
        if getattr(effect, "may_sleep", False):
            cpu.might_sleep(f"{name}()")
        if bits and name in TAKING:
            cpu.enter(bits)
        elif bits:
            cpu.leave(bits)
        return True if "try" in name else None

    weaker.__name__ = name
    weaker.may_sleep = getattr(effect, "may_sleep", False)  # type: ignore[attr-defined]
    waits = name in TAKING and "try" not in name
    made: Callable[..., Any] = operation(syncs=bool(effect.syncs), blocks=waits)(weaker)
    return made


def locks_of(system: System, lock: str) -> list[Address]:
    """The words of this class of locks."""
    return [a for _, field, a in system.memory.named if field.held is not None and class_of(str(a)) == lock]


def drop_guards(system: System, lock: str) -> None:
    """Nobody holds the locks of class `lock`, so nothing may demand it."""
    addresses = [address for _, _, address in system.memory.named]
    for obj in system.memory.objects:
        for pointer in obj._births.values():
            addresses += [item for item in pointer._items if isinstance(item, Address)]
    for address in addresses:
        if address.guard is not None and class_of(str(address.guard)) == lock:
            address.guard, address.lockless = None, True
