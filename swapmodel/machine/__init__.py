"""The machine that kernel functions run on: words, objects with lifetimes, and the operations a step can be.

Sequential consistency only: every operation is one step and all threads see all steps in one order. smp_wmb(), smp_rmb()
and READ_ONCE()'s ordering against reordering hardware are therefore not modelled.
"""

from .access import (
    BUG,
    READ_ONCE,
    WARN,
    WRITE_ONCE,
    atomic_add,
    atomic_dec_and_test,
    atomic_inc_not_zero,
    atomic_sub_and_test,
    cmpxchg,
    folio_ref_freeze,
    init_store,
    memcpy,
    memset,
    read,
    user_load,
    user_store,
    write,
    xchg,
)
from .alloc import alloc_page, free_unref_folio, kfree, kvfree, kvzalloc, vfree
from .layout import Field, Struct, completion_t, mutex_t, percpu_ref_t, rw_semaphore, spinlock_t, word
from .locks import (
    down_read,
    down_write,
    downgrade_write,
    folio_lock,
    folio_trylock,
    folio_unlock,
    local_irq_disable,
    local_irq_enable,
    mutex_lock,
    mutex_unlock,
    preempt_disable,
    preempt_enable,
    spin_lock,
    spin_lock_irq,
    spin_lock_irq_not_rcu,
    spin_lock_not_rcu,
    spin_trylock,
    spin_trylock_not_rcu,
    spin_unlock,
    spin_unlock_irq,
    spin_unlock_irq_not_rcu,
    spin_unlock_not_rcu,
    up_read,
    up_write,
)
from .memory import NULL, Address, Global, Memory, Pointer, Violation
from .operation import (
    ACQUIRE,
    ATOMIC,
    BLOCKED,
    INVISIBLE,
    KERNEL,
    RCU,
    SLEEPLESS,
    VISIBLE,
    Cpu,
    Operation,
    may_sleep,
    operation,
)
from .rcu import (
    complete,
    cond_synchronize_rcu,
    percpu_ref_init_dead,
    percpu_ref_kill,
    percpu_ref_put,
    percpu_ref_resurrect,
    percpu_ref_tryget_live,
    rcu_read_lock,
    rcu_read_unlock,
    start_poll_synchronize_rcu,
    synchronize_rcu,
    wait_for_completion,
)
from .sched import (
    cond_resched_full,
    cond_resched_none,
    enter_from_user_mode,
    exit_to_user_mode,
    lockdep_sys_exit,
    might_sleep,
    raw_cpu_ptr,
    schedule_point,
    schedule_timeout_uninterruptible,
    syscall_full,
    syscall_none,
    wait_var_event,
)

__all__ = [name for name in dir() if not name.startswith("_")]
