"""The live player: an anywidget whose traits are the document, and the schedule and the place in it that are on the screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..program import KernelError
from .assets import style, widget_script
from .replay import choices

if TYPE_CHECKING:
    from .replay import Replay


class ReplayWidget(anywidget.AnyWidget):
    """`schedule` is [thread, steps, thread, steps, ...]; setting it, or `step`, moves the player."""

    _esm = widget_script()
    _css = style()
    document = traitlets.Unicode().tag(sync=True)
    choices: Any = traitlets.List().tag(sync=True)
    kernel = traitlets.Unicode().tag(sync=True)
    fix = traitlets.Unicode().tag(sync=True)
    schedule = traitlets.List(traitlets.Int()).tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    wanted = traitlets.Int(-1).tag(sync=True)  # the variant that the reader asked for
    head = traitlets.List(traitlets.Unicode()).tag(sync=True)  # the verdict, in sentences


def widget_of(replay: Replay) -> ReplayWidget:
    """A widget of `replay`, which answers what the player asks for."""
    first = replay.document()["variants"][0]
    made = ReplayWidget(
        document=json.dumps(replay.document(), separators=(",", ":")),
        choices=[list(c) for c in choices(replay.verdict)],
        kernel=first["kernel"],
        fix=first["fix"] or "",
        schedule=first["schedule"],
        step=0,
        head=replay.head(),
    )
    made.on_msg(lambda _, asked, __: answer(replay, made, asked))
    return made


def answer(replay: Replay, widget: ReplayWidget, asked: Any) -> None:
    """Grows the document as the player asks; a refusal goes back as one sentence."""
    from .document import unrolled

    try:
        if asked["ask"] == "variant":
            wanted = replay.add(asked["kernel"], asked["fix"])
        else:
            wanted = asked["variant"]
            replay.extend(wanted, unrolled(asked["schedule"]))
    except (KernelError, ValueError, KeyError, TypeError, IndexError) as error:
        widget.send({"refused": str(error)})
        return
    widget.wanted = wanted
    widget.document = json.dumps(replay.document(), separators=(",", ":"))
