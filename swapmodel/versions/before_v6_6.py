"""Kernels before v6.6: pte_offset_map() begins no RCU read-side section (a349d72fd9ef)."""


def pte_offset_map(mm):
    """mm/pgtable-generic.c before a349d72fd9ef (v6.6): no RCU read-side section of its own."""
    return
    yield


def pte_unmap(mm):
    """include/linux/pgtable.h before a349d72fd9ef: nothing to end."""
    return
    yield
