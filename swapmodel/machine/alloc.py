"""Allocation and free: the birth and death of heap objects."""

from .memory import NULL, Violation
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
    """kvzalloc(), vzalloc(), alloc_percpu(): the next birth of an object, zeroed. The model's heap has one place per object, so
    that a stale pointer to a reused object is told from a fresh one by its birth."""
    if cpu.raw_load(p._object.life) > 0:
        raise Violation("double free", f"{p} is allocated while it lives")
    return _bear(cpu, p._object)


@operation()
def alloc_page(cpu: Cpu, pool):
    """alloc_pages(), kmem_cache_alloc(): the first free place of `pool`, zeroed; NULL when none is free, which is what -ENOMEM
    means here. One step: the allocator's own locks are nobody else's. The caller says whether it may sleep."""
    for p in pool:
        if cpu.raw_load(p._object.life) <= 0:
            return _bear(cpu, p._object)
    return NULL


def _bear(cpu: Cpu, obj):
    birth = 1 if obj.reused else -cpu.raw_load(obj.life) + 1
    cpu.raw_store(obj.life, birth)
    for word, zero in zip(obj.words, obj.zeroed, strict=True):
        cpu.raw_store(word, zero)
    return obj.at(birth)
