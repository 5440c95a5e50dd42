"""A bad schedule taken again by another kernel: as far as it goes, and what ends it.

The other kernel has other steps. So the two are aligned thread by thread, on the function and the operation: a step of the new
kernel that the old one did not have is taken when it comes in the way, an old step that is gone is passed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..machine import BLOCKED, NULL, Cpu, Violation
from ..program import Step, System
from ..trace import Recorder, TraceStep
from ..views import function_of, visible_frames
from .steps import loaded

LOOK = 100  # steps of one thread that are looked ahead for the old path
PARTS = 10  # steps that a meeting without a common path behind it counts for

Key = tuple[str, str, str]  # function, operation, what it is about


class Ended(NamedTuple):
    """`how`: "blocked", "left" (a thread took another way), "violated" (it still goes wrong) or "through" (every step was taken
    and nothing went wrong). `thread` is the one that is blocked or left; `step` the number of the old step that it could not
    take, from 1. `recorder` holds the new kernel's steps up to there; `cause` the number, from 1, of the step of its that sent
    the thread another way, 0 if it never followed."""

    how: str
    thread: int
    step: int
    cause: int
    recorder: Recorder


def follow(old: Sequence[TraceStep], system: System) -> Ended:
    """Takes `system` along the steps of a recorded schedule. It ends where a thread is blocked; where one leaves the old
    path, the others go on, to see whether it still goes wrong."""
    return _Follower(old, system).run()


class _Follower:
    def __init__(self, old: Sequence[TraceStep], system: System):
        self.old, self.recorder = old, Recorder(system)
        self.keys = [key_of(s.stack, s.operation.name, str(s.operation.address)) for s in old]
        self.left: Ended | None = None
        self.known: dict[Step, Key] = {}
        self.gone: set[int] = set()  # threads that left
        self.passed: set[int] = set()  # old steps that the new kernel does not have

    def run(self) -> Ended:
        for j, step in enumerate(self.old):
            ended = None if step.thread in self.gone else self._follow(j)
            if ended is not None:
                return ended if self.left is None or ended.how == "violated" else self.left
        return self.left or Ended("through", 0, len(self.old), 0, self.recorder)

    def _follow(self, j: int) -> Ended | None:
        """Brings the thread of old step j to its counterpart, and over it."""
        t, now = self.old[j].thread, self.recorder.at[self.old[j].thread]
        if now.operation is None or j in self.passed:
            return None
        if self._key(now) == self.keys[j]:
            return self._take(t, 1, j)
        mine = [i for i in range(j, len(self.old)) if self.old[i].thread == t][:LOOK]
        new, stuck = self._ahead(t)
        met = _meeting(new, [self.keys[i] for i in mine])
        if met is None:
            return self._take(t, LOOK, j) if stuck else self._leaves(j)
        inserted, passed = met
        self.passed.update(mine[:passed])
        return None if passed else self._take(t, inserted + 1, j)

    def _key(self, step: Step) -> Key:
        if step not in self.known:
            assert step.operation is not None
            self.known[step] = key_of(step.stack, step.operation.name, str(step.operation.address))
        return self.known[step]

    def _take(self, t: int, steps: int, j: int) -> Ended | None:
        for _ in range(steps):
            if not self.recorder.take(t):
                return self._end("blocked", j)
            if self.recorder.violation is not None:
                return self._end("violated", j)
        return None

    def _ahead(self, t: int) -> tuple[list[Key], bool]:
        """The steps that thread t would take now if it ran alone, and whether it would end up blocked."""
        system, words, step = self.recorder.system, self.recorder.words, self.recorder.at[t]
        keys: list[Key] = []
        while step.operation is not None and len(keys) < LOOK:
            keys.append(self._key(step))
            cpu = Cpu(system.memory, words, t)
            try:
                value = step.operation.apply(cpu)
            except Violation:
                return keys, False
            if value is BLOCKED:
                return keys, True
            words, step = cpu.after(), system.programs[t].after(step, value)
        return keys, False

    def _leaves(self, j: int) -> Ended | None:
        """The thread goes its own way, as far as that leads by itself."""
        t, began = self.old[j].thread, len(self.recorder.steps)
        self.gone.add(t)
        for _ in range(LOOK):
            if not self.recorder.take(t):
                break
        if self.recorder.violation is not None:
            return self._end("violated", j)
        if self.left is None:
            self.left = Ended("left", t, j + 1, cause_of(self.recorder, t, began), self._copy())
        return None

    def _copy(self) -> Recorder:
        copy = Recorder(self.recorder.system)
        copy.words, copy.at, copy.steps = self.recorder.words, list(self.recorder.at), list(self.recorder.steps)
        return copy

    def _end(self, how: str, j: int) -> Ended:
        return Ended(how, self.old[j].thread, j + 1, 0, self.recorder)


def key_of(stack: Sequence[object], operation: str, address: str) -> Key:
    frames = visible_frames(stack)  # type: ignore[arg-type]
    return (frames[-1].function if frames else "", operation.replace("_not_rcu", ""), address)


def _meeting(new: Sequence[Key], old: Sequence[Key]) -> tuple[int, int] | None:
    """Where the two paths meet again: how many new steps to take first, and how many old ones to pass over; as few as possible.
    A meeting after which the paths part at once counts as further away."""
    best: tuple[int, int, int] | None = None
    where: dict[Key, list[int]] = {}
    for i, other in enumerate(new):
        where.setdefault(other, []).append(i)
    for k, key in enumerate(old):
        for i in where.get(key, ()):
            if best is None or i + k < best[0]:
                parts = new[i + 1 : i + 3] != old[k + 1 : k + 3]
                cost = i + k + PARTS * parts
                if best is None or cost < best[0]:
                    best = (cost, i, k)
    return best[1:] if best else None


def cause_of(recorder: Recorder, t: int, began: int) -> int:
    """Which of its steps, from 1, sent thread t another way, after step `began`: the first that would have gone on elsewhere
    but for what another thread had changed; or else the first that was refused, or found a change, or the last before."""
    mine = [n for n, s in enumerate(recorder.steps, 1) if s.thread == t]
    new = [n for n in mine if n > began]
    refused = [n for n in new if recorder.steps[n - 1].value is False or recorder.steps[n - 1].value is NULL]
    changed = [n for n in new if changed_by(recorder, n)]
    decisive = decides(recorder, t, changed)
    return (decisive or refused or changed or [n for n in mine if n <= began][-1:] or [0])[0]


def decides(recorder: Recorder, t: int, loads: Sequence[int]) -> list[int]:
    """Those of `loads`, numbers of steps of thread t, after which it stands elsewhere than if it had found what was there
    before another thread's last change."""
    again, words, found = Recorder(recorder.system), list[tuple[object, ...]](), list[int]()
    after = recorder.system.programs[t].after
    for number, step in enumerate(recorder.steps, 1):
        now, address = again.at[step.thread], step.operation.address
        words.append(again.words)
        if number in loads and address is not None and step.operation.name in ("READ_ONCE", "read"):
            word = address.word
            last = max((n for n in range(1, number) if words[n - 1][word] != words[n][word]), default=0)
            if last and _place(after(now, words[last - 1][word])) != _place(after(now, step.value)):
                found.append(number)
        if not again.take(step.thread):
            break
    return found


def _place(step: Step) -> tuple[object, ...]:
    return (step.operation and step.operation.name, step.stack)


# ---- who stands in the way ---------------------------------------------------------------------------------------------


def waits_for(recorder: Recorder, t: int) -> str:
    """What thread t waits for, who holds it, and where that was taken; an empty string if it can go on."""
    told = recorder.waits(t)
    step: Step = recorder.at[t]
    if not told or step.operation is None:
        return told
    if step.operation.name == "wait_for_completion":
        return _references(recorder) or told
    taken = _taken_where(recorder, told)
    return f"{told} ({taken})" if taken else told


def _references(recorder: Recorder) -> str:
    """The references to a percpu_ref that threads took and did not drop."""
    names, held = recorder.system.memory.threads, dict[tuple[int, str], int]()
    for number, step in enumerate(recorder.steps, 1):
        key = (step.thread, str(step.operation.address))
        if step.operation.name == "percpu_ref_tryget_live" and step.value:
            held[key] = number
        elif step.operation.name == "percpu_ref_put":
            held.pop(key, None)
    if not held:
        return ""
    told = [
        f"the reference to {ref} that {names[t]} took in {function_of(recorder.steps[n - 1])}, step {n}"
        for (t, ref), n in held.items()
    ]
    return "waits in wait_for_completion() for " + " and ".join(told)


def _taken_where(recorder: Recorder, told: str) -> str:
    """Where the lock was taken, or the RCU section begun, that `told` names."""
    names = recorder.system.memory.threads
    for number, step in reversed(list(enumerate(recorder.steps, 1))):
        address = step.operation.address
        if " and " in told or names[step.thread] not in told or "lock" not in step.operation.name:
            continue
        if "unlock" in step.operation.name:
            continue
        lock = f"{address}" if address is not None else ""
        if (lock and lock in told) or ("rcu_read_lock" in told and step.operation.name == "rcu_read_lock"):
            return f"taken in {function_of(step)}, step {number}"
    return ""


def changed_by(recorder: Recorder, number: int) -> str:
    """Who last changed what step `number` looked at, if that was another thread."""
    step = recorder.steps[number - 1]
    name, names = str(step.operation.address), recorder.system.memory.threads
    for n, other in reversed(list(enumerate(recorder.steps[: number - 1], 1))):
        change = next((c for c in other.changes if c.name == name or c.name.startswith(f"{name}.")), None)
        if change is not None:
            who = f"{names[other.thread]} made that of it in {function_of(other)}, step {n}"
            return f"{change.name} {change.before} -> {change.after}: {who}" if other.thread != step.thread else ""
    return ""


def returned(step: TraceStep) -> str:
    value = loaded(step)
    return f"{step.operation}" if value is None else f"{step.operation} returns {value}"
