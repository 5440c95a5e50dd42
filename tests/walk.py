"""Random whole operations on a Machine, beside a reference that knows nothing of swap: what each page should read back.

Used by test_session_random.py (every invariant after every operation) and by bench.py (how fast).

    python -m tests.walk SEED OPERATIONS [--unchecked]    walks, checking, and prints what went wrong where, or how long it took
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections import Counter

from swapmodel.machine import Violation
from swapmodel.session import Machine

LOST = object()  # after MADV_FREE: the old value or nothing, whichever the kernel left


class Walk:
    """A machine and what should be in it. Operations take their choices from `choose(sequence)`, so that hypothesis can make
    them too."""

    def __init__(self, machine, choose):
        self.machine, self.choose = machine, choose
        self.expected = {f: [None] * f.pages for f in machine.files}
        self.lazy = set()  # (process, page): MADV_FREE may have dropped it
        self.done = Counter()
        self.value = 0
        self.on = set(range(len(machine.devices)))

    # ---- operations --------------------------------------------------------------------------------------------------

    def spawn(self):
        if len(self.machine.processes) < self.machine.sizes.processes:
            self.expected[self.machine.spawn()] = [None] * self.machine.sizes.pages

    def fork(self):
        parent = self.process()
        if parent and len(self.machine.processes) < self.machine.sizes.processes:
            child = self.machine.fork(parent)
            self.expected[child] = list(self.expected[parent])
            self.lazy |= {(child, page) for p, page in self.lazy if p is parent}

    def exit(self):
        process = self.process()
        if process:
            self.machine.exit(process)
            del self.expected[process]
            self.lazy = {(p, page) for p, page in self.lazy if p is not process}

    def write(self):
        who, page = self.place()
        self.value += 1
        self.machine.write(who, page, self.value)
        self.expected[who][page] = self.value
        self.lazy.discard((who, page))

    def read(self):
        who, page = self.place()
        found, expected = self.machine.read(who, page), self.expected[who][page]
        if found is None and (who, page) in self.lazy:
            self.expected[who][page] = None
        elif found != expected:
            raise AssertionError(f"page {page} of {who} reads {found!r}, but {expected!r} was written")

    def swap_out(self):
        who, page = self.place()
        self.machine.swap_out(who, page, keep=self.choose((False, False, True)))

    def reclaim(self):
        self.machine.reclaim()

    def huge(self):
        process, size = self.process(), self.machine.sizes.cluster
        if process and size <= self.machine.sizes.pages:
            first = self.choose(range(0, self.machine.sizes.pages - size + 1, size))
            if all(not self.machine.value(process.mm.pte[i]) for i in range(first, first + size)):
                self.machine.huge(process, first)
                for page in range(first, first + size):
                    if (process, page) in self.lazy:
                        self.expected[process][page] = None
                        self.lazy.discard((process, page))

    def split(self):
        process = self.process()
        if process:
            page = self.choose(range(process.pages))
            with contextlib.suppress(ValueError):  # no folio there
                self.machine.split(process, page)

    def madvise(self):
        process = self.process()
        if process:
            advice = self.choose(("dontneed", "free", "pageout", "willneed", "cold"))
            self.machine.madvise(process, advice)
            if advice == "dontneed":
                self.expected[process] = [None] * process.pages
            if advice == "free":
                self.lazy |= {(process, page) for page in range(process.pages)}

    def punch(self):
        file = self.choose(self.machine.files)
        first = self.choose(range(file.pages))
        last = self.choose(range(first, file.pages))
        self.machine.punch(file, first, last)
        self.expected[file][first : last + 1] = [None] * (last + 1 - first)

    def truncate(self):
        file = self.choose(self.machine.files)
        self.machine.truncate(file)
        self.expected[file] = [None] * file.pages

    def swapoff(self):
        if self.on:
            number = self.choose(sorted(self.on))
            signal = self.choose((False, False, False, True))
            if self.machine.swapoff(number, signal=signal).value == 0:
                self.on.discard(number)

    def swapon(self):
        off = [n for n in range(len(self.machine.devices)) if n not in self.on]
        if off:
            number = self.choose(off)
            assert self.machine.swapon(number, prio=self.choose((-1, 0, 5))).value == 0
            self.on.add(number)

    # ---- choices -----------------------------------------------------------------------------------------------------

    def process(self):
        return self.choose(self.machine.processes) if self.machine.processes else None

    def place(self):
        who = self.choose(list(self.expected))
        return who, self.choose(range(who.pages))

    def step(self, name):
        getattr(self, name)()
        self.done[name] += 1

    def finish(self):
        """Every page reads back the value last written."""
        for who in list(self.expected):
            for page in range(who.pages):
                found, expected = self.machine.read(who, page), self.expected[who][page]
                if found != expected and not (found is None and (who, page) in self.lazy):
                    raise AssertionError(f"page {page} of {who} reads {found!r}, but {expected!r} was written")


WEIGHTS = {
    "write": 12, "read": 12, "swap_out": 14, "fork": 2, "spawn": 2, "exit": 1, "reclaim": 1, "huge": 1, "split": 1,
    "madvise": 2, "punch": 1, "truncate": 1, "swapoff": 1, "swapon": 2,
}  # fmt: skip


def walk(machine, names, choose, check=True):
    """Takes the operations one after the other; returns the Walk. Raises what goes wrong, with its number."""
    steps = Walk(machine, choose)
    steps.spawn()
    for number, name in enumerate(names):
        try:
            steps.step(name)
            if check:
                machine.check()
        except (AssertionError, Violation) as error:
            raise AssertionError(f"operation {number}, {name}: {error}") from error
    steps.finish()
    return steps


def random_walk(machine, seed, operations, check=True):
    randomness = random.Random(seed)
    names = randomness.choices(list(WEIGHTS), list(WEIGHTS.values()), k=operations)
    return walk(machine, names, randomness.choice, check)


if __name__ == "__main__":
    seed, count, check = int(sys.argv[1]), int(sys.argv[2]), "--unchecked" not in sys.argv
    machine, started = Machine(slots=64, pages=16), time.process_time()
    done = random_walk(machine, seed, count, check).done
    spent = time.process_time() - started
    print(", ".join(f"{n} {name}" for name, n in done.most_common()))
    how = "each checked" if check else "unchecked"
    print(f"{count:,} operations in {spent:.2f} s of CPU: {count / spent:,.0f} a second, {how}")
