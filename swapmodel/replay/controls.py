"""Controls for a live notebook: ask a question with a few clicks, see the answer as a player below. They need a kernel."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]

from ..explore import Budget
from ..fixes import FIXES
from ..kernel import kernel_functions
from ..program import KernelError
from ..scenarios import PAGES, PROCESSES, SCENARIOS
from ..verdict import MAX_BYTES, MAX_STATES, Verdict, check
from ..versions import KERNELS
from .replay import Replay

NO_FIX = ""
IN_A_PAGE = "<p hidden>Controls that need a notebook with a running kernel.</p>"  # a static page shows nothing


class Controls(widgets.VBox):  # type: ignore[misc]
    """Scenario, sizes, kernel, preemption and fix to choose; a button that checks, one that cancels; the verdict as a player.

    Functions with the name of a kernel function that stand in the notebook are offered as a fix. `verdict` is the last one."""

    def __init__(self) -> None:
        def choice(label: str, options: Any) -> Any:
            return widgets.Dropdown(
                description=label, options=options, style={"description_width": "6em"}, layout={"width": "auto"}
            )

        self.scenario = choice("scenario", [(f"{s.name}: {s.title}", s.name) for s in SCENARIOS.values()])
        self.kernel = choice("kernel", [(f"{k.name}: {k.title}", k.name) for k in KERNELS.values()])
        self.kernel.value = "v6.8"
        self.preempt, self.device = choice("preempt", ["full", "none"]), choice("device", ["ssd", "hdd"])
        self.processes = widgets.BoundedIntText(description="processes", min=0, max=PROCESSES, value=0)
        self.pages = widgets.BoundedIntText(description="pages", min=0, max=PAGES, value=0)
        self.slot_cache = widgets.Checkbox(description="slot cache", value=False)
        self.fix = choice("fix", [("none", NO_FIX)])
        self.again = widgets.Button(
            description="Look for my functions",
            tooltip="Offer the functions defined in this notebook",
            layout={"flex": "none", "width": "auto"},
        )
        self.start = widgets.Button(description="Check", button_style="primary", tooltip="Explore every interleaving")
        self.cancel = widgets.Button(
            description="Cancel", disabled=True, tooltip="Stop the search, or the making of the player"
        )
        self.progress = widgets.IntProgress(description="states", min=0, max=1, layout={"visibility": "hidden"})
        self.status = widgets.HTML(value="0 processes or pages: as many as the scenario has of its own.")
        self.shown = widgets.VBox()
        self.verdict: Verdict | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self.again.on_click(lambda _: self.look())
        self.start.on_click(lambda _: self.run())
        self.cancel.on_click(lambda _: self._stopped.set())
        sizes = widgets.HBox([self.processes, self.pages, self.slot_cache], layout={"flex_flow": "row wrap"})
        rows = [self.scenario, self.kernel, widgets.HBox([self.preempt, self.device]), sizes]
        rows += [widgets.HBox([self.fix, self.again]), widgets.HBox([self.start, self.cancel, self.progress])]
        super().__init__([*rows, self.status, self.shown])
        self.look()

    def _repr_mimebundle_(self, *given: Any, **named: Any) -> Any:
        found = super()._repr_mimebundle_(*given, **named)
        bundle, more = found if isinstance(found, tuple) else (found, {})
        return {**bundle, "text/plain": "Controls()", "text/html": IN_A_PAGE}, more

    # ---- what there is to choose

    def look(self) -> None:
        """Offers the fixes of the catalogue, and the reader's own functions as they are now."""
        mine = own_functions()
        own = [(f"from this notebook: {', '.join(f'{n}()' for n in mine)}", tuple(mine))] if mine else []
        chosen = self.fix.value
        self.fix.options = [("none", NO_FIX), *own, *((f"{f.name}: {f.title}", f.name) for f in FIXES.values())]
        self.fix.value = chosen if chosen in [value for _, value in self.fix.options] else NO_FIX

    def question(self) -> dict[str, Any]:
        """What is asked, as check() takes it."""
        fix = self.fix.value
        given = {n: f for n, f in own_functions().items() if n in fix} if isinstance(fix, tuple) else fix or None
        names = ("scenario", "kernel", "preempt", "device", "processes", "pages", "slot_cache")
        return {"fix": given, **{name: getattr(self, name).value for name in names}}

    # ---- the search, beside the notebook

    def run(self) -> None:
        """Begins the search; the notebook stays usable."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopped.clear()
        self._busy(True)
        self._thread = threading.Thread(target=self._search, args=(self.question(),), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the search is over."""
        if self._thread is not None:
            self._thread.join()

    def _search(self, question: dict[str, Any]) -> None:
        try:
            self.verdict = check(budget=Budget(MAX_STATES, None, MAX_BYTES, self._tick), **question)
            self._show(self.verdict)
        except (KernelError, ValueError) as error:
            self.say(str(error))
        finally:
            self._busy(False)

    def _tick(self, states: int, depth: int) -> None:
        """Told now and then by the explorer, and while the player is made. An interrupt ends a search with what was found so
        far, and the player with none."""
        self.progress.max = max(self.progress.max, 2 * states)
        self.progress.value = states
        if self._stopped.is_set():
            raise KeyboardInterrupt

    def _show(self, verdict: Verdict) -> None:
        """The verdict, and then its player, which for many processes takes longer than the search."""
        told = repr(verdict) + (f": {verdict.outcome.reason}" if verdict.outcome.reason else "")
        self.say(f"{told}. Making the player ...")
        self.shown.children, self.progress.description, self.progress.max = (), "player", 1
        try:
            replay = Replay(verdict, (), ())
            replay.document(self._tick)
            self.shown.children = (replay.widget,)
        except KeyboardInterrupt:
            told += "; no player: it was cancelled"
        self.say(told)

    def _busy(self, busy: bool) -> None:
        self.start.disabled, self.cancel.disabled = busy, not busy
        self.progress.layout.visibility = "visible" if busy else "hidden"
        if busy:
            self.progress.description, self.progress.max = "states", 1
            self.say("Searching ...")

    def say(self, text: str) -> None:
        """One line below the buttons, as text."""
        from html import escape

        self.status.value = escape(text)


def own_functions() -> dict[str, Any]:
    """The functions of the notebook that have the name of a kernel function."""
    from inspect import isgeneratorfunction

    from IPython import get_ipython

    shell = get_ipython()
    names = shell.user_ns if shell is not None else {}
    return {n: f for n, f in names.items() if n in kernel_functions() and isgeneratorfunction(f)}
