"""swapmodel show: a saved verdict, replayed and shown in any of the forms that check writes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .arguments import chosen_fix, open_outputs, write

if TYPE_CHECKING:
    from ..verdict import Verdict

FORMS = ("columns", "commit-message", "markdown", "svg", "json")


def register(commands: Any) -> None:
    shown = commands.add_parser("show", help="a verdict that check --json saved: replayed, and shown")
    shown.set_defaults(run=show)
    shown.add_argument("trace", metavar="TRACE.json")
    shown.add_argument("--as", dest="form", choices=FORMS, default="columns", help="what to print (columns)")
    shown.add_argument("--fix", metavar="NAME|FILE.py", help="the reader's own functions that it was found with")
    shown.add_argument("--every-step", action="store_true", help="in the columns: loads and short locks too")


def show(given: argparse.Namespace) -> int:
    """Prints the verdict. Status 0: that it could be replayed, whatever it is; 2: that it could not, with the reason."""
    from ..export import load

    verdict = load(given.trace, chosen_fix(given.fix)[0])
    text = written(given.form, verdict) if given.form != "columns" else report(verdict, given.every_step)
    print(text, end="" if text.endswith("\n") else "\n")
    return 0


def report(verdict: Verdict, every_step: bool) -> str:
    from ..views import report

    return report(verdict, every_step)


def written(form: str, verdict: Verdict) -> str:
    """A verdict in one of FORMS, but for the columns."""
    from ..export import commit_message, markdown, svg

    forms: dict[str, Callable[[Verdict], str]] = {
        "commit-message": commit_message,
        "markdown": markdown,
        "svg": svg,
        "json": lambda v: json.dumps(v.document(), indent=1),
    }
    return forms[form](verdict)


def export(targets: list[tuple[str, Any]], verdict: Verdict) -> None:
    """Writes the verdict in each form to its open file."""
    for form, out in targets:
        write(out, written(form, verdict))


def add_exports(parser: argparse.ArgumentParser) -> None:
    """The options that write a verdict to files: --json, --commit-message, --markdown, --svg."""
    parser.add_argument("--json", metavar="FILE|-", help="write the verdict as JSON, for `swapmodel show`")
    parser.add_argument("--commit-message", metavar="FILE|-", help="write the trace as columns of 72 characters")
    parser.add_argument("--markdown", metavar="FILE|-", help="write the verdict as Markdown, for an issue")
    parser.add_argument("--svg", metavar="FILE|-", help="write the trace as a picture")


def open_exports(given: argparse.Namespace, **also: str | None) -> list[tuple[str, Any]]:
    """The forms asked for, each with its file, opened before the search; none of them one of `also`."""
    asked = {form: getattr(given, form.replace("-", "_")) for form in FORMS[1:]}
    return list(open_outputs(asked, **also).items())
