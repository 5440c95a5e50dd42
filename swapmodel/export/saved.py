"""A saved verdict, read back: checked against the schema, then replayed step by step on the kernel that it names.

Nothing is taken on trust that a replay can find out: every step of the trace must be the one the model takes today. Numbers of
states and coverage, which only a search could confirm, stay as they were recorded. No code ever comes out of a document: who
saved a verdict on a fix of his own gives that fix again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..explore import Outcome
from ..fixes import FIXES, functions_of_fix
from ..kernel import Replacements, source_hash
from ..machine import Violation
from ..names import look_up
from ..program import KernelError
from ..scenarios import SCENARIOS, Parameters
from ..trace import Recorder
from ..verdict import Verdict
from ..versions import KERNELS
from .reading import Refused, check_schema, plain, quoted, read, shortened

SCHEMA = Path(__file__).parent.parent / "verdict.schema.json"


def load(saved: str | Path | Mapping[str, Any], fix: Replacements | Callable[..., Any] | str | None = None) -> Verdict:
    """The verdict that `saved`, a file or a document of Verdict.document(), holds, with its trace replayed.

    `fix` is what check() takes; it must be given where the verdict was found with functions of a reader's own. Refused, in one
    sentence, for what is malformed, names what there is not, was made from other source text, or does not replay."""
    where, document = (str(saved), read(Path(saved))) if isinstance(saved, str | Path) else ("the document", plain(saved))
    try:
        check_schema(document, SCHEMA)
        return _replayed(document, fix)
    except (KernelError, ValueError) as error:
        raise Refused(f"{where}: {error}") from None
    except RecursionError:
        raise Refused(f"{where}: is nested too deeply") from None


# ---- replaying ---------------------------------------------------------------------------------------------------------


def _replayed(document: dict[str, Any], fix: Any) -> Verdict:
    scenario, kernel = _known("scenario", document, SCENARIOS), _known("kernel", document, KERNELS)
    functions, name = _fix(document["fix"], fix)
    machine = {k: v for k, v in document["machine"].items() if k != "memory_model"}
    sizes = {k: int(machine[k]) for k in ("processes", "pages")}  # 1.0 is an integer to JSON Schema
    parameters = scenario.fill(Parameters(**{**machine, **sizes}))
    verdict = Verdict(scenario, kernel, document["fix"] or name, parameters, document["shortest"])
    system = scenario.system(kernel, parameters, functions)
    verdict.functions, verdict.source = functions, source_hash(system.kernel)
    if verdict.source != document["source"]:
        raise Refused(
            f"was made from other source text ({document['source']}; here it is {verdict.source}): check {scenario.name} again"
        )
    recorder = Recorder(system)
    _replay(recorder, document["trace"])
    verdict.outcome, verdict.reached = _outcome(document), document["coverage"]
    verdict.searched = document.get("searched") or ""
    verdict.outcome.schedule = [s.thread for s in recorder.steps] if document["verdict"] == "violated" else []
    verdict.recorder = recorder if recorder.steps or document["verdict"] == "violated" else None
    if document["verdict"] == "holds":
        verdict.stopped_at = document["reason"] or ""
    _check_end(verdict, recorder)
    recorder.violation = verdict.outcome.violation
    return verdict


def _known(kind: str, document: dict[str, Any], known: Mapping[str, Any]) -> Any:
    if document[kind] in known:
        return known[document[kind]]
    return look_up(kind, shortened(document[kind]), known)


def _fix(saved: str | None, given: Any) -> tuple[Replacements | None, str]:
    """The functions of the fix that a document names: one of ours, or the reader's, who must have given it again."""
    if saved is None and given is not None:
        raise Refused("was found without a fix, but one is given")
    if saved is not None and given is None and saved not in FIXES:
        raise Refused(f"was found with a reader's own fix, {quoted(saved)}, whose text is not in it: give it again with --fix")
    return functions_of_fix(saved if given is None else given)


def _replay(recorder: Recorder, trace: list[dict[str, Any]]) -> None:
    """Takes every step of the trace. Refused at the first that the model does not take, or takes otherwise."""
    names = tuple(recorder.system.memory.threads)
    for i, saved in enumerate(trace):
        if saved["thread"] not in names:
            raise Refused(f"trace[{i}].thread is {quoted(saved['thread'])}; this scenario has: {', '.join(names)}")
        t = names.index(saved["thread"])
        if recorder.violation is not None:
            raise Refused(f"trace[{i}] comes after the step that fails")
        if not recorder.take(t):
            raise Refused(f"trace[{i}]: {names[t]} can't take a step here: {recorder.waits(t) or 'it has returned'}")
        told = recorder.steps[-1].document(names)
        odd = next((key for key, value in told.items() if saved[key] != _jsonable(value)), None)
        if odd is not None:
            raise Refused(f"trace[{i}].{odd} is {quoted(saved[odd])}, but the replay has {quoted(told[odd])}")


def _jsonable(value: Any) -> Any:
    """A step's part as JSON has it: lists in place of tuples."""
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    return {k: _jsonable(v) for k, v in value.items()} if isinstance(value, dict) else value


def _outcome(document: dict[str, Any]) -> Outcome:
    outcome, violation = Outcome(), document["violation"]
    outcome.verdict, outcome.reductions = document["verdict"], tuple(document["reductions"])
    outcome.states, outcome.transitions, outcome.depth = (int(document[k]) for k in ("states", "transitions", "depth"))
    outcome.seconds = float(document["seconds"])
    outcome.reason = (document["reason"] or "") if document["verdict"] != "holds" else ""
    outcome.violation = Violation(violation["kind"], violation["message"]) if violation else None
    return outcome


def _check_end(verdict: Verdict, recorder: Recorder) -> None:
    """The end of the trace is what the document says of it."""
    names, told, found = recorder.system.memory.threads, verdict.outcome.violation, recorder.violation
    if (verdict.verdict == "violated") != (told is not None):
        raise Refused(f"its verdict is {verdict.verdict}, which contradicts its violation")
    if told is not None and told.kind == "lock order" and not recorder.steps:
        return  # of all interleavings together: a search finds it, a replay can't
    if verdict.verdict == "violated" and not recorder.steps:
        raise Refused("its verdict is violated, but it has no trace")
    if verdict.verdict == "unfinished" and recorder.steps:
        raise Refused("its verdict is unfinished, but it has a trace")
    if found is not None and (told is None or (told.kind, str(told)) != (found.kind, str(found))):
        raise Refused(f"the replay ends with {found.kind}: {found}, which the document does not say")
    if told is not None and found is None:
        _check_unfailing(told, recorder)
    waits = {f"{name} {recorder.waits(t)}" for t, name in enumerate(names) if recorder.waits(t)}
    if verdict.verdict == "holds" and recorder.steps and verdict.stopped_at not in waits:
        raise Refused(
            f"reason is {quoted(verdict.stopped_at)}, but at the end of the replay {'; '.join(waits) or 'nobody waits'}"
        )


def _check_unfailing(told: Violation, recorder: Recorder) -> None:
    """A violation that is no step's: of a place from which nothing leads on."""
    stuck = [t for t, step in enumerate(recorder.at) if step.operation is not None]
    if told.kind == "deadlock":
        waits = [f"{recorder.system.memory.threads[t]} waits at {recorder.at[t].operation}" for t in stuck if recorder.waits(t)]
        if not stuck or len(waits) < len(stuck) or str(told) != "nobody can go on: " + ", ".join(waits):
            raise Refused("violation is a deadlock, which the replay does not end in")
    elif told.kind == "livelock":
        if not stuck:
            raise Refused("violation is a livelock, but at the end of the replay all threads have returned")
    else:
        raise Refused(f"violation is {quoted(told.kind)}, but the replay does not fail")
