"""Solutions of set 00."""

from __future__ import annotations

from typing import Any

import swapmodel
from swapmodel.machine import NULL


def ex00a(question: Any) -> Any:
    """Anonymous memory is freed under a page table lock. That is a spinlock, hence an RCU reader, and v6.8's swapoff
    calls synchronize_rcu() after inuse_pages read 0: it holds there, and on v6.9. On as-argued nobody waits for that
    lock, and v5.2 has no grace period at all. With MADV_DONTNEED the mm stays alive, so that swapoff waits for the lock
    itself, which it needs to look at the PTE: it holds on every kernel. shmem_free_swap() holds nothing, so that it needs
    the pin of v6.9; but in a kernel that is not preempted all kernel code is an RCU reader up to the next schedule point,
    and v5.2 does not even wait for that."""
    cases = question.cases.items()
    return {
        letter: swapmodel.check(c.scenario, c.kernel, preempt=c.preempt, shortest="any", nearest=False).verdict
        for letter, c in cases
    }


def ex00b(question: Any) -> Any:
    """The last line of the columns is the step that fails, and the names above it in the same column are its call stack.
    It dereferences NULL: that thread read it from a pointer. The other column has the store, `-> NULL`: it is swapoff's,
    in the critical section where it takes the pointers away. One word is asked for, the pointer that was read:
    si.swap_map."""
    steps = question.verdict.recorder.steps
    fault = steps[-1]
    read = [s for s in steps if s.thread == fault.thread and s.value is NULL][-1]
    kernel_files = [f.function for f in fault.stack if f.file.startswith(("mm/", "versions/"))]
    return str(read.operation.address), "swapoff", kernel_files[-1] if len(kernel_files) < 2 else _visible(kernel_files)


def _visible(functions: list[str]) -> str:
    """Without the parts that the model cut out of kernel functions, as the columns show them."""
    from swapmodel.versions import parts

    return [f for f in functions if f not in parts()][-1]


def ex00c(question: Any) -> Any:
    """An anonymous page: the thread holds its page table lock, a spinlock, and synchronize_rcu() waits for it. shmem on
    v6.9: it holds nothing but the pin that get_swap_device() took, and wait_for_completion() waits for that. shmem on a
    kernel without preemption: it has come by no schedule point since its system call began, and synchronize_rcu() waits
    for that."""
    if question.case.kernel == "v6.9":
        return "wait_for_completion", "a pin"
    return "synchronize_rcu", "no schedule point" if question.case.preempt == "none" else "a spinlock"
