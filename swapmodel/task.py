"""Task: a system call or a fault that stands still between two of its steps, so that one can look, or let another CPU run.

task = machine.begin("swapoff", 0, cpu=1)
task.until("try_to_unuse")      # shows what it changed so far
machine.slots()                 # and how things stand
task.finish()
"""

from __future__ import annotations

import inspect
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from .effect import Effect
from .lint import is_operation
from .machine import BLOCKED, Cpu, Operation, Violation
from .names import look_up
from .program import stack_of
from .sequential import told
from .trace import explain_wait, kernel_frames

if TYPE_CHECKING:
    from .session import Machine

ENOUGH = 50_000  # steps of one piece: what takes more goes round and round until somebody else does something, or is long


class Task:
    """`what` runs on `cpu`. `next` is the operation that it stands before, None once it has returned `value`.

    A step that goes wrong raises Violation: memory is then as it was before that piece, and the task is over."""

    def __init__(self, machine: Machine, what: str, generator: Any, cpu: int):
        self.machine, self.what, self.cpu, self._generator = machine, what, cpu, generator
        self.next: Operation | None = None
        self.value: Any = None
        with told(generator):
            self._come(None)

    def until(self, place: str) -> Effect:
        """Goes on until it comes to a kernel function, or to an operation, of that name; or until it must wait for somebody, or
        has returned. ValueError for a name that there is not."""
        space = vars(self.machine.space)
        look_up("kernel function", place, {n: f for n, f in space.items() if inspect.isgeneratorfunction(f) or is_operation(f)})
        return self._go_on(f"{self.what}, until {place}()", place)

    def finish(self) -> Effect:
        """Goes on to the end, or until it must wait for somebody."""
        return self._go_on(f"{self.what}, to its end", "")

    @property
    def waits(self) -> str:
        """What it waits for, and who holds that; empty if it can go on."""
        words, memory = tuple(self.machine.sequential.words), self.machine.world.memory
        try:
            blocked = self.next is not None and self.next.apply(Cpu(memory, words, self.cpu)) is BLOCKED
        except Violation:
            return ""
        return explain_wait(memory, words, self.cpu, self.next) if blocked and self.next else ""

    def __str__(self) -> str:
        if self.next is None:
            return f"{self.what} on CPU {self.cpu} has returned {self.value}"
        calls = " > ".join(f"{f.function}()" for f in kernel_frames(stack_of(self._generator)))
        return f"CPU {self.cpu} stands in {calls}, before {self.next}" + (f"; {self.waits}" if self.waits else "")

    __repr__ = __str__

    # ---- parts ---------------------------------------------------------------------------------------------------------

    def _go_on(self, what: str, place: str) -> Effect:
        if self.next is None:
            raise ValueError(f"{self.what} on CPU {self.cpu} has returned already")
        sequential = self.machine.sequential
        before = sequential.cpus[self.cpu].before
        before.clear()
        try:
            with told(self._generator):
                sequential.steps = self._steps(place)
        except BaseException:
            for word, value in before.items():
                sequential.words[word] = value
            self._end()
            raise
        return self._told(what)

    def _steps(self, place: str) -> int:
        """Takes steps; how many it took."""
        here = self.machine.sequential.cpus[self.cpu]
        for taken in range(ENOUGH):
            assert self.next is not None
            inside, value = self._inside(place), self.next.effect(here, *self.next.arguments)
            if value is BLOCKED:
                self.next.sleep(here)
                return taken
            self._come(value)
            if self.next is None or self.next.name == place or any(g not in inside for g in self._inside(place)):
                return taken + 1
        return ENOUGH

    def _come(self, value: Any) -> None:
        """To the next operation, or to the end."""
        try:
            self.next = self._generator.send(value)
        except StopIteration as stop:
            self.value = stop.value
            self._end()

    def _inside(self, place: str) -> list[Any]:
        """The calls of that function that it is inside of."""
        calls, level = [], self._generator
        while isinstance(level, GeneratorType):
            if level.gi_code.co_name == place:
                calls.append(level)
            level = level.gi_yieldfrom
        return calls

    def _end(self) -> None:
        self.next = None
        self.machine.tasks.pop(self.cpu, None)

    def _told(self, what: str) -> Effect:
        machine = self.machine
        if self.waits:
            what += f": {self.waits}"
        elif self.next is not None and machine.sequential.steps == ENOUGH:
            what += ": still going"
        effect = machine._effect(what, self.value, self.cpu)
        if self.next is None and machine.io:  # the disk answers as soon as an operation is over
            effect = machine._merge(what, effect, machine.finish_io(self.cpu))._replace(value=self.value)
        return effect
