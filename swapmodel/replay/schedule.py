"""A schedule that the player copied, read back: one execution, and no search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..export.reading import Refused, check_schema, plain, quoted, read, shortened
from ..export.saved import load
from ..fixes import FIXES, functions_of_fix
from ..kernel import Replacements, source_hash
from ..names import look_up
from ..program import KernelError
from ..scenarios import SCENARIOS, Parameters
from ..trace import Recorder
from ..verdict import Verdict
from ..versions import KERNELS

SCHEMA = Path(__file__).parent / "schedule.schema.json"
LONGEST = 1_000_000  # steps
NO_SEARCH = "this is one schedule, which somebody chose; nothing was searched"

Given = Replacements | Callable[..., Any] | str | None


def opened(saved: str | Path | Mapping[str, Any], fix: Given = None) -> Verdict:
    """What a file, or a document, holds: a verdict that check() saved, or a schedule that the player copied. `fix` must be
    given where it was made with functions of a reader's own. Refused, in one sentence, for what is neither, or does not
    replay."""
    where, document = (str(saved), read(Path(saved))) if isinstance(saved, str | Path) else ("the document", plain(saved))
    if not isinstance(document, dict) or "swapmodel" not in document:
        return load(saved, fix)
    try:
        check_schema(document, SCHEMA)
        return taken(document, fix)
    except (KernelError, ValueError) as error:
        raise Refused(f"{where}: {error}") from None


def taken(document: dict[str, Any], fix: Given) -> Verdict:
    """The schedule as a verdict: violated if it goes wrong, else unfinished, since a schedule is no search."""
    scenario = look_up("scenario", shortened(document["scenario"]), SCENARIOS)
    kernel = look_up("kernel", shortened(document["kernel"]), KERNELS)
    name = document["fix"]
    if name is not None and name not in FIXES and fix is None:
        raise Refused(f"was made with a reader's own fix, {quoted(name)}, whose text is not in it: give it again with --fix")
    functions, _ = functions_of_fix(fix if fix is not None else name)
    parameters = scenario.fill(Parameters(**document["machine"]))
    system = scenario.system(kernel, parameters, functions)
    source = source_hash(system.kernel)
    if source != document["source"]:
        raise Refused(f"was made from other source text ({document['source']}; here it is {source})")
    verdict = Verdict(scenario, kernel, name or "", parameters, "steps")
    verdict.functions, verdict.source = functions, source
    verdict.recorder = recorder = Recorder(system)
    take(recorder, document["schedule"])
    verdict.outcome.violation = recorder.violation
    verdict.outcome.verdict = "violated" if recorder.violation else "unfinished"
    verdict.outcome.reason = "" if recorder.violation else NO_SEARCH
    verdict.outcome.schedule = [step.thread for step in recorder.steps]
    return verdict


def take(recorder: Recorder, turns: list[list[Any]]) -> None:
    """Takes every turn. Refused at the first step that can't be taken."""
    names = tuple(recorder.system.memory.threads)
    if sum(count for _, count in turns) > LONGEST:
        raise Refused(f"is longer than {LONGEST:,} steps")
    for number, (name, count) in enumerate(turns):
        if name not in names:
            raise Refused(f"schedule[{number}] names {quoted(name)}; this scenario has: {', '.join(names)}")
        t = names.index(name)
        for _ in range(count):
            if not recorder.take(t):
                why = recorder.waits(t) or ("something went wrong before" if recorder.violation else "it has returned")
                raise Refused(f"schedule[{number}]: {name} can't take a step here: {why}")
