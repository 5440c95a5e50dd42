"""A saved verdict, read back: checked against the schema, then replayed step by step on the kernel that it names.

Nothing is taken on trust that a replay can find out: every step of the trace must be the one the model takes today. Numbers of
states and coverage, which only a search could confirm, stay as they were recorded. No code ever comes out of a document: who
saved a verdict on a fix of his own gives that fix again."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..explore import Outcome
from ..fixes import FIXES, functions_of_fix
from ..kernel import Replacements, source_hash
from ..machine import Violation
from ..names import Told, look_up
from ..program import KernelError
from ..scenarios import SCENARIOS, Parameters
from ..trace import Recorder
from ..verdict import Verdict
from ..versions import KERNELS

SCHEMA = Path(__file__).parent.parent / "verdict.schema.json"
LARGEST = 64 << 20  # bytes of a saved verdict


class Refused(Told, ValueError):
    """A saved verdict that can't be shown. The message says where and why, in one sentence."""


def load(saved: str | Path | Mapping[str, Any], fix: Replacements | Callable[..., Any] | str | None = None) -> Verdict:
    """The verdict that `saved`, a file or a document of Verdict.document(), holds, with its trace replayed.

    `fix` is what check() takes; it must be given where the verdict was found with functions of a reader's own. Refused, in one
    sentence, for what is malformed, names what there is not, was made from other source text, or does not replay."""
    where, document = (str(saved), _read(Path(saved))) if isinstance(saved, str | Path) else ("the document", _plain(saved))
    try:
        _check_schema(document)
        return _replayed(document, fix)
    except (KernelError, ValueError) as error:
        raise Refused(f"{where}: {error}") from None
    except RecursionError:
        raise Refused(f"{where}: is nested too deeply for a verdict") from None


# ---- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(f"{path}: is larger than the {LARGEST >> 20} MiB that a verdict may have")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{path}: is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise Refused(f"{quoted(str(path))}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    return _parsed(text, str(path))


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_twins)
    except json.JSONDecodeError as error:
        raise Refused(f"{where}:{error.lineno}: is not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except ValueError as error:
        raise Refused(f"{where}: is not JSON as verdicts have it: {str(error)[:120]}") from None
    except RecursionError:
        raise Refused(f"{where}: is nested too deeply for a verdict") from None


def _plain(document: Any) -> Any:
    """A document as JSON gives it back: no objects, no shared parts, no numbers that JSON lacks."""
    try:
        return _parsed(json.dumps(document, allow_nan=False), "the document")
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"the document: is not plain data: {str(error)[:120]}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large for a number")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return seen


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _check_schema(document: Any) -> None:
    error = next(_validator().iter_errors(document), None)
    if error is not None:
        raise Refused(f"{_path(error.absolute_path)} {_complaint(error)}")


def _path(parts: Any) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts).lstrip(".")
    return shortened(text) if text else "it"


def _complaint(error: Any) -> str:
    """What the schema demands there, without the document's own text, which may be of any length."""
    wanted = error.validator_value
    if error.validator == "required":
        return f"lacks {next(name for name in wanted if name not in error.instance)!r}"
    if error.validator == "additionalProperties":
        odd = next(name for name in error.instance if name not in error.schema.get("properties", {}))
        return f"has {quoted(odd)}, which the schema does not know"
    if error.validator == "type":
        return f"is not of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
    if error.validator in ("enum", "const"):
        allowed = wanted if isinstance(wanted, list) else [wanted]
        return f"is {quoted(error.instance)}, not {' or '.join(map(str, allowed))}"
    limits = {"minimum": "is below", "maximum": "is above", "maxLength": "is longer than", "maxItems": "has more items than"}
    limits |= {"minItems": "has fewer items than", "pattern": "does not match", "maxProperties": "has more members than"}
    return f"{limits.get(error.validator, 'breaks the rule ' + error.validator)} {wanted}"


def quoted(value: Any) -> str:
    """Some of a document's text, on one line and without control characters."""
    return shortened(repr(value))


def shortened(text: str, most: int = 60) -> str:
    """Text in which nothing but printable ASCII is left."""
    plain = ascii(text)[1:-1]
    return plain if len(plain) <= most else plain[: most - 3] + "..."


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
