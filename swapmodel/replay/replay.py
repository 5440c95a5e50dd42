"""Replay: a verdict to step through. In a notebook a live widget, in a page without a kernel a player, elsewhere text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..explain.replayed import follow, waits_for
from ..export.columns import story_columns
from ..fixes import FIXES, Fix
from ..fixes.given import functions_of_fix
from ..kernel import Kernel
from ..names import look_up_or_take, quoted
from ..progress import Progress
from ..scenarios import SCENARIOS, Parameters
from ..trace import Recorder, record
from ..verdict import Verdict, all_recorded, cell_name, check, demand_verdict
from ..versions import KERNELS
from ..views import closing, failure, summary, wrapped
from .cover import LITTLE, Covered, Effort, learn
from .document import Variant, document, unrolled, variant_of
from .page import fragment, page

BESIDE = ("as-argued", "v6.8", "v6.9")  # the kernels that a reader can switch to, if nothing else is said
LONG = 20_000  # characters
CURE = ("get-swap-device",)  # and the fixes, of the verdict's own kernel


class Replay:
    """A verdict to step through, on other kernels and with other fixes too. `schedule` is the one that the reader has on the
    screen, where a notebook's kernel runs; elsewhere the recorded one.

    `kernels` and `fixes` are what check() takes; each becomes a variant that the reader can switch to without a kernel. With
    `static` the display is the player alone, as in a page, also where a widget could be shown. May raise what check() does."""

    def __init__(
        self,
        verdict: Verdict | str,
        kernels: Iterable[Kernel | str] = BESIDE,
        fixes: Iterable[Any] = CURE,
        *,
        static: bool = False,
    ):
        if isinstance(verdict, str):
            verdict = check(verdict)
        demand_verdict("Replay", verdict)
        self.verdict, self.static = verdict, static
        kernels, fixes = listed("kernels", kernels), listed("fixes", fixes)
        self.variants = variants_beside(verdict, kernels, fixes)
        self._widget: Any = None
        self._document: dict[str, Any] | None = None
        self._covered: dict[int, Covered] = {}

    def __repr__(self) -> str:
        return f"<replay of {self.verdict!r}>"

    def __str__(self) -> str:
        return str(self.verdict)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = {"text/plain": str(self), "text/html": self.html()}
        if not self.static and live():
            bundle.update(self.widget._repr_mimebundle_()[0])
            bundle["text/plain"] = str(self)
        return bundle

    # ---- what is on the screen

    @property
    def widget(self) -> Any:
        """The anywidget of the live player. ImportError, one sentence, without the extra `notebook`."""
        if self._widget is None:
            if not find_spec("anywidget"):
                raise ImportError("the live player needs anywidget: pip install 'swapmodel[notebook]'")
            from .widget import widget_of

            self._widget = widget_of(self)
        return self._widget

    @property
    def schedule(self) -> list[int]:
        """Which thread takes each step."""
        return unrolled(self._widget.schedule) if self._widget is not None else list(self.variants[0].schedule)

    @property
    def step(self) -> int:
        """How many steps have been taken where the reader stands."""
        return int(self._widget.step) if self._widget is not None else len(self.schedule)

    @property
    def variant(self) -> Variant:
        """The kernel and fix that the reader chose."""
        if self._widget is None:
            return self.variants[0]
        wanted = (self._widget.kernel, self._widget.fix)
        return next((v for v in self.variants if (v.kernel.name, v.fix) == wanted), self.variants[0])

    @property
    def recorder(self) -> Recorder:
        """The steps up to there, as check() records them."""
        return record(self.variant.system, self.schedule[: self.step])

    def columns(self, width: int = 72) -> str:
        """The schedule as the columns of a commit message."""
        return story_columns(record(self.variant.system, self.schedule), width)

    def explain(self) -> str:
        """In sentences: what went wrong where the reader stands, or who waits for whom and why."""
        recorder = self.recorder
        if recorder.violation is not None:
            return failure(recorder)
        names = recorder.system.memory.threads
        waits = [f"{name} {told}" for t, name in enumerate(names) if (told := waits_for(recorder, t))]
        return "; ".join(waits) or "nobody waits"

    # ---- to keep and to send on

    def document(self, tick: Callable[[int, int], None] | None = None) -> dict[str, Any]:
        """The document that the player interprets: see document.py. `tick(done, depth)` is called now and then, in place of a
        progress bar; it may end the making by raising."""
        if self._document is None:
            verdict, progress = self.verdict, Progress(f"replay of {self.verdict.scenario.name}")
            effort = LITTLE if verdict.verdict == "unfinished" else Effort()
            try:
                self._document = document(
                    verdict.scenario, verdict.parameters, self.variants, tick or progress, self._covered, effort
                )
            finally:
                progress.close()
        return self._document

    def html(self) -> str:
        """The player as the HTML of a cell's output."""
        return fragment(self.document(), self.head(), self.text())

    def page(self) -> str:
        """One HTML file that needs nothing else."""
        title = summary(self.verdict).split("\n")[0]
        return page(self.document(), self.head(), self.text(), title)

    def text(self) -> str:
        """The verdict as text, for those who run no scripts; of a long interleaving only what tells its story."""
        report, recorder = str(self), self.verdict.recorder
        if recorder is None or len(report) <= LONG:
            return report
        return "\n\n".join([summary(self.verdict), story_columns(recorder, 72), *map(wrapped, closing(self.verdict))])

    def head(self) -> list[str]:
        """The verdict, its sizes, and what went wrong or what stops the nearest miss: a sentence each."""
        return [*(line.strip() + "." for line in summary(self.verdict).split("\n")), *closing(self.verdict)]

    def save(self, path: str | Path) -> None:
        """Writes page() to a file. OSError if it can't be written."""
        Path(path).write_text(self.page(), encoding="utf-8")

    # ---- asked for by the live player

    def add(self, kernel: str, fix: str) -> int:
        """Another kernel or fix for the reader to switch to; its number among the variants. May raise what check() raises."""
        names = [(v.kernel.name, v.fix) for v in self.variants]
        if (kernel, fix) not in names:
            self.variants.append(other(self.verdict, kernel, fix or None))
            self._document = None
        return [(v.kernel.name, v.fix) for v in self.variants].index((kernel, fix))

    def extend(self, number: int, schedule: Sequence[int]) -> None:
        """Learns what comes after a schedule that the document does not hold, and along it."""
        learn(self.variants[number].system, schedule)
        self._document = None


def live() -> bool:
    """Does a notebook's kernel run here, and are there widgets?"""
    return "ipykernel.kernelapp" in sys.modules and find_spec("anywidget") is not None


def listed(argument: str, given: Any) -> list[Any]:
    """One thing, or several: as a list. ValueError for what is neither."""
    if isinstance(given, str | Kernel | Fix) or callable(given):
        return [given]
    try:
        return [given] if isinstance(given, Mapping) else list(given)
    except TypeError:
        raise ValueError(f"{argument} is one or several of what check() takes, not {quoted(given)}") from None


def variants_beside(verdict: Verdict, kernels: Iterable[Any], fixes: Iterable[Any]) -> list[Variant]:
    """The verdict's own variant first, then the others, each once."""
    found = [own(verdict)]
    for kernel, fix in [*((k, None) for k in kernels), *((verdict.kernel, f) for f in fixes)]:
        made = other(verdict, kernel, fix)
        if (made.kernel.name, made.fix) not in [(v.kernel.name, v.fix) for v in found]:
            found.append(made)
    return found


def own(verdict: Verdict) -> Variant:
    """What was checked, with its counterexample or nearest miss."""
    recorder = verdict.recorder
    system = recorder.system if recorder else verdict.scenario.system(verdict.kernel, verdict.parameters, verdict.functions)
    schedule = [step.thread for step in recorder.steps] if recorder else []
    reason = verdict.stopped_at or verdict.outcome.reason
    told = verdict.verdict + (
        f": {verdict.outcome.violation.kind}" if verdict.outcome.violation else f": {reason}" if reason else ""
    )
    return Variant(verdict.kernel, verdict.fix, verdict.functions, system, schedule, told)


def other(verdict: Verdict, kernel: Any, fix: Any) -> Variant:
    """The same scenario elsewhere, with the verdict's schedule as far as it goes there."""
    chosen = look_up_or_take("kernel", kernel, KERNELS)
    functions, name = functions_of_fix(fix)
    made = variant_of(verdict.scenario, verdict.parameters, chosen, functions, name)
    followed = follow(verdict.recorder.steps, made.system).recorder.steps if verdict.recorder else []
    return made._replace(schedule=[s.thread for s in followed], told=known(verdict, chosen, name))


def known(verdict: Verdict, kernel: Kernel, fix: str) -> str:
    """The recorded verdict of a cell, where the sizes are the scenario's own; "" for what is not ours, whatever its name."""
    if SCENARIOS.get(verdict.scenario.name) is not verdict.scenario or KERNELS.get(kernel.name) is not kernel:
        return ""
    own_sizes, p = verdict.scenario.fill(Parameters()), verdict.parameters
    if fix or p._replace(preempt=own_sizes.preempt, slot_cache=own_sizes.slot_cache) != own_sizes:
        return ""
    return str(
        all_recorded().get(cell_name(verdict.scenario.name, kernel.name, p.preempt, p.slot_cache), {}).get("verdict", "")
    )


def choices(verdict: Verdict) -> list[tuple[str, str]]:
    """What the live player offers besides: every kernel, and every fix of the catalogue on the verdict's own."""
    return [*((name, "") for name in KERNELS), *((verdict.kernel.name, name) for name in FIXES)]
