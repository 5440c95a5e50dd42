"""What a line of a story says: events, still in the reader's words. bound.py gives them to a system's threads and words."""

from __future__ import annotations

from typing import NamedTuple


class Call(NamedTuple):
    """The thread stands in the last of these functions, called by way of the others, outermost first. `exact`: those named in
    the middle count too; otherwise only the first and the last do."""

    functions: tuple[str, ...]
    exact: bool = True


class Operation(NamedTuple):
    """The thread takes an operation of the machine: `arguments` as written, `value` what it returns ("": whatever it is)."""

    name: str
    arguments: tuple[str, ...]
    value: str = ""


class Change(NamedTuple):
    """In one step of the thread, each word goes from one value to another: (name, before, after). An object that is freed or
    allocated is (name, "", "freed") or (name, "", "allocated")."""

    words: tuple[tuple[str, str, str], ...]


class Store(NamedTuple):
    """The thread stores this value."""

    word: str
    value: str


class Compare(NamedTuple):
    """The thread loads or stores the word, which then is (`sign` "==") or is not ("!=") the value."""

    word: str
    sign: str
    value: str


class Touch(NamedTuple):
    """The thread loads or stores the word."""

    word: str


class Wait(NamedTuple):
    """The thread can't go on. `why` as our views tell it, or its beginning; "" is whatever the reason. `who` is the thread that
    the line names ("": none): it must be the one that the line belongs to."""

    why: str
    who: str = ""


class Fault(NamedTuple):
    """The thread's step violates something: `kind` as the machine calls it, `operation` "" if it is not named."""

    kind: str
    operation: str = ""


Event = Call | Operation | Change | Store | Compare | Touch | Wait | Fault


class Said(NamedTuple):
    """One event as the story has it: by whom (the index of a label), in which row of the text, at which line."""

    event: Event
    label: int
    row: int
    line: int
    text: str


class Remark(NamedTuple):
    """Lines that say nothing to check, and which rule of the grammar says so."""

    first: int
    last: int
    why: str  # prose | comment | question | before the story | around the table


class Story(NamedTuple):
    """A story that was read. `labels` are its threads, in the order in which they are named."""

    file: str
    labels: tuple[str, ...]
    said: tuple[Said, ...]
    remarks: tuple[Remark, ...]
