"""Struct layouts: members grouped by the lock that guards them, as xv6's proc.h does in comments; here they are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Field:
    """One member of a struct. `guarded_by` names the lock of the same struct that every write must hold."""

    def __init__(
        self,
        default: Any = 0,
        *,
        guarded_by: str | None = None,
        show: Callable[[Any], str] = str,
        words: tuple[str, ...] = ("",),
        lockless: bool = False,
        constant: bool = False,
        writers: tuple[str, ...] = (),
        readers: tuple[str, ...] = (),
        stable: bool = False,
        release: str | None = None,
        spins: bool = False,
        sync: bool = False,
        held: Callable[[Any, int], bool] | None = None,
        zero: Any = None,
    ):
        self.default, self.guarded_by, self.show, self.words = default, guarded_by, show, words
        self.lockless = lockless or bool(readers)  # may be read without the lock that guards it
        self.readers = readers  # the only functions that do so, if named
        self.constant = constant  # never written
        self.writers = writers  # the only functions that write it, if named
        self.stable = stable  # may be read after the object was freed: type-stable memory (struct page)
        self.spins = spins  # a spinlock
        self.sync = sync or held is not None  # a lock or a completion: others only wait for it
        self.held = held  # of a lock: does this value say that thread t holds it?
        # what a zeroed object has here: 0, or NULL or an empty list in a member that holds those
        self.zero = zero if zero is not None else 0 if isinstance(default, int) else default
        self.release = release  # of a percpu_ref: the completion that its release callback completes


def word(default: Any = 0, **options: Any) -> Field:
    """An integer, a pointer or another value that one instruction reads or writes."""
    return Field(default, **options)


def spinlock_t() -> Field:
    """include/linux/spinlock_types.h. 0: free, t + 1: held by thread t."""
    return Field(0, show=_holder, spins=True, held=_owns)


def mutex_t() -> Field:
    """include/linux/mutex.h. 0: free, t + 1: held by thread t."""
    return Field(0, show=_holder, held=_owns)


def rw_semaphore() -> Field:
    """include/linux/rwsem.h. 0: free, a positive bit mask of the readers, or -(t + 1) for the writer t."""
    return Field(0, held=lambda value, t: bool(value == -(t + 1) or (value > 0 and value & 1 << t)))


def completion_t() -> Field:
    """include/linux/completion.h. The number of complete() calls not yet waited for."""
    return Field(0, sync=True)


def percpu_ref_t(release: str) -> Field:
    """include/linux/percpu-refcount.h. Three words: references, dead?, readers its own grace period waits for.

    `release` names the completion of the same struct that the release callback completes.
    """
    return Field(0, words=("", ".dead", ".gp"), release=release)


def _owns(value: Any, t: int) -> bool:
    return bool(value == t + 1)


def _holder(value: Any) -> str:
    return "free" if not value else "held"


class Struct:
    """Base of a struct layout: class attributes that are `Field`s, grouped by the lock that guards them."""

    @classmethod
    def fields(cls) -> dict[str, Field]:
        return {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
