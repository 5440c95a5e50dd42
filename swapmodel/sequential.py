"""Runs kernel functions to their end, one after the other: the same generators the explorer explores, on one flat list."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

from .machine import BLOCKED, Address, Cpu, Memory, Operation, Violation
from .program import KernelError, at, stack_of, where
from .trace import explain_wait

STEPS = 2_000_000  # of one whole operation: more is a loop that somebody else would have to end


class LiveCpu(Cpu):
    """The words as one list that stores change at once. `before` has the old value of each word that changed."""

    __slots__ = ("before",)

    def __init__(self, memory: Memory, words: list[Any], me: int):
        super().__init__(memory, words, me)
        self.before: dict[int, Any] = {}

    def load(self, address: Address) -> Any:
        """Cpu.load(), without its calls where there is nothing to find fault with."""
        if address.__class__ is Address and (address.guard is None or address.lockless):
            words, life = self.words, address.life
            if life < 0 or words[life] == address.birth:
                return words[address.word]
        return super().load(address)

    def raw_load(self, word: int) -> Any:
        return self.words[word]

    def raw_store(self, word: int, value: Any) -> None:
        if word not in self.before:
            self.before[word] = self.words[word]
        self.words[word] = value


class Sequential:
    """A memory on which kernel functions run alone, from the first step to the last."""

    def __init__(self, memory: Memory):
        self.memory, self.words = memory, list(memory.words)
        self.cpus = [LiveCpu(memory, self.words, t) for t in range(len(memory.threads))]
        self.steps = 0

    def value(self, address: Address) -> Any:
        """What a word holds now."""
        return self.words[address.word]

    def run(self, generator: Generator[Operation, Any, Any], cpu: int = 0) -> Any:
        """Runs one kernel function to its end and returns its value. A Violation says where; memory is then as it was before
        this function, so nothing is lost. `cpus[cpu].before` is left with what has changed."""
        here = self.cpus[cpu]
        here.before.clear()
        try:
            return self._run(generator, here)
        except BaseException:  # an interrupt too
            for word, value in here.before.items():
                self.words[word] = value
            here.before.clear()
            raise

    def _run(self, generator: Any, cpu: LiveCpu) -> Any:
        send, value, steps = generator.send, None, 0
        with told(generator):
            try:
                while True:
                    operation = send(value)
                    steps += 1
                    value = operation.effect(cpu, *operation.arguments)
                    if value is BLOCKED or steps > STEPS:
                        raise self._stuck(operation, cpu.me, value is BLOCKED)
            except StopIteration as stop:
                self.steps = steps
                return stop.value

    def _stuck(self, operation: Operation, me: int, blocked: bool) -> Violation:
        if not blocked:
            return Violation("livelock", f"no end after {STEPS:,} steps: somebody else would have to go on")
        return Violation("deadlock", explain_wait(self.memory, tuple(self.words), me, operation))


@contextlib.contextmanager
def told(generator: Any) -> Iterator[None]:
    """What goes wrong in a kernel function is told with its place in the kernel."""
    try:
        yield
    except Violation as violation:
        raise Violation(violation.kind, f"{at(stack_of(generator))}: {violation}", violation.address) from None
    except KernelError:
        raise
    except Exception as error:
        place = at(stack_of(generator)) if generator.gi_frame else where(error)
        raise KernelError(f"{place}: {type(error).__name__}: {error}") from error
