"""The known ways in which two different local states of a generator become one step, or one state becomes several.

Each `trap_...` fails by an AssertionError. No pytest here: CPythons of other versions run this file as it is, because all of
it hangs on what their bytecode, their value stack and their collector look like.

    python -m tests.traps
"""

from __future__ import annotations

import contextlib
import gc
import itertools

from swapmodel.liveness import live_locals
from swapmodel.machine import READ_ONCE, WRITE_ONCE, Memory, Struct, word
from swapmodel.program import KernelError, Program


class thing(Struct):
    flag = word()
    turn = word()
    data = word()


t = Memory(["only"]).new(thing, "t")
LOAD, STORE = READ_ONCE(t.flag), WRITE_ONCE(t.turn, 0)


def begin(function, *arguments):
    return Program(function.__name__, lambda: function(*arguments))


def follow(program, *values, step=None):
    """The step at which a program stands after its operations have returned `values`."""
    step = step or program.first
    for value in values:
        step = program.after(step, value)
    return step


def count(program, values=(0, 1)):
    """How many different steps there are, whatever the operations return of `values`."""
    todo = [program.first]
    seen = {program.first.index}
    while todo:
        step = todo.pop()
        for value in values if step.operation is not None else ():
            after = program.after(step, value)
            if after.index not in seen:
                seen.add(after.index)
                todo.append(after)
    return len(seen)


@contextlib.contextmanager
def told(*parts):
    """A KernelError whose message has all of `parts`."""
    try:
        yield
    except KernelError as error:
        for part in parts:
            assert part in str(error), f"{part!r} is not in {error}"
    else:
        raise AssertionError("nothing was told")


# ---- different states stay apart ----------------------------------------------------------------------------------------


def same_place(x):
    """Two calls differ in nothing but the operation they are about to take."""
    yield WRITE_ONCE(t.flag if x else t.turn, 0)


def choose():
    x = yield LOAD
    yield from same_place(x)


def trap_the_pending_operation_is_part_of_a_step():
    program = begin(choose)
    zero, one = follow(program, 0), follow(program, 1)
    assert zero is not one
    assert (repr(zero.operation), repr(one.operation)) == ("WRITE_ONCE(t.turn, 0)", "WRITE_ONCE(t.flag, 0)")


def three_times():
    for _ in range(3):
        yield STORE


def trap_the_position_of_a_for_loop_is_part_of_a_step():
    assert count(begin(three_times)) == 4  # three stores and the end
    assert follow(begin(three_times), None, None).operation == STORE
    assert follow(begin(three_times), None, None, None).operation is None


def times_read():
    x = yield LOAD
    for _ in range(x):
        yield STORE


def trap_the_end_of_a_for_loop_is_part_of_a_step():
    program = begin(times_read)
    assert follow(program, 1) is not follow(program, 2)
    assert follow(program, 1, None).operation is None
    assert follow(program, 2, None).operation == STORE
    assert follow(program, 2, None) is follow(program, 1), "one more store is to come, however it came to that"


def nested_loops():
    for _ in range(2):
        for _ in range(3):
            yield STORE


def trap_both_iterators_of_nested_loops():
    assert count(begin(nested_loops)) == 7


def loop_with_a_break():
    for i in range(5):  # noqa: B007
        x = yield LOAD
        if x:
            break
    yield WRITE_ONCE(t.data, i)


def trap_a_loop_variable_that_is_used_later():
    program = begin(loop_with_a_break)
    assert repr(follow(program, 0, 0, 1).operation) == "WRITE_ONCE(t.data, 2)"
    assert repr(follow(program, 1).operation) == "WRITE_ONCE(t.data, 0)"
    assert repr(follow(program, 0, 0, 0, 0, 0).operation) == "WRITE_ONCE(t.data, 4)"


def sum_of_two():
    x = yield LOAD
    y = x + (yield LOAD)
    yield WRITE_ONCE(t.data, y)


def trap_a_half_evaluated_sum():
    program = begin(sum_of_two)
    assert follow(program, 0) is not follow(program, 1)
    assert repr(follow(program, 5, 2).operation) == "WRITE_ONCE(t.data, 7)"


def tuple_of_three():
    x = yield LOAD
    both = (x, (yield LOAD), (yield LOAD))
    yield WRITE_ONCE(t.data, both)


def trap_a_half_evaluated_tuple():
    program = begin(tuple_of_three)
    assert len({follow(program, a, b).index for a, b in itertools.product((0, 1), repeat=2)}) == 4
    assert repr(follow(program, 1, 0, 1).operation) == "WRITE_ONCE(t.data, (1, 0, 1))"


def kept(x):
    yield STORE
    return x


def outer_local():
    x = yield LOAD
    yield from kept(0)
    yield WRITE_ONCE(t.data, x)


def inner_local():
    x = yield LOAD
    y = yield from kept(x)
    yield WRITE_ONCE(t.data, y)


def outer_stack():
    x = yield LOAD
    y = x + (yield from kept(1))
    yield WRITE_ONCE(t.data, y)


def trap_every_generator_of_a_chain_is_part_of_a_step():
    for function in (outer_local, inner_local, outer_stack):
        program = begin(function)
        assert follow(program, 0) is not follow(program, 1), function.__name__
    assert repr(follow(begin(outer_stack), 4, None).operation) == "WRITE_ONCE(t.data, 5)"


def twice_the_same():
    yield from kept(0)
    yield from kept(0)


def trap_where_the_outer_generator_stands_is_part_of_a_step():
    assert count(begin(twice_the_same)) == 3


def lambda_over(x):
    add = lambda: x  # noqa: E731
    yield WRITE_ONCE(t.turn, add())
    if x:
        yield WRITE_ONCE(t.data, x)


def expression_over(x):
    odd = any(x == i for i in (5, 7))
    yield WRITE_ONCE(t.turn, odd)
    if x:
        yield WRITE_ONCE(t.data, x)


def read_then(inner):
    x = yield LOAD
    yield from inner(x)


def expression_over_its_own():
    x = yield LOAD
    odd = any(x == i for i in (5, 7))
    yield WRITE_ONCE(t.turn, odd)
    if x:
        yield WRITE_ONCE(t.data, x)


def trap_a_local_that_a_generator_expression_uses_too():
    for program in (begin(read_then, expression_over), begin(expression_over_its_own)):
        assert follow(program, 0) is not follow(program, 1)
        assert follow(program, 0, None).operation is None
        assert repr(follow(program, 1, None).operation) == "WRITE_ONCE(t.data, 1)"


def trap_a_local_that_a_lambda_uses_too():
    program = begin(read_then, lambda_over)
    assert repr(follow(program, 1, None).operation) == "WRITE_ONCE(t.data, 1)"
    assert follow(program, 0, None).operation is None


def comprehension():
    x = yield LOAD
    y = tuple([i + x for i in range(2)])
    yield STORE
    yield WRITE_ONCE(t.data, y)


def trap_a_comprehension_before_a_yield():
    program = begin(comprehension)
    assert follow(program, 0) is not follow(program, 1)
    assert repr(follow(program, 1, None).operation) == "WRITE_ONCE(t.data, (1, 2))"


def bound_or_not():
    x = yield LOAD
    if x:
        y = 1
    yield STORE
    if x:
        yield WRITE_ONCE(t.data, y)


def trap_a_local_that_is_not_bound_yet():
    program = begin(bound_or_not)
    assert follow(program, 0) is not follow(program, 1)
    assert follow(program, 0, None).operation is None


# ---- equal states are one step -----------------------------------------------------------------------------------------


def dead_local():
    x = yield LOAD
    y = x + 1
    yield WRITE_ONCE(t.turn, y - x)
    x = 3
    yield WRITE_ONCE(t.data, x)


def trap_dead_locals_are_merged():
    program = begin(dead_local)
    assert follow(program, 0) is follow(program, 1) is follow(program, 2)


def dead_in_the_outer():
    x = yield LOAD
    if x:
        yield LOAD
    yield from kept(0)


def trap_dead_locals_of_an_outer_generator_are_merged():
    program = begin(dead_in_the_outer)
    assert follow(program, 0) is follow(program, 1, 0) is follow(program, 1, 1)


def dead_loop_variable():
    x = yield LOAD
    for i in range(3):
        if i == x:
            break
    yield STORE


def trap_a_dead_loop_variable_is_merged():
    assert count(begin(dead_loop_variable), (0, 1, 2)) == 3


def unused_value():
    yield LOAD
    yield STORE


def trap_a_value_that_nobody_takes_is_merged():
    program = begin(unused_value)
    assert follow(program, 0) is follow(program, 1)


def wait_for_it():
    x = yield LOAD
    while not x:
        x = yield LOAD
    yield STORE


def trap_a_waiting_loop_is_two_steps():
    program = begin(wait_for_it)
    assert follow(program, 0) is follow(program, 0, 0, 0)
    assert count(program) <= 4


def dead_expression():
    x = yield LOAD
    y = (x, 1)
    y = y[1]
    yield WRITE_ONCE(t.data, y)


def trap_what_was_evaluated_is_gone_from_the_value_stack():
    program = begin(dead_expression)
    assert follow(program, 0) is follow(program, 1)


# ---- generators that are left behind -----------------------------------------------------------------------------------


def long_chain(depth):
    if depth:
        x = yield from long_chain(depth - 1)
        yield WRITE_ONCE(t.data, x)
        return x + 1
    x = yield LOAD
    yield STORE
    return x


def trap_a_generator_goes_on_from_where_it_was_left():
    """The outermost generator must be held while an inner one runs, and one that was used up is run again."""
    gc.freeze()  # what other tests left behind need not be looked through each time
    program = begin(long_chain, 4)
    for value in (0, 1, 0, 2, 1):
        gc.collect()
        step = follow(program, value)
        for i in range(4):
            step = program.after(step, None)
            gc.collect()
            assert repr(step.operation) == f"WRITE_ONCE(t.data, {value + i})"
        assert program.after(step, None).operation is None
    gc.unfreeze()


def trap_an_old_step_can_be_taken_again():
    program = begin(three_times)
    second = follow(program, None)
    last = follow(program, None, None, None)
    assert last.operation is None
    assert follow(program, None, None, step=second) is last
    assert program.after(second, 0) is follow(program, None, None), "another value, another history, the same step"


# ---- liveness, yield by yield --------------------------------------------------------------------------------------------


def live(function):
    code = function.__code__
    return [set(names) for _, names in sorted(live_locals(code).items())][::2]  # the yield, and the RESUME behind it


def straight(a, b):
    x = yield a
    y = yield b
    yield x
    yield y


def around(n):
    total = 0
    while n:
        x = yield n
        total += x
        n -= 1
    yield total


def either(a, b):
    x = yield a
    if x:
        y = yield b
    else:
        y = 1
    yield y


def deleted(a):
    b = yield a
    del a
    yield b
    yield 0


def trap_liveness_by_hand():
    assert live(straight) == [{"b"}, {"x"}, {"y"}, set()]
    assert live(around) == [{"n", "total"}, set()]
    assert live(either) == [{"b"}, set(), set()]
    assert live(deleted) == [{"a"}, set(), set()]
    assert live(outer_local)[:2] == [set(), {"x"}]
    assert live(loop_with_a_break)[0] == {"i"}


# ---- what can't be compared, and what never ends, is told ------------------------------------------------------------------


def in_a_list():
    found = []
    x = yield LOAD
    found.append(x)
    yield STORE
    yield WRITE_ONCE(t.data, tuple(found))


def in_a_set():
    found = {1}
    yield LOAD
    yield WRITE_ONCE(t.data, len(found))


def with_an_iterator():
    left = iter((1, 2))
    x = next(left, 0)
    while x:
        yield STORE
        x = next(left, 0)


def over_a_tuple():
    for _ in (1, 2):
        yield STORE


def from_a_tuple():
    yield from (STORE, STORE)


def with_a_generator():
    left = kept(0)
    yield STORE
    yield from left


def trap_what_changes_is_told():
    line = in_a_list.__code__.co_firstlineno + 2
    with told(f"traps.py:{line}: in_a_list()", "can change"):
        follow(begin(in_a_list), 0)
    with told("in_a_set()", "can change"):
        begin(in_a_set)
    for function in (with_an_iterator, over_a_tuple, from_a_tuple, with_a_generator):
        with told(f"{function.__name__}()"):
            count(begin(function))


def never_yields_again():
    x = yield LOAD
    while x:
        x = 1
    yield STORE


def ever_more():
    n = 0
    while True:
        n += 1
        yield WRITE_ONCE(t.data, n)


def trap_a_loop_without_end_is_told():
    program = begin(never_yields_again)
    follow(program, 0)
    with told("traps.py:", "never_yields_again()", "without yielding"):
        follow(program, 1)
    with told("traps.py:", "ever_more()", "loop without end"):
        count(begin(ever_more), (None,))


def divides(x):
    yield WRITE_ONCE(t.data, 1 // x)


def names_nothing():
    x = yield LOAD
    yield WRITE_ONCE(t.nothing, x)


def yields_a_number():
    yield LOAD
    yield 7


def trap_mistakes_are_told_with_function_and_line():
    with told(f"traps.py:{divides.__code__.co_firstlineno + 1}: divides()", "ZeroDivisionError"):
        follow(begin(read_then, divides), 0)
    with told(f"traps.py:{names_nothing.__code__.co_firstlineno + 2}: names_nothing()", "no member nothing"):
        follow(begin(names_nothing), 0)
    with told(f"traps.py:{yields_a_number.__code__.co_firstlineno + 2}: yields_a_number()", "7", "not an operation"):
        follow(begin(yields_a_number), 0)


TRAPS = {name: function for name, function in list(globals().items()) if name.startswith("trap_")}

if __name__ == "__main__":
    for trap in TRAPS.values():
        trap()
    print(len(TRAPS), "traps avoided")
