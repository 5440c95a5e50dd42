"""Small random programs for the soundness tests, as source text: what is tested is what CPython makes of it (liveness, the
value stack), so closures over a syntax tree would not do."""

from __future__ import annotations

import itertools
import linecache
import re
import types
from typing import Any, NamedTuple

from hypothesis import strategies as st

from swapmodel import machine
from swapmodel.kernel import WAITS, named_by
from swapmodel.machine import (
    NULL,
    Memory,
    Struct,
    Violation,
    completion_t,
    mutex_t,
    percpu_ref_t,
    rw_semaphore,
    spinlock_t,
    word,
)
from swapmodel.program import Program, System

from .reference import Start

STORE = re.compile(r"yield (?:WRITE_ONCE|write|xchg|cmpxchg|atomic_dec_and_test|atomic_add)\((?:-?\d, )?t\.(\w+)")
FUNCTION = re.compile(r"def (\w+)\(")
_numbers = itertools.count()


class Built(NamedTuple):
    """A program that can run. `starts` are the same threads, for those who don't want our Program."""

    system: System
    starts: list[Start]


class Source(NamedTuple):
    """A random program. The threads are thread0, thread1, ... with the arguments t (a static object) and o (a heap object)."""

    text: str
    threads: int
    preempt: str = "full"
    own: bool = False  # tell the memory which thread names and writes what
    oracle: bool = False  # flag and turn must not both be 2
    end: bool = False  # nor may certain values be left when all have returned

    def __repr__(self) -> str:
        return f"threads={self.threads} preempt={self.preempt} own={self.own} oracle={self.oracle} end={self.end}\n{self.text}"

    def build(self) -> Built:
        stored = self._stores() if self.own else {}

        def plain(member: str, default: Any = 0, **options: Any) -> Any:
            return word(default, writers=tuple(sorted(stored.get(member, ()))), **options)

        item = type(
            "item",
            (Struct,),
            {"value": word(1), "latch": spinlock_t(), "inner": word(0, guarded_by="latch"), "locked": word(stable=True)},
        )
        thing = type(
            "thing",
            (Struct,),
            {
                "lock": spinlock_t(),
                "lock2": spinlock_t(),
                "mutex": mutex_t(),
                "sem": rw_semaphore(),
                "data": plain("data", guarded_by="lock"),
                "peek": plain("peek", guarded_by="lock", lockless=True),
                "flag": plain("flag"),
                "turn": plain("turn"),
                "ptr": plain("ptr", NULL),
                "limit": word(1, constant=True),
                "users": percpu_ref_t(release="comp"),
                "comp": completion_t(),
            },
        )
        memory = Memory([f"thread {t}" for t in range(self.threads)], self.preempt)
        t, o = memory.new(thing, "t"), memory.new(item, "o", heap=True)
        memory.set(t.ptr, o)
        space = self._space()
        functions = [getattr(space, f"thread{n}") for n in range(self.threads)]
        if self.own:
            names = [named_by(space, f.__name__) | {f.__name__} for f in functions]
            memory.own(names, {n for n, named in enumerate(names) if named & WAITS}, {})
        syscall = getattr(machine, f"syscall_{self.preempt}")
        starts = [lambda f=f: syscall(f, t, o) for f in functions]
        oracles = (_not_both(t.flag.word, t.turn.word),) if self.oracle else ()
        at_end = (_left(tuple(a.word for a in (t.flag, t.turn, t.peek, t.data, o.inner))),) if self.end else ()
        programs = [Program(f.__name__, s) for f, s in zip(functions, starts, strict=True)]
        return Built(System(memory, programs, oracles, at_end=at_end), starts)

    def _space(self) -> types.SimpleNamespace:
        space = {name: getattr(machine, name) for name in machine.__all__}
        file = f"<random {next(_numbers)}>"
        exec(compile(self.text, file, "exec"), space)
        linecache.cache[file] = (len(self.text), None, self.text.splitlines(True), file)
        return types.SimpleNamespace(**space)

    def _stores(self) -> dict[str, set[str]]:
        """Member -> the functions that store to it."""
        stored: dict[str, set[str]] = {}
        function = ""
        for line in self.text.splitlines():
            begins = FUNCTION.match(line)
            function = begins[1] if begins else function
            for member in STORE.findall(line):
                stored.setdefault(member, set()).add(function)
        return stored


def _not_both(flag: int, turn: int) -> Any:
    def check(words: Any) -> Violation | None:
        return Violation("oracle", "flag and turn are both 2") if words[flag] == words[turn] == 2 else None

    return check


def _left(words_: tuple[int, ...]) -> Any:
    def check(words: Any) -> Violation | None:
        left = [words[word] for word in words_]
        return Violation("left", f"these are left: {left}") if left.count(2) == 1 or left[0] == left[1] == 1 else None

    return check


KINDS = (
    "load",
    "store",
    "pointer",
    "drop",
    "one",
    "bug",
    "branch",
    "stack",
    "local",
    "section",
    "pinned",
    "for",
    "call",
    "synchronize",
    "while",
)


NESTED = ("pointer", "branch", "section", "pinned", "for", "call", "while")


class _Writer:
    """Writes one program. `steps` is what a thread may still take, on its longest path."""

    def __init__(self, draw: Any, calm: bool, loops: bool):
        self.draw, self.calm, self.loops = draw, calm, loops
        self.left_out = draw(st.frozensets(st.sampled_from(KINDS), max_size=len(KINDS) - 3))  # each program without some
        self.helpers: list[str] = []
        self.fresh = itertools.count()
        self.held: list[str] = []  # sections around what is written now
        self.depth = 0  # of the block that is written now

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def thread(self, n: int, steps: int) -> str:
        body = self.block(steps, [], None)[0]
        return "\n".join([f"def thread{n}(t, o):", *indent([*body, "return", "yield"])])

    def block(self, steps: int, known: list[str], loop: str | None) -> tuple[list[str], int]:
        """Lines, and how many steps they have at most."""
        lines: list[str] = []
        known, taken = list(known), 0
        self.depth += 1
        while taken < steps and self.pick(True, True, True, True, True, False):
            more, used = self.statement(steps - taken, known, loop)
            lines, taken = lines + more, taken + used
        self.depth -= 1
        return lines, taken

    def statement(self, steps: int, known: list[str], loop: str | None) -> tuple[list[str], int]:
        kinds = ["load", "store", "store", "pointer", "drop", "one"]
        if known:
            kinds += ["bug", "branch", "stack", "local"]
        if steps >= 3:
            kinds += ["section", "section", "section", "pinned"]
        if steps >= 2:
            kinds += ["for", "call"]
        if steps >= 2 and not (self.calm and self.sleepless()):
            kinds += ["synchronize"]
        if self.loops and steps >= 2:
            kinds += ["while"]
        kinds = [kind for kind in kinds if kind not in self.left_out and (self.depth < 5 or kind not in NESTED)] or ["load"]
        return getattr(self, f"_{self.pick(*kinds)}")(steps, known, loop)

    @property
    def guarded(self) -> bool:
        """May the fields be used that t.lock guards? A wild program does not ask."""
        return not self.calm or any("(t.lock)" in enter for enter in self.held)

    def sleepless(self) -> bool:
        return any("spin" in enter or "rcu" in enter or "irq" in enter for enter in self.held)

    def expression(self, known: list[str], loop: str | None) -> str:
        return self.pick("0", "1", "2", *known, *([loop] if loop else []))

    def name(self, known: list[str]) -> str:
        if known and self.pick(True, False):
            return self.pick(*known)
        return f"v{next(self.fresh)}"

    def operation(self, known: list[str], loop: str | None) -> str:
        """Something to yield whose value is an integer."""
        value = self.expression(known, loop)
        return self.pick(
            "READ_ONCE(t.flag)",
            "READ_ONCE(t.turn)",
            "READ_ONCE(t.peek)",
            "READ_ONCE(t.limit)",
            "READ_ONCE(t.flag)",
            f"xchg(t.flag, {value})",
            f"cmpxchg(t.turn, 0, {value})",
            *(["read(t.data)"] if self.guarded else []),
        )

    def _load(self, steps, known, loop):
        operation = self.operation(known, loop)
        name = self.name(known)
        if self.pick(True, True, True, False):
            if name not in known:
                known.append(name)
            return [f"{name} = yield {operation}"], 1
        return [f"yield {operation}"], 1

    def _store(self, steps, known, loop):
        value = self.expression(known, loop)
        return [
            self.pick(
                f"yield WRITE_ONCE(t.flag, {value})",
                f"yield WRITE_ONCE(t.turn, {value})",
                f"yield WRITE_ONCE(t.flag, {value})",
                "yield atomic_add(1, t.turn)",
                *([f"yield WRITE_ONCE(t.peek, {value})", f"yield write(t.data, {value})"] if self.guarded else []),
            )
        ], 1

    def _one(self, steps, known, loop):
        calm = [
            "wait_var_event(t.flag, 1)",
            "complete(t.comp)",
            "wait_for_completion(t.comp)",
            "percpu_ref_kill(t.users)",
            "start_poll_synchronize_rcu()",
            "cond_synchronize_rcu()",
            "schedule_timeout_uninterruptible(1)",
        ]
        wild = [
            "spin_unlock(t.lock)",
            "spin_lock(t.lock)",
            "mutex_lock(t.mutex)",
            "mutex_unlock(t.mutex)",
            "rcu_read_lock()",
            "rcu_read_unlock()",
            "percpu_ref_put(t.users)",
            "folio_unlock(o)",
            "kvzalloc(o)",
            "spin_trylock(t.lock)",
            "folio_trylock(o)",
            "percpu_ref_resurrect(t.users)",
            "READ_ONCE(t.lock)",
            "READ_ONCE(t.comp)",
            "up_read(t.sem)",
        ]
        if self.calm and self.sleepless():
            calm = ["complete(t.comp)", "READ_ONCE(t.limit)"]
        return [f"yield {self.pick(*calm, *([] if self.calm else wild))}"], 1

    def _pointer(self, steps, known, loop):
        name = f"p{next(self.fresh)}"
        use = self.pick(
            f"yield READ_ONCE({name}.value)",
            f"yield WRITE_ONCE({name}.value, 2)",
            f"yield WRITE_ONCE({name}.value, 1)",
            f"yield spin_lock({name}.latch)",
        )
        more = self.block(steps - 2, known, loop)[0] if steps > 3 and self.pick(True, False) else []
        after = [use, *([f"yield spin_unlock({name}.latch)"] if "lock" in use and steps > 2 else [])]
        if self.calm or self.pick(True, False):
            return [f"{name} = yield READ_ONCE(t.ptr)", *more, f"if {name}:", *indent(after)], steps
        return [f"{name} = yield READ_ONCE(t.ptr)", *more, *after], steps

    def _drop(self, steps, known, loop):
        name = f"p{next(self.fresh)}"
        if steps < 3:
            return [self.pick("yield WRITE_ONCE(t.ptr, NULL)", "yield READ_ONCE(t.ptr)", "yield READ_ONCE(o.value)")], 1
        lines = self.pick(
            [f"{name} = yield xchg(t.ptr, NULL)"],
            [f"{name} = yield READ_ONCE(t.ptr)", "yield WRITE_ONCE(t.ptr, NULL)"],
        )
        used = len(lines) + 1
        if steps >= used + 2 and self.pick(True, True, False):
            lines = [*lines, "yield from synchronize_rcu()"]
            used += 2
        return [*lines, f"yield kfree({name})"], used

    def _bug(self, steps, known, loop):
        name = self.pick(*known)
        return [f"if {name} == {self.pick('0', '1', '2', *known)}:", '    yield BUG("seen")'], 1

    def _branch(self, steps, known, loop):
        condition = self.pick(*known, f"not {self.pick(*known)}")
        then, taken = self.block(steps, known, loop)
        lines = [f"if {condition}:", *indent(then or ["pass"])]
        if self.pick(True, False):
            other, more = self.block(steps, known, loop)
            lines, taken = [*lines, "else:", *indent(other or ["pass"])], max(taken, more)
        return lines, taken

    def _stack(self, steps, known, loop):
        """A half-evaluated expression waits on the value stack."""
        name, left = self.name(known), self.pick(*known)
        operation = self.operation(known, loop)
        line = self.pick(f"{name} = ({left} or 0) + ((yield {operation}) or 0)", f"{name} = ({left}, (yield {operation}))[0]")
        if name not in known:
            known.append(name)
        return [line], 1

    def _local(self, steps, known, loop):
        name, value = self.name(known), self.expression(known, loop)
        if name not in known:
            known.append(name)
        return [f"{name} = {value}"], 0 if self.draw(st.booleans()) else 1

    def _section(self, steps, known, loop):
        """Something that is entered and, most of the time, left."""
        enter, leave = self.pick(
            ("spin_lock(t.lock)", "spin_unlock(t.lock)"),
            ("spin_lock(t.lock)", "spin_unlock(t.lock)"),
            ("spin_lock(t.lock2)", "spin_unlock(t.lock2)"),
            ("spin_lock(o.latch)", "spin_unlock(o.latch)"),
            ("spin_lock_irq(t.lock)", "spin_unlock_irq(t.lock)"),
            ("spin_lock_not_rcu(t.lock)", "spin_unlock_not_rcu(t.lock)"),
            ("mutex_lock(t.mutex)", "mutex_unlock(t.mutex)"),
            ("mutex_lock(t.mutex)", "mutex_unlock(t.mutex)"),
            ("down_read(t.sem)", "up_read(t.sem)"),
            ("down_write(t.sem)", "up_write(t.sem)"),
            ("rcu_read_lock()", "rcu_read_unlock()"),
            ("rcu_read_lock()", "rcu_read_unlock()"),
            ("local_irq_disable()", "local_irq_enable()"),
            ("folio_lock(o)", "folio_unlock(o)"),
        )
        if self.calm and (
            (self.sleepless() and ("mutex" in enter or "down" in enter or "folio" in enter)) or enter in self.held
        ):
            enter, leave = "local_irq_disable()", "local_irq_enable()"
        self.held.append(enter)
        inside, taken = self.block(steps - 2, known, loop)
        self.held.pop()
        if "t.lock)" in enter and taken < steps - 2 and self.pick(True, True, False):
            value = self.expression(known, loop)
            inside = [*inside, self.pick(f"yield write(t.data, {value})", f"yield WRITE_ONCE(t.peek, {value})")]
            taken += 1
        elif "o.latch)" in enter and taken < steps - 2 and self.pick(True, True, False):
            inside = [*inside, self.pick("yield write(o.inner, 1)", "yield read(o.inner)")]
            taken += 1
        end = [f"yield {leave}"] if self.calm or self.pick(True, True, True, True, True, False) else []
        return [f"yield {enter}", *inside, *end], taken + 2

    def _pinned(self, steps, known, loop):
        name = f"r{next(self.fresh)}"
        inside = self.block(steps - 2, known, loop)[0]
        return [
            f"{name} = yield percpu_ref_tryget_live(t.users)",
            f"if {name}:",
            *indent([*inside, "yield percpu_ref_put(t.users)"]),
        ], steps

    def _synchronize(self, steps, known, loop):
        return ["yield from synchronize_rcu()"], 2

    def _for(self, steps, known, loop):
        times = self.pick(2, 2, 3) if steps >= 3 else 2
        name = f"i{next(self.fresh)}"
        inside, taken = self.block(steps // times, known, name if self.pick(True, False) else None)
        return [f"for {name} in range({times}):", *indent(inside or ["pass"])], taken * times

    def _while(self, steps, known, loop):
        name = f"w{next(self.fresh)}"
        member = self.pick("flag", "turn", "peek", "limit")
        inside = self.block(steps - 2, known, loop)[0]
        condition = self.pick(name, f"not {name}")
        again = f"{name} = yield READ_ONCE(t.{member})"
        return [again, f"while {condition}:", *indent([*inside, again])], steps

    def _call(self, steps, known, loop):
        function = f"helper{len(self.helpers)}"
        self.helpers.append("")
        body = self.block(steps, ["a"], None)[0]
        last = self.pick("return a", "return 1", "return")
        self.helpers[int(function[6:])] = "\n".join([f"def {function}(t, o, a):", *indent([*body, last, "yield"])])
        call = f"yield from {function}(t, o, {self.expression(known, loop)})"
        name = self.name(known)
        if last == "return" or self.pick(True, False):
            return [call], steps
        if name not in known:
            known.append(name)
        return [f"{name} = {call}"], steps


def indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


@st.composite
def programs(draw: Any, steps: dict[int, int], loops: bool = False) -> Source:
    """`steps[n]` is how many steps each thread of a program with n threads may take, without the system call's two."""
    threads = draw(st.sampled_from(sorted(steps)))
    writer = _Writer(draw, calm=draw(st.sampled_from([True, True, True, False])), loops=loops)
    bodies = [writer.thread(n, steps[threads]) for n in range(threads)]
    text = "\n\n".join([*writer.helpers, *bodies]) + "\n"
    preempt = draw(st.sampled_from(["full", "full", "none"]))
    mark = draw(st.sampled_from(["", "own", "own", "oracle"]))  # an oracle must not look at words that only one thread names
    end = draw(st.booleans())  # but at the end it may: there nothing is put off any more
    return Source(text, threads, preempt, own=mark == "own", oracle=mark == "oracle", end=end)
