"""The arguments of each operation, as its twin in operations.js takes them.

An address is its number in the document's table; an object, its number and the birth that is meant. Last comes, where it is no
address, the name of what the operation is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..machine import NULL, Operation, Pointer
from .values import birth_of, encode


class Tables(Protocol):
    """What lowering needs of the document: the numbers of addresses and objects."""

    def address(self, address: Any) -> int: ...

    def object(self, obj: Any) -> int: ...


def lowered(operation: Operation, me: int, tables: Tables) -> list[Any]:
    """The arguments of `operation` in thread `me`. KeyError for an operation that has no twin."""
    return SHAPES[operation.name](tables, me, *operation.arguments)


def _addresses(count: int = 1) -> Callable[..., list[Any]]:
    """`count` addresses first, values behind them."""

    def lower(tables: Tables, me: int, *arguments: Any) -> list[Any]:
        return [*map(tables.address, arguments[:count]), *map(encode, arguments[count:])]

    return lower


def _counted(tables: Tables, me: int, n: int, p: Any) -> list[Any]:
    return [encode(n), tables.address(p)]


def _copied(tables: Tables, me: int, p: Any, first: int, values: Any) -> list[Any]:
    return [[tables.address(p[first + i]) for i in range(len(values))], [encode(v) for v in values], repr(p)]


def _filled(tables: Tables, me: int, p: Any, first: int, count: int, value: Any) -> list[Any]:
    return [[tables.address(p[i]) for i in range(first, first + count)], encode(value), repr(p)]


def _folio(tables: Tables, me: int, folio: Any) -> list[Any]:
    return [tables.address(folio.locked), repr(folio)]


def _object(tables: Tables, me: int, p: Any) -> list[Any]:
    """[object, birth, name], or nothing for NULL."""
    return [tables.object(p._object), birth_of(p), repr(p)] if p is not NULL else []


def _pool(tables: Tables, me: int, pool: Any) -> list[Any]:
    return [[tables.object(p._object) for p in pool]]


def _mine(tables: Tables, me: int, per_cpu: Any) -> list[Any]:
    return [encode(per_cpu[me]), *([repr(per_cpu)] if isinstance(per_cpu, Pointer) else [])]


def _values(tables: Tables, me: int, *arguments: Any) -> list[Any]:
    return [encode(a) for a in arguments]


WORDS = (
    *("READ_ONCE", "WRITE_ONCE", "read", "write", "init_store", "xchg", "cmpxchg", "user_load", "user_store"),
    *("atomic_dec_and_test", "atomic_inc_not_zero", "folio_ref_freeze", "wait_var_event"),
    *("spin_lock", "spin_trylock", "spin_unlock", "spin_lock_irq", "spin_unlock_irq"),
    *("spin_lock_not_rcu", "spin_trylock_not_rcu", "spin_unlock_not_rcu", "spin_lock_irq_not_rcu", "spin_unlock_irq_not_rcu"),
    *("mutex_lock", "mutex_unlock", "down_read", "down_write", "up_read", "up_write", "downgrade_write"),
    *("percpu_ref_tryget_live", "percpu_ref_put", "percpu_ref_kill", "percpu_ref_resurrect", "percpu_ref_init_dead"),
    *("wait_for_completion", "complete"),
)
BARE = (
    *("local_irq_disable", "local_irq_enable", "rcu_read_lock", "rcu_read_unlock", "BUG", "WARN"),
    *("start_poll_synchronize_rcu", "cond_synchronize_rcu", "schedule_timeout_uninterruptible", "schedule_point"),
    *("enter_from_user_mode", "exit_to_user_mode", "might_sleep", "lockdep_sys_exit"),
)
SHAPES: dict[str, Callable[..., list[Any]]] = {
    **dict.fromkeys(WORDS, _addresses()),
    **dict.fromkeys(BARE, _values),
    **dict.fromkeys(("folio_lock", "folio_trylock", "folio_unlock"), _folio),
    **dict.fromkeys(("kfree", "vfree", "kvfree", "free_unref_folio", "kvzalloc"), _object),
    **dict.fromkeys(("atomic_add", "atomic_sub_and_test"), _counted),
    "memcpy": _copied,
    "memset": _filled,
    "alloc_page": _pool,
    "raw_cpu_ptr": _mine,
}
