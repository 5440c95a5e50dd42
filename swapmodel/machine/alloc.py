"""Allocation and free: the birth and death of heap objects."""

from .memory import Violation
from .operation import Cpu, may_sleep, operation


def _free(cpu: Cpu, p) -> None:
    if not p:
        return
    life = p._object.life
    if life < 0:
        raise Violation("double free", f"{p} is freed, but it is static")
    birth = next(n for n, pointer in p._object._births.items() if pointer is p)
    if cpu.raw_load(life) != birth:
        raise Violation("double free", f"{p} is freed twice")
    cpu.raw_store(life, -birth)


@operation()
def kfree(cpu: Cpu, p):
    """kfree(p), free_percpu(p): the object is dead from here on; NULL is ignored. One step: from the first moment on
    the allocator may hand the memory to somebody else."""
    _free(cpu, p)


@operation()
@may_sleep
def vfree(cpu: Cpu, p):
    """vfree(p): unmaps and frees; may sleep. One step for the same reason as kfree()."""
    _free(cpu, p)


@operation()
@may_sleep
def kvfree(cpu: Cpu, p):
    """kvfree(p): vfree() or kfree(); may sleep."""
    _free(cpu, p)


@operation()
def free_unref_folio(cpu: Cpu, folio):
    """What folio_put() does when the last reference is gone: the pages go back to the buddy allocator."""
    _free(cpu, folio)


@operation()
@may_sleep
def kvzalloc(cpu: Cpu, p):
    """kvzalloc(): the next birth of a freed object, zeroed. The model's heap has one place per object, so that a stale
    pointer to a reused object is told from a fresh one by its birth."""
    life = p._object.life
    birth = -cpu.raw_load(life) + 1
    if birth < 1:
        raise Violation("double free", f"{p} is allocated while it lives")
    cpu.raw_store(life, birth)
    for word in p._object.words:
        cpu.raw_store(word, 0)
    return p._object.at(birth)
