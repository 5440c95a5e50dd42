"""Each known trap of hashing suspended generators, as a small program; and what is told of a function that can't run."""

import pytest

from swapmodel.liveness import live_locals
from swapmodel.machine import NULL, READ_ONCE, Memory, Struct, word
from swapmodel.program import KernelError, Program


class cell(Struct):
    x = word(0)
    y = word(0)


@pytest.fixture
def at():
    return Memory(["t"]).new(cell, "cell")


def after(start, *values):
    """The step that a fresh program reaches after these values."""
    program = Program("t", start)
    step = program.first
    for value in values:
        step = program.after(step, value)
    return program, step


def same(start, one, other):
    """Do two histories lead to the same step of one program?"""
    program = Program("t", start)

    def walk(values):
        step = program.first
        for value in values:
            step = program.after(step, value)
        return step

    return walk(one) is walk(other)


def test_dead_locals_are_not_in_the_key(at):
    def dead():
        a = yield READ_ONCE(at.x)
        b = yield READ_ONCE(at.x)
        if a:
            yield READ_ONCE(at.y)
        yield READ_ONCE(at.x)
        return b

    assert same(dead, (0, 5), (0, 5))
    assert not same(dead, (0,), (1,)), "a is still read"
    assert not same(dead, (0, 5), (0, 6)), "b is returned, and its caller may look"


def test_a_local_that_is_never_read_again_merges(at):
    def dead():
        a = yield READ_ONCE(at.x)
        if a:
            yield READ_ONCE(at.y)
        else:
            yield READ_ONCE(at.y)
        del a
        yield READ_ONCE(at.x)

    def unread():
        _ = yield READ_ONCE(at.x)
        yield READ_ONCE(at.y)

    assert same(unread, (1,), (2,))
    assert not same(dead, (0,), (1,)), "two places of the code"


def test_the_pending_operation_is_in_the_key(at):
    def pending():
        a = yield READ_ONCE(at.x)
        yield READ_ONCE(at.x if a else at.y)

    assert not same(pending, (0,), (1,))


def test_the_position_of_a_loop_is_in_the_key_even_if_its_variable_is_unused(at):
    def loop():
        for _ in range(3):
            yield READ_ONCE(at.x)

    steps = {id(after(loop, *([0] * n))[1].operation) for n in range(3)}
    program = Program("t", loop)
    seen, step = [], program.first
    while step.operation is not None:
        assert step not in seen, "a round of the loop was merged with another one"
        seen.append(step)
        step = program.after(step, 0)
    assert len(seen) == 3
    assert steps


def test_a_half_evaluated_expression_is_in_the_key(at):
    def sums():
        total = (yield READ_ONCE(at.x)) + (yield READ_ONCE(at.y))
        if total > 2:
            yield READ_ONCE(at.x)

    assert not same(sums, (1,), (2,)), "the first value waits on the value stack"


def test_null_on_the_value_stack_is_not_another_pointer(at):
    def pair(a, b):
        return a

    def call():
        p = yield READ_ONCE(at.x)
        q = pair(p, (yield READ_ONCE(at.y)))
        if q:
            yield READ_ONCE(at.x)

    assert not same(call, (NULL,), (at,))


def test_the_frames_of_callers_are_in_the_key(at):
    def inner():
        value = yield READ_ONCE(at.x)
        return value

    def outer():
        a = yield READ_ONCE(at.y)
        b = yield from inner()
        return a + b

    assert not same(outer, (1,), (2,)), "a lives in the outer generator"
    program, step = after(outer, 1)
    assert [frame.function for frame in step.stack] == ["outer", "inner"]
    assert program.after(step, 2).operation is None


def test_two_calls_of_one_function_are_two_places(at):
    def inner():
        yield READ_ONCE(at.x)

    def outer():
        yield from inner()
        yield from inner()

    assert not same(outer, (), (0,))


def test_a_loop_that_comes_back_is_one_step(at):
    def spin():
        while True:
            value = yield READ_ONCE(at.x)
            if value:
                return

    assert same(spin, (), (0,))
    assert same(spin, (), (0, 0, 0))


def test_liveness_is_exact():
    def function(a, b):
        c = yield a
        if c:
            d = yield b
            return d
        yield a
        return None

    live = live_locals(function.__code__)
    assert sorted(set(live.values())) == sorted({("a", "b"), ()})


def test_a_local_that_a_lambda_reads_is_alive():
    def function(a):
        later = lambda: a  # noqa: E731
        yield 1
        return later()

    assert all("a" in names for names in live_locals(function.__code__).values())


ENDLESS = "a loop without end"


def test_a_loop_without_a_step_is_told(at):
    def silent():
        yield READ_ONCE(at.x)
        while True:
            pass

    with pytest.raises(KernelError, match=rf"test_program.py:\d+: silent\(\) runs on .*{ENDLESS}"):
        after(silent, 0)


def test_a_counter_without_end_is_told(at):
    def counts():
        i = 0
        while True:
            yield READ_ONCE(at.x)
            i += 1

    with pytest.raises(KernelError, match=rf"counts\(\) comes by here with ever new values.*{ENDLESS}"):
        after(counts, *([0] * 5_000))


def test_a_local_that_can_change_is_told(at):
    def listed():
        seen = []
        value = yield READ_ONCE(at.x)
        seen.append(value)
        yield READ_ONCE(at.y)
        return seen

    with pytest.raises(KernelError, match=r"listed\(\): a local variable holds something that can change .*use a tuple"):
        after(listed)


def test_an_iterator_in_a_local_is_told(at):
    def iterates():
        items = iter((1, 2))
        yield READ_ONCE(at.x)
        return next(items)

    with pytest.raises(KernelError, match="position can't be compared"):
        after(iterates)


def test_an_exception_is_told_with_function_and_line(at):
    def divides():
        value = yield READ_ONCE(at.x)
        yield READ_ONCE(at.y if 1 // value else at.x)

    with pytest.raises(KernelError, match=r"test_program.py:\d+: divides\(\): ZeroDivisionError"):
        after(divides, 0)


def test_what_is_no_operation_is_told(at):
    def yields():
        yield 3

    with pytest.raises(KernelError, match=r"yields\(\): yields 3, which is not an operation"):
        after(yields)


def test_steps_are_the_same_when_built_twice(at):
    """Kernel functions are pure functions of the values they receive."""

    def function():
        value = yield READ_ONCE(at.x)
        for _ in range(value):
            yield READ_ONCE(at.y)

    first, second = (Program("t", function) for _ in range(2))
    for program in (first, second):
        step = program.after(program.first, 3)
        while step.operation is not None:
            step = program.after(step, 0)
    assert [s and s.operation for s in first.steps] == [s and s.operation for s in second.steps]
    assert [s and s.stack for s in first.steps] == [s and s.stack for s in second.steps]
