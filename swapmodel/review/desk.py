"""compare(): scenarios x fixes x kernels x preemption, on every core."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..fixes import FIXES, Fix
from ..names import look_up
from ..program import KernelError
from ..progress import Progress
from ..scenarios import SCENARIOS, Parameters
from ..verdict import MAX_BYTES, MAX_STATES, all_recorded, cell_name
from ..versions import KERNELS
from .cell import REFUSED, Cell, Key, Result, run, untouched
from .comparison import Comparison
from .cost import Price, price_of
from .pool import Died, Pool
from .travel import packed

PREEMPT = ("full", "none")
WRONG = "an error inside swapmodel, which should be reported: {}: {}"
LEFT = "interrupted before its turn came"
KERNEL = Fix("", "the kernel as it is", "", {}, "candidate", "")


def compare(
    scenarios: Iterable[str] | str | None = None,
    fixes: Any = None,
    kernels: Iterable[str] | str = "v6.8",
    preempt: Iterable[str] | str = PREEMPT,
    *,
    processes: int = 0,
    pages: int = 0,
    max_states: int | None = MAX_STATES,
    max_seconds: float | None = None,
    workers: int | None = None,
    client: Any = None,
    ended: Callable[[Key, Result], None] | None = None,
) -> Comparison:
    """Checks every scenario with every fix on every kernel, preempted or not, and prices the fixes.

    `scenarios`: names; None means all. `fixes`: one or several of: a name or an object of FIXES, a function of a kernel
    function's name, a dict of such functions; None means all of FIXES. The kernel as it is always stands in the first row.
    `preempt`: "full", "none", or both. `processes`, `pages`: of every scenario, 0 for its own. `max_states`, `max_seconds` (of
    CPU) bound each cell. `workers`: processes, by default one a core; `client`: a Dask client whose cluster works instead.
    `ended(key, result)` is called with each cell as it ends.

    An interrupt ends the search, and the table is returned with what is done. ValueError, one sentence: an unknown name,
    parameters that contradict a scenario, or each other."""
    sweep = Sweep(
        [look_up("scenario", s, SCENARIOS).name for s in several(SCENARIOS if scenarios is None else scenarios)],
        labelled(FIXES if fixes is None else fixes),
        [look_up("kernel", k, KERNELS).name for k in several(kernels)],
        several(preempt),
        Bounds(processes, pages, max_states, max_seconds, MAX_BYTES),
    )
    return sweep.run(number_of_workers(workers, client), client, ended)


class Bounds(NamedTuple):
    """What all cells have in common: the sizes of the scenarios, and when to give up."""

    processes: int = 0
    pages: int = 0
    max_states: int | None = None
    max_seconds: float | None = None
    max_bytes: int | None = None


def several(given: Any) -> list[str]:
    """One or several names, each once, in their order."""
    return [given] if isinstance(given, str) else list(dict.fromkeys(given))


def labelled(given: Any) -> dict[str, Fix]:
    """The fixes by what the table calls them, that of no fix first. What a reader wrote is called by its functions."""
    fixes = {"": KERNEL}
    several_given = list(FIXES) if given is FIXES else [given] if _is_one(given) else list(given)
    for one in several_given:
        fix = _fix(one)
        if fix.name in fixes and fixes[fix.name].replaces == fix.replaces:
            continue
        fixes[_free_label(fix.name, fixes)] = fix
    return fixes


def _is_one(given: Any) -> bool:
    return isinstance(given, (str, Fix, Mapping)) or callable(given)


def _fix(given: Any) -> Fix:
    if given is None:
        return KERNEL
    if isinstance(given, Fix):
        return given
    if isinstance(given, str):
        return look_up("fix", given, FIXES)
    functions = {given.__name__: given} if callable(given) else given
    if not isinstance(functions, Mapping) or not functions or not all(map(callable, functions.values())):
        raise ValueError(f"a fix is a name of FIXES, a Fix, a function, or a dict of functions by name, not {given!r}")
    label = ", ".join(f"{name}()" for name in functions)
    return KERNEL._replace(name=label, title=f"your own {label}", replaces=functions)


def _free_label(name: str, taken: Iterable[str]) -> str:
    """`name`, numbered if the table has it already."""
    labels = itertools.chain([name], (f"{name} ({n})" for n in itertools.count(2)))
    return next(label for label in labels if label not in taken)


def number_of_workers(workers: int | None, client: Any) -> int:
    from loky import cpu_count  # type: ignore[import-untyped]

    if client is not None and workers is not None:
        raise ValueError("workers are processes on this machine, a client's cluster has its own: give one of the two")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is a number from 1 on, not {workers}")
    return workers or int(cpu_count())


class Waiting(Progress):
    """The progress of a sweep, by cells. What ends is shown at once, however quick the cells before it were."""

    def ended(self, done: int, what: str) -> None:
        self(done)
        if self._shown is not None:
            self._shown.set_postfix_str(what)


class Sweep:
    """The cells of one comparison, those that wait for the kernel as it is, and what is done."""

    def __init__(self, scenarios: list[str], fixes: dict[str, Fix], kernels: list[str], preempt: list[str], bounds: Bounds):
        self.fixes, self.bounds = fixes, bounds
        self.keys = [Key(*place) for place in itertools.product(kernels, preempt, fixes, scenarios)]
        for key in self.keys:
            SCENARIOS[key.scenario].fill(self._parameters(key))
            if not _known(fixes[key.fix]):  # told before anything is searched
                self._link(key)
        self.results: dict[Key, Result] = {}
        self.prices: dict[tuple[str, str], Price] = {}
        self.texts = {label: None if _known(fix) else packed(fix.replaces) for label, fix in fixes.items()}
        self.notes: list[str] = []

    def _parameters(self, key: Key) -> Parameters:
        if key.preempt not in PREEMPT:
            raise ValueError(f"preempt is 'full' or 'none', not {key.preempt!r}")
        return Parameters(self.bounds.processes, self.bounds.pages, key.preempt)

    def _link(self, key: Key) -> None:
        SCENARIOS[key.scenario].system(KERNELS[key.kernel], self._parameters(key), self.fixes[key.fix].replaces)

    def run(self, workers: int, client: Any, ended: Callable[[Key, Result], None] | None) -> Comparison:
        """Works through all cells. The kernel as it is comes first, its longest cells before the others."""
        self.bounds = self.bounds._replace(max_bytes=MAX_BYTES // (1 if client else workers))  # of all of them together
        self._watcher, self._progress = ended, Waiting("compare", " cells", len(self.keys))
        self._pool = Pool(self._ended, workers, client, lambda: self._progress(len(self.results)))
        interrupted = False
        try:
            self._work()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self._progress.close()
        return self._comparison(interrupted)

    def _work(self) -> None:
        try:
            for key in sorted((k for k in self.keys if not k.fix), key=expected_states, reverse=True):
                self._submit(key)
            for kernel, label in dict.fromkeys((k.kernel, k.fix) for k in self.keys):
                self._submit_price(kernel, label)
            self._pool.run()
        finally:
            self._pool.close()

    def _submit(self, key: Key) -> None:
        functions = None if self._travels(key.fix) else self.fixes[key.fix].replaces
        self._pool.submit(key, run, self._cell(key), *([functions] if functions else []), travels=not functions)

    def _submit_price(self, kernel: str, label: str) -> None:
        functions = None if self._travels(label) else self.fixes[label].replaces
        cell = self._cell(Key(kernel, "full", label, ""))
        self._pool.submit((kernel, label), price_of, cell, *([functions] if functions else []), travels=not functions)

    def _travels(self, label: str) -> bool:
        return _known(self.fixes[label]) or self.texts[label] is not None

    def _cell(self, key: Key) -> Cell:
        fix = self.fixes[key.fix]
        named = fix.name if _known(fix) else ""
        return Cell(key.scenario, key.kernel, key.preempt, key.fix, named, self.texts[key.fix] or (), *self.bounds)

    def _ended(self, key: Any, outcome: Any) -> None:
        if not isinstance(key, Key):
            self._priced(key, outcome)
            return
        if isinstance(outcome, (Died, MemoryError)):
            outcome = Result("unfinished", self._note(str(outcome) or "out of memory"))
        elif isinstance(outcome, Exception):
            outcome = Result(REFUSED, self._note(WRONG.format(type(outcome).__name__, outcome)))
        self._have(key, outcome)
        if not key.fix:
            for other in self.keys:
                if other.fix and other._replace(fix="") == key and other not in self.results:
                    self._share_or_submit(other, outcome)

    def _share_or_submit(self, key: Key, unfixed: Result) -> None:
        if untouched(self.fixes[key.fix].replaces, unfixed):
            self._have(key, unfixed._replace(shared=True, seconds=0.0))
        else:
            self._submit(key)

    def _have(self, key: Key, result: Result) -> None:
        self.results[key] = result
        self._progress.ended(len(self.results), f"{key.scenario}, {key.fix or key.kernel}: {result.verdict}")
        if self._watcher:
            self._watcher(key, result)

    def _priced(self, key: tuple[str, str], outcome: Any) -> None:
        if isinstance(outcome, Price):
            self.prices[key] = outcome
        elif isinstance(outcome, Died):
            self._note(str(outcome))
        elif isinstance(outcome, KernelError):
            self._note(f"{key[1]} has no price on {key[0]}: {outcome}")
        else:
            self._note(WRONG.format(type(outcome).__name__, outcome))

    def _note(self, sentence: str) -> str:
        if sentence not in self.notes:
            self.notes.append(sentence)
        return sentence

    def _comparison(self, interrupted: bool) -> Comparison:
        left = len(self.keys) - len(self.results)
        if interrupted:
            self._note(f"interrupted: {left} of {len(self.keys)} cells are not done")
        results = {key: self.results.get(key, Result("unfinished", LEFT)) for key in self.keys}
        titles = {label: fix.title for label, fix in self.fixes.items()}
        prices = {
            (kernel, label): self.prices[kernel, label]
            for kernel, label in dict.fromkeys((k.kernel, k.fix) for k in self.keys)
            if (kernel, label) in self.prices
        }
        sizes = {"processes": self.bounds.processes, "pages": self.bounds.pages}
        return Comparison(results, prices, titles, sizes, self.notes)


def _known(fix: Fix) -> bool:
    """Can every process find it under its name?"""
    return not fix.name or FIXES.get(fix.name) == fix


def expected_states(key: Key) -> int:
    """How large a cell probably is: as recorded, or else as that scenario on v6.8."""
    for kernel, preempt in ((key.kernel, key.preempt), (key.kernel, "full"), ("v6.8", "full")):
        cell = all_recorded().get(cell_name(key.scenario, kernel, preempt, False))
        if cell:
            return int(cell["states"])
    return 0
