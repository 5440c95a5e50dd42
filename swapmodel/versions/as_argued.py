"""as-argued: v6.8 as the seed thread reasoned about it, with page table locks that no grace period waits for.

No such kernel exists. Two facts are taken away: that a spinlock is an RCU reader, which nobody in the thread thought of before
Miaohe Lin did on 6 March 2024, and that pte_offset_map_lock() begins an RCU read-side section of its own."""

from ..machine import (
    spin_lock_irq_not_rcu,
    spin_lock_not_rcu,
    spin_trylock_not_rcu,
    spin_unlock_irq_not_rcu,
    spin_unlock_not_rcu,
)

SPINLOCK_IS_NO_READER = {
    "spin_lock": spin_lock_not_rcu,
    "spin_trylock": spin_trylock_not_rcu,
    "spin_unlock": spin_unlock_not_rcu,
    "spin_lock_irq": spin_lock_irq_not_rcu,
    "spin_unlock_irq": spin_unlock_irq_not_rcu,
}
