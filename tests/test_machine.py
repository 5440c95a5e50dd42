"""The machine's primitives, one by one: what each does, what blocks, what is a violation."""

import re

import pytest

from swapmodel import machine as m
from swapmodel.machine import BLOCKED, NULL, Cpu, Memory, Struct, Violation


class thing(Struct):
    lock = m.spinlock_t()
    value = m.word(guarded_by="lock")
    seen = m.word(guarded_by="lock", lockless=True)
    fixed = m.word(7, constant=True)
    mutex = m.mutex_t()
    sem = m.rw_semaphore()
    users = m.percpu_ref_t(release="comp")
    comp = m.completion_t()
    locked = m.word()
    count = m.word(1)


class World:
    """Two or three threads that take operations one at a time."""

    def __init__(self, threads=2, preempt="full"):
        self.memory = Memory([f"t{i}" for i in range(threads)], preempt)
        self.thing = self.memory.new(thing, "thing")
        self.heap = self.memory.new(thing, "heap", heap=True)
        self.words = tuple(self.memory.words)

    def __call__(self, t, operation):
        cpu = Cpu(self.memory, self.words, t)
        value = operation.apply(cpu)
        if value is BLOCKED:
            cpu = Cpu(self.memory, self.words, t)
            if operation.sleep(cpu):
                self.words = cpu.after()
        else:
            self.words = cpu.after()
        return value

    def fails(self, t, operation, kind):
        with pytest.raises(Violation) as caught:
            operation.apply(Cpu(self.memory, self.words, t))
        assert caught.value.kind == kind


@pytest.fixture
def world():
    return World()


# ---- memory --------------------------------------------------------------------------------------------------------------


def test_null_has_addresses_that_must_not_be_touched(world):
    world.fails(0, m.READ_ONCE(NULL.lock), "NULL dereference")
    world.fails(0, m.READ_ONCE(NULL[3]), "NULL dereference")
    world.fails(0, m.spin_lock(NULL[1].lock), "NULL dereference")


def test_outside_an_array(world):
    array = world.memory.array("array", [1, 2])
    world.words = tuple(world.memory.words)
    assert world(0, m.READ_ONCE(array[1])) == 2
    world.fails(0, m.READ_ONCE(array[2]), "out-of-bounds access")
    world.fails(0, m.READ_ONCE(array[-1]), "out-of-bounds access")


def test_an_address_is_no_value(world):
    with pytest.raises(TypeError, match="yield READ_ONCE"):
        bool(world.thing.count)


def test_lifetimes(world):
    world(0, m.kfree(world.heap))
    world.fails(0, m.READ_ONCE(world.heap.count), "use after free")
    world.fails(1, m.spin_lock(world.heap.lock), "use after free")
    world.fails(1, m.kfree(world.heap), "double free")
    again = world(0, m.kvzalloc(world.heap))
    assert again is not world.heap
    assert world(1, m.READ_ONCE(again.count)) == 0
    world.fails(1, m.READ_ONCE(world.heap.count), "use after free")  # a stale pointer to reused memory
    world.fails(1, m.kfree(world.heap), "double free")


def test_free_of_null_is_nothing_and_of_a_static_object_is_wrong(world):
    world(0, m.vfree(NULL))
    world.fails(0, m.kfree(world.thing), "double free")


def test_unlock_of_freed_memory(world):
    world(0, m.spin_lock(world.heap.lock))
    world(1, m.kfree(world.heap))
    world.fails(0, m.spin_unlock(world.heap.lock), "use after free")


def test_guards(world):
    world.fails(0, m.write(world.thing.value, 1), "lock misuse")
    world.fails(0, m.WRITE_ONCE(world.thing.seen, 1), "lock misuse")
    world.fails(0, m.READ_ONCE(world.thing.value), "lock misuse")
    assert world(0, m.READ_ONCE(world.thing.seen)) == 0
    world.fails(0, m.read(world.thing.seen), "lock misuse")
    world(0, m.spin_lock(world.thing.lock))
    world(0, m.write(world.thing.value, 1))
    world.fails(1, m.write(world.thing.value, 2), "lock misuse")
    world.fails(0, m.write(world.thing.fixed, 2), "lock misuse")


def test_atomics(world):
    count = world.thing.count
    assert world(0, m.atomic_inc_not_zero(count)) is True
    assert world(0, m.atomic_dec_and_test(count)) is False
    assert world(0, m.atomic_dec_and_test(count)) is True
    assert world(0, m.atomic_inc_not_zero(count)) is False
    world.fails(0, m.atomic_dec_and_test(count), "reference count underflow")
    world.fails(0, m.atomic_sub_and_test(2, count), "reference count underflow")
    assert world(0, m.xchg(count, 5)) == 0
    assert world(0, m.cmpxchg(count, 4, 6)) == 5
    assert world(0, m.cmpxchg(count, 5, 6)) == 5
    assert world(0, m.READ_ONCE(count)) == 6


# ---- locks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("take", "drop"), [(m.spin_lock, m.spin_unlock), (m.spin_lock_irq, m.spin_unlock_irq)])
def test_spinlocks(world, take, drop):
    lock = world.thing.lock
    world(0, take(lock))
    assert world(1, take(lock)) is BLOCKED
    assert world(1, m.spin_trylock(lock)) is False
    world.fails(0, take(lock), "lock misuse")
    world.fails(1, drop(lock), "lock misuse")
    world(0, drop(lock))
    assert world(1, m.spin_trylock(lock)) is True


def test_mutex(world):
    world(0, m.mutex_lock(world.thing.mutex))
    assert world(1, m.mutex_lock(world.thing.mutex)) is BLOCKED
    world.fails(1, m.mutex_unlock(world.thing.mutex), "lock misuse")
    world(0, m.mutex_unlock(world.thing.mutex))
    world(1, m.mutex_lock(world.thing.mutex))


def test_rw_semaphore():
    world = World(3)
    sem = world.thing.sem
    world(0, m.down_read(sem))
    world(1, m.down_read(sem))
    assert world(2, m.down_write(sem)) is BLOCKED
    world(0, m.up_read(sem))
    world(1, m.up_read(sem))
    world(2, m.down_write(sem))
    assert world(0, m.down_read(sem)) is BLOCKED
    world(2, m.downgrade_write(sem))
    world(0, m.down_read(sem))
    assert world(1, m.down_write(sem)) is BLOCKED
    world.fails(1, m.up_read(sem), "lock misuse")
    world.fails(0, m.down_write(sem), "lock misuse")
    world.fails(0, m.up_write(sem), "lock misuse")


def test_folio_lock(world):
    world(0, m.folio_lock(world.thing))
    assert world(1, m.folio_lock(world.thing)) is BLOCKED
    assert world(1, m.folio_trylock(world.thing)) is False
    world(0, m.folio_unlock(world.thing))
    world.fails(0, m.folio_unlock(world.thing), "lock misuse")
    assert world(1, m.folio_trylock(world.thing)) is True


SLEEPERS = [
    lambda w: m.mutex_lock(w.thing.mutex),
    lambda w: m.folio_lock(w.thing),
    lambda w: m.down_read(w.thing.sem),
    lambda w: m.start_poll_synchronize_rcu(),
    lambda w: m.wait_for_completion(w.thing.comp),
    lambda w: m.vfree(w.heap),
    lambda w: m.schedule_timeout_uninterruptible(1),
    lambda w: m.might_sleep(),
]
SECTIONS = [lambda w: m.spin_lock(w.thing.lock), lambda w: m.rcu_read_lock(), lambda w: m.local_irq_disable()]


@pytest.mark.parametrize("sleeper", SLEEPERS)
@pytest.mark.parametrize("section", SECTIONS)
def test_sleeping_while_atomic(world, section, sleeper):
    world(0, section(world))
    world.fails(0, sleeper(world), "sleeping while atomic")


def test_folio_trylock_and_kfree_are_allowed_while_atomic(world):
    world(0, m.spin_lock(world.thing.lock))
    world(0, m.folio_trylock(world.thing))
    world(0, m.kfree(world.heap))


# ---- RCU -----------------------------------------------------------------------------------------------------------------


def grace_period(world, t):
    world(t, m.start_poll_synchronize_rcu())


def over(world, t):
    return world(t, m.cond_synchronize_rcu()) is not BLOCKED


READERS = [
    (lambda w: m.rcu_read_lock(), lambda w: m.rcu_read_unlock()),
    (lambda w: m.spin_lock(w.thing.lock), lambda w: m.spin_unlock(w.thing.lock)),
    (lambda w: m.spin_lock_irq(w.thing.lock), lambda w: m.spin_unlock_irq(w.thing.lock)),
    (lambda w: m.local_irq_disable(), lambda w: m.local_irq_enable()),
]


@pytest.mark.parametrize(("begin", "end"), READERS)
def test_a_grace_period_waits_for_readers_that_began_before(world, begin, end):
    world(0, begin(world))
    grace_period(world, 1)
    assert not over(world, 1)
    world(0, end(world))
    assert over(world, 1)


@pytest.mark.parametrize(("begin", "end"), READERS)
def test_and_not_for_those_that_begin_later(world, begin, end):
    grace_period(world, 1)
    world(0, begin(world))
    assert over(world, 1)


def test_a_new_section_of_the_same_reader_does_not_count(world):
    world(0, m.rcu_read_lock())
    grace_period(world, 1)
    world(0, m.rcu_read_unlock())
    world(0, m.rcu_read_lock())
    assert over(world, 1)


def test_nested_sections_end_with_the_outermost(world):
    world(0, m.rcu_read_lock())
    world(0, m.spin_lock(world.thing.lock))
    grace_period(world, 1)
    world(0, m.rcu_read_unlock())
    assert not over(world, 1)
    world(0, m.spin_unlock(world.thing.lock))
    assert over(world, 1)


def test_the_lock_of_as_argued_is_no_reader(world):
    world(0, m.spin_lock_not_rcu(world.thing.lock))
    grace_period(world, 1)
    assert over(world, 1)
    world.fails(0, m.mutex_lock(world.thing.mutex), "sleeping while atomic")


def test_a_mutex_is_no_reader(world):
    world(0, m.mutex_lock(world.thing.mutex))
    grace_period(world, 1)
    assert over(world, 1)


def test_unbalanced_sections(world):
    world.fails(0, m.rcu_read_unlock(), "lock misuse")
    world(0, m.rcu_read_lock())
    world.fails(0, m.local_irq_enable(), "lock misuse")


# ---- preempt="none" ------------------------------------------------------------------------------------------------------


def test_without_preemption_kernel_code_is_a_reader_up_to_a_schedule_point():
    world = World(preempt="none")
    grace_period(world, 1)
    assert over(world, 1), "a thread in user mode is no reader"
    world(0, m.enter_from_user_mode())
    grace_period(world, 1)
    assert not over(world, 1)
    world(0, m.READ_ONCE(world.thing.count))
    assert not over(world, 1)
    world(0, m.schedule_point())
    assert over(world, 1)
    grace_period(world, 1)
    assert not over(world, 1), "behind the schedule point it is a reader again"
    world(0, m.exit_to_user_mode())
    assert over(world, 1)


def test_without_preemption_a_task_that_sleeps_is_no_reader():
    world = World(3, preempt="none")
    world(0, m.enter_from_user_mode())
    world(2, m.mutex_lock(world.thing.mutex))
    grace_period(world, 1)
    assert not over(world, 1)
    assert world(0, m.mutex_lock(world.thing.mutex)) is BLOCKED  # it goes to sleep
    assert over(world, 1)


def test_without_preemption_a_lock_that_is_free_is_no_schedule_point():
    world = World(preempt="none")
    world(0, m.enter_from_user_mode())
    grace_period(world, 1)
    world(0, m.mutex_lock(world.thing.mutex))
    assert not over(world, 1)


def test_without_preemption_spinning_is_not_sleeping():
    world = World(3, preempt="none")
    world(0, m.enter_from_user_mode())
    world(2, m.spin_lock(world.thing.lock))
    world(2, m.spin_unlock(world.thing.lock))
    world(2, m.spin_lock(world.thing.lock))
    grace_period(world, 1)
    assert world(0, m.spin_lock(world.thing.lock)) is BLOCKED
    world(2, m.spin_unlock(world.thing.lock))
    assert not over(world, 1)


# ---- percpu_ref, completion ----------------------------------------------------------------------------------------------


def released(world):
    return world(1, m.wait_for_completion(world.thing.comp)) is not BLOCKED


def test_a_killed_ref_is_released_with_its_last_reference(world):
    ref = world.thing.users
    assert world(0, m.percpu_ref_tryget_live(ref)) is True
    world(1, m.percpu_ref_kill(ref))
    assert world(0, m.percpu_ref_tryget_live(ref)) is False
    assert not released(world)
    world(0, m.percpu_ref_put(ref))
    assert released(world)
    assert not released(world), "one complete() is one wait"


def test_a_ref_without_users_is_released_by_the_kill(world):
    world(1, m.percpu_ref_kill(world.thing.users))
    assert released(world)


def test_the_kill_contains_a_grace_period_of_its_own(world):
    """Measured on a real kernel: with synchronize_rcu() alone left out of swapoff, nothing crashes."""
    world(0, m.spin_lock(world.thing.lock))
    world(1, m.percpu_ref_kill(world.thing.users))
    assert not released(world)
    world(0, m.spin_unlock(world.thing.lock))
    assert released(world)


def test_the_kill_waits_for_both_reader_and_reference(world):
    ref = world.thing.users
    world(0, m.percpu_ref_tryget_live(ref))
    world(0, m.rcu_read_lock())
    world(1, m.percpu_ref_kill(ref))
    world(0, m.percpu_ref_put(ref))
    assert not released(world)
    world(0, m.rcu_read_unlock())
    assert released(world)


def test_misuse_of_a_ref(world):
    ref = world.thing.users
    world.fails(0, m.percpu_ref_put(ref), "reference count underflow")
    world(0, m.percpu_ref_kill(ref))
    world.fails(0, m.percpu_ref_kill(ref), "kernel WARNING")
    world(0, m.percpu_ref_resurrect(ref))
    assert world(0, m.percpu_ref_tryget_live(ref)) is True


def test_complete(world):
    assert not released(world)
    world(0, m.complete(world.thing.comp))
    assert released(world)


# ---- every operation -----------------------------------------------------------------------------------------------------

OPERATIONS = {
    n: getattr(m, n) for n in m.__all__ if hasattr(getattr(m, n), "__code__") and hasattr(getattr(m, n), "is_operation")
}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_docstrings_name_the_primitive(name):
    text = OPERATIONS[name].__doc__
    assert re.search(r"\w+\(.*?\)|`.+?`|plain", text), "it names no kernel primitive"


def test_operations_are_values(world):
    assert m.READ_ONCE(world.thing.count) == m.READ_ONCE(world.thing.count)
    assert hash(m.READ_ONCE(world.thing.count)) == hash(m.READ_ONCE(world.thing.count))
    assert m.READ_ONCE(world.thing.count) != m.read(world.thing.count)
    with pytest.raises(TypeError, match="not `yield from`"):
        list(m.READ_ONCE(world.thing.count))
