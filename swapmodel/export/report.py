"""A verdict as Markdown, for an issue or an archive of mails."""

from __future__ import annotations

import re
import shlex

from ..scenarios import Parameters
from ..verdict import Verdict, demand_verdict
from ..views import failure, heading, plural, sentence
from .columns import commit_message, nothing_to_show
from .frames import told

CODE = re.compile(r"\w[\w.\[\]>-]*(?:\(\))?")  # a name, a word of memory, a call


def markdown(verdict: Verdict) -> str:
    """Title, what was asked, the columns in a fence, the cause in one sentence, and the command that finds it again."""
    demand_verdict("markdown", verdict)
    parts = [f"### {inline(title(verdict))}", asked(verdict)]
    traced = verdict.recorder is not None and bool(verdict.recorder.steps)
    if traced or verdict.verdict == "violated":
        parts += [*([inline(heading(verdict))] if traced else []), f"```text\n{commit_message(verdict)}\n```"]
    else:
        parts.append(inline(sentence(nothing_to_show(verdict))))
    why = cause(verdict) if traced or verdict.verdict != "violated" else ""
    if why:
        parts.append(inline(sentence(why)))
    parts += ["To reproduce:", f"```sh\n{command(verdict)}\n```", f"Source of the model: `{verdict.source}`."]
    return "\n\n".join(parts) + "\n"


def title(verdict: Verdict) -> str:
    fix = f" with {verdict.fix}" if verdict.fix else ""
    kind = f": {verdict.outcome.violation.kind}" if verdict.outcome.violation else ""
    return f"{verdict.scenario.name} on {verdict.kernel.name}{fix}: {verdict.verdict}{kind}"


def asked(verdict: Verdict) -> str:
    """What was explored, and how much of it there is."""
    p, outcome = verdict.parameters, verdict.outcome
    sizes = f"{plural(p.processes, 'process', 'processes')} and {plural(p.pages, 'page')} besides swapoff, "
    machine = f"preempt {p.preempt}" + ("" if verdict.scenario.fixed else f", slot cache {_on(p.slot_cache)}, {p.device}")
    found = {"holds": "every interleaving explored", "violated": "a counterexample found", "unfinished": "not all explored"}
    scope = f"{sizes if not verdict.scenario.fixed else ''}{machine}: {found[outcome.verdict]}"
    return inline(f"{sentence(verdict.scenario.title)} {sentence(scope)[:-1]}; {plural(outcome.states, 'state')}.")


def cause(verdict: Verdict) -> str:
    """What goes wrong, or what stops it, in one sentence; why the search is unfinished."""
    if verdict.verdict == "violated" and verdict.recorder is not None:
        return failure(told(verdict.recorder)) or str(verdict.outcome.violation)
    return verdict.stopped_at or verdict.outcome.reason


def command(verdict: Verdict) -> str:
    """The command line that asks the same again."""
    own, p = verdict.scenario.fill(Parameters()), verdict.parameters
    words = ["swapmodel", "check", verdict.scenario.name, "--kernel", verdict.kernel.name]
    if verdict.fix:
        words += ["--fix", verdict.fix]
    for name in ("processes", "pages", "preempt", "device"):
        if getattr(p, name) != getattr(own, name):
            words += [f"--{name}", str(getattr(p, name))]
    if p.slot_cache:
        words += ["--slot-cache", "on"]
    if verdict.shortest == "switches":
        words += ["--shortest", "switches"]
    return shlex.join(" ".join(word.split()) for word in words)


def inline(text: str) -> str:
    """Text in which Markdown and HTML see nothing of their own. Names of the kernel are set as code."""
    return " ".join(map(_word, text.split()))


def _word(word: str) -> str:
    bare = word.rstrip(".,:;")
    if CODE.fullmatch(bare) and (set("_[.") & set(bare) or bare.endswith("()")):
        return f"`{bare}`{word[len(bare) :]}"
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|!~" else "&amp;" if c == "&" else c for c in word)


def _on(flag: bool) -> str:
    return "on" if flag else "off"
