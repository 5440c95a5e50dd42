"""A generator becomes a graph of steps: each distinct local state is run once, and then known.

A step is (operation, frames). frames holds, for every generator of the `yield from` chain: the code, where it stands, the
locals that can still be read, and the value stack. Two histories that lead to equal steps behave alike from there on.
"""

from __future__ import annotations

import functools
import gc
import re
import sys
from collections.abc import Callable, Generator, Iterable
from types import CodeType, FrameType, FunctionType, GeneratorType
from typing import Any, NamedTuple

from .liveness import live_locals
from .machine import Memory, Operation, Violation
from .names import Told

LINES_BETWEEN_STEPS = 20_000  # a kernel function that runs longer without yielding never will
STEPS_OF_A_THREAD = 60_000
STATES_OF_A_PLACE = 3_000  # values of the locals at one place of a reader's code
CELL = "<cell>"
OWN_FILES = ("mm/", "versions/", "machine/")


class KernelError(Told, Exception):
    """A kernel function (most often a reader's fix) is not one the machine can run. The message says where and why."""


class Frame(NamedTuple):
    """One level of the kernel's call stack, as people see it."""

    function: str
    file: str
    line: int


class Step:
    """Where a thread stands: the operation it is about to take. `operation` is None once it has returned."""

    __slots__ = ("came", "generator", "index", "levels", "next", "operation", "stack")

    def __init__(
        self,
        index: int,
        operation: Operation | None,
        stack: tuple[Frame, ...],
        came: tuple[Step, Any] | None,
        generator: Generator[Operation, Any, Any] | None,
    ):
        self.index, self.operation, self.stack, self.came, self.generator = index, operation, stack, came, generator
        self.next: dict[Any, Step] = {}
        self.levels: tuple[Level, ...] = ()  # of `generator`, to be reused for the step after this


class Program:
    """One thread's graph of steps, grown as the explorer asks for it."""

    def __init__(self, name: str, start: Callable[[], Generator[Operation, Any, Any]]):
        self.name, self._start = name, start
        self.steps: list[Step | None] = [None]  # indices begin at 1
        self._known: dict[Any, Step] = {}
        self._places: dict[tuple[Frame, ...], int] = {}
        self.arcs: set[tuple[CodeType, int, int]] = set()  # lines of kernel code that ran one after the other; 0: entry
        self.first = self._advance(start(), None, None)

    def after(self, step: Step, value: Any) -> Step:
        """The step that follows when the operation of `step` returned `value`."""
        known = step.next.get(value)
        if known is None:
            known = step.next[value] = self._advance(self._revive(step), (step, value), value)
        return known

    def _revive(self, step: Step) -> Generator[Operation, Any, Any]:
        """A generator that stands at `step`: the one that was left there, or a new one run through the same history."""
        if step.generator is not None:
            generator, step.generator = step.generator, None
            return generator
        step.levels = ()
        history = []
        while step.came is not None:
            step, value = step.came
            history.append(value)
        generator = self._start()
        next(generator)
        for value in reversed(history):
            generator.send(value)
        return generator

    def _advance(self, generator: Any, came: tuple[Step, Any] | None, value: Any) -> Step:
        watch = Watch(self.arcs)
        try:
            with watch:
                yielded = generator.send(value)
        except StopIteration:
            return self._step(("returned",), None, (), came, None)
        except KernelError:
            raise
        except Exception as error:
            raise KernelError(f"{where(error)}: {type(error).__name__}: {error}{right_form(error)}") from error
        levels = _levels(generator, came[0].levels if came else ())
        stack = tuple(level.frame for level in levels)
        if not isinstance(yielded, Operation):
            raise KernelError(f"{standing(generator)}: yields {yielded!r}, which is not an operation")
        key = (yielded, *(level.key for level in levels))
        try:
            hash(key)
        except TypeError as error:
            why = f"a local variable holds something that can change ({error}): use a tuple"
            raise KernelError(f"{standing(generator)}: {why}") from None
        step = self._step(key, yielded, stack, came, generator)
        if step.generator is generator:
            step.levels = levels
        return step

    def _step(self, key: Any, operation: Any, stack: Any, came: Any, generator: Any) -> Step:
        step = self._known.get(key)
        if step is None:
            places = self._places[stack] = self._places.get(stack, 0) + 1
            if places > STATES_OF_A_PLACE and not stack[-1].file.startswith(OWN_FILES):
                why = "comes by here with ever new values of its locals: a loop without end? Bound it"
                raise KernelError(f"{standing(generator)} {why}")
            if len(self.steps) > STEPS_OF_A_THREAD:
                raise KernelError(f"{self.name} has more than {STEPS_OF_A_THREAD} local states: too large a scenario")
            step = self._known[key] = Step(len(self.steps), operation, stack, came, generator)
            self.steps.append(step)
        return step


class Watch:
    """Notes which line runs after which between two steps, and stops a loop that never yields."""

    def __init__(self, arcs: set[tuple[CodeType, int, int]]):
        self._arcs, self._left, self._last = arcs, LINES_BETWEEN_STEPS, dict[FrameType, int]()

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._call)

    def __exit__(self, *exception: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_flags & 0x20:  # a plain helper: a reader's may go round for ever too
            return None if plain_file(frame.f_code.co_filename).startswith(OWN_FILES) else self._helper
        if frame.f_lasti > 0 and frame.f_lineno != frame.f_code.co_firstlineno:
            self._last[frame] = frame.f_lineno  # it goes on behind the yield of this line
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._arcs.add((frame.f_code, self._last.get(frame, 0), frame.f_lineno))
            self._last[frame] = frame.f_lineno
            self._spend(frame)
        return self._line

    def _helper(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._spend(frame)
        return self._helper

    def _spend(self, frame: FrameType) -> None:
        self._left -= 1
        if not self._left:
            why = (
                "runs on without yielding a step: a loop without end? Yield what it waits for, and leave it when that has come"
            )
            raise KernelError(f"{place(frame.f_code, frame.f_lineno)} {why}")


class Level(NamedTuple):
    """One generator of a suspended chain: its part of the key, and of the call stack that people see."""

    generator: Any
    inner: Any
    key: tuple[Any, ...]
    frame: Frame


def _levels(generator: Any, before: tuple[Level, ...]) -> tuple[Level, ...]:
    """The levels of a suspended generator, outermost first. The outermost is held by the caller: dropping it would close the
    inner ones. A level whose inner generator is still the same has not run since `before`."""
    levels: list[Level] = []
    while isinstance(generator, GeneratorType):
        inner = generator.gi_yieldfrom
        known = before[len(levels)] if len(levels) < len(before) else None
        if known is not None and inner is not None and known.generator is generator and known.inner is inner:
            levels.append(known)
        else:
            levels.append(_level(generator, inner))
        generator = inner
    return tuple(levels)


def _level(generator: Any, inner: Any) -> Level:
    frame = generator.gi_frame
    code, values = frame.f_code, dict(frame.f_locals)
    live = live_locals(code).get(frame.f_lasti, tuple(values))
    alive = tuple((name, values[name]) for name in live if name in values)
    waiting = _value_stack(generator, code, values)
    for value in (*(v for _, v in alive), *waiting):
        if hasattr(type(value), "__next__"):  # hashable, and equal to itself wherever it stands
            why = "it holds an iterator, whose position can't be compared: loop over range()"
            raise KernelError(f"{place(code, frame.f_lineno)}: {why}")
    key = (id(code), frame.f_lasti, alive, waiting)
    return Level(generator, inner, key, Frame(code.co_name, plain_file(code.co_filename), frame.f_lineno))


def _value_stack(generator: Any, code: CodeType, values: dict[str, Any]) -> tuple[Any, ...]:
    """What lies on the value stack of a suspended generator: half-evaluated expressions and loop iterators.

    CPython 3.11 to 3.13 visit the code object, then the bound locals, then the stack (Objects/frameobject.c)."""
    referents = gc.get_referents(generator)
    cells = code.co_cellvars + code.co_freevars  # visited even while nothing is bound to them
    locals_bound = len(cells) + sum(name not in cells for name in values)
    last_code = max(i for i, r in enumerate(referents) if r is code)
    return tuple(_comparable(r) for r in referents[last_code + 1 + locals_bound :])


def _comparable(value: Any) -> Any:
    if type(value) is type(iter(range(0))):
        reduced: Any = value.__reduce__()  # CPython 3.12 keeps what is left, 3.11 the whole range and a position
        return ("range_iterator", reduced[1][0][reduced[2] or 0 :])
    if isinstance(value, GeneratorType):
        return "yield from"  # its own frame follows
    return value


def short_file(filename: str) -> str:
    """The file as people should see it: from swapmodel/ on, the bare name elsewhere; a notebook cell is `<cell 3>` after the
    number beside it, or `<cell>` where that is not known."""
    file = plain_file(filename)
    return _cell(filename) if file == CELL else file


def _cell(filename: str) -> str:
    """IPython knows when it last ran the text of a cell; its own tracebacks say `Cell In[3]`."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    label = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(filename)
    number = re.search(r"\d+", label[1]) if label else None
    return f"<cell {number[0]}>" if number else CELL


@functools.cache
def plain_file(filename: str) -> str:
    """The same without the number of a cell, which is another one when the notebook is run again: so traces have it."""
    path = filename.replace("\\", "/")
    if "ipykernel_" in path or path.startswith("<"):
        return CELL
    inside = path.rpartition("/swapmodel/")
    return inside[2] if inside[1] else path.rpartition("/")[2]


def stack_of(generator: Any) -> tuple[Frame, ...]:
    """The call stack of a suspended generator."""
    return tuple(level.frame for level in _levels(generator, ()))


def at(stack: tuple[Frame, ...]) -> str:
    if not stack:
        return "the program"
    last = stack[-1]
    return f"{last.file}:{last.line}: {last.function}()"


def place(code: CodeType, line: int) -> str:
    return f"{short_file(code.co_filename)}:{line}: {code.co_name}()"


def standing(generator: Any) -> str:
    """Where a suspended generator stands: the innermost one of its chain."""
    while isinstance(generator.gi_yieldfrom, GeneratorType):
        generator = generator.gi_yieldfrom
    return place(generator.gi_code, generator.gi_frame.f_lineno)


def right_form(error: BaseException) -> str:
    """Of a call with too few or too many arguments: how it is written."""
    called, traceback = re.match(r"(\w+)\(\) (missing|takes|got)\b", str(error)), error.__traceback__
    if not isinstance(error, TypeError) or called is None or traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    function = traceback.tb_frame.f_globals.get(called[1])
    if not isinstance(function, FunctionType) or hasattr(function, "is_operation"):
        return ""
    return f": write `{called[1]}({', '.join(function.__code__.co_varnames[: function.__code__.co_argcount])})`"


def where(error: BaseException) -> str:
    """The last kernel function that an exception passed through."""
    found, traceback = "the program", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_flags & 0x20 or found == "the program":
            found = place(code, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


class System:
    """What the explorer explores: initial words, one program per thread, and what must never hold of the words."""

    def __init__(
        self,
        memory: Memory,
        programs: list[Program],
        oracles: tuple[Callable[[tuple[Any, ...]], Violation | None], ...] = (),
        kernel: Any = None,
        at_end: tuple[Callable[[tuple[Any, ...]], Violation | None], ...] = (),
    ):
        self.kernel = kernel  # the linked functions
        self.memory, self.programs, self.oracles = memory, programs, oracles
        self.at_end = at_end  # oracles that are asked once every thread has returned
        self.words = tuple(memory.words)

    def wrong(self, words: tuple[Any, ...], steps: Iterable[Step]) -> Violation | None:
        """What the oracles find in `words`, while the threads stand at `steps`."""
        asked = self.oracles
        if all(step.operation is None for step in steps):
            asked = (*asked, *self.at_end)
        return next((v for oracle in asked if (v := oracle(words)) is not None), None)
