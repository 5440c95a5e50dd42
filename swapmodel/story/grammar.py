"""The grammar: what one line, or one cell, of a story says.

    f()                                        the thread is in the kernel function f (so is a bare f, alone)
    a()->b()->c()                              it is in c, called by way of a and b
    swap_map[2] 0x41 -> 0x40                   it changes the word, from and to these values
    si->inuse_pages == 0, count == VALUE       it loads or stores the word, which then has (!=: has not) this value
    si->swap_map = NULL                        it stores this value
    si->swap_map[i]                            it loads or stores the word; an index that is no number is any index
    READ_ONCE(si->max), spin_lock(&si->lock)   it takes this operation; `= v` behind it: which returns v; `...`: whatever
    swap_map is freed, swap_map is allocated   it frees, or allocates, the object
    a grace period begins, ... is over         the two halves of synchronize_rcu()
    takes the PTL, drops si->lock              it takes, or drops, a lock, whatever its kind
    waits [for LOCK | in synchronize_rcu()]    it can't go on; nothing but the thread's own name may stand in front
    *** use after free: OPERATION              its step violates something
    Calls f(). Passes g(), and h().            plain words around such forms, if all of them are in FILLERS

Remarks: `# ...`, `[...]`, `(...)`, `<...>`, `...`, what follows `<-`, a commit's tags, and prose without any name that the
kernel could know; `/* ... */`, unless a store or a change is all that stands in it; questions, unless they ask whether swapoff
can succeed before another thread comes to f(), which is then the story's end. Everything else is not understood, and so is
what denies something."""

from __future__ import annotations

import re

from .brackets import balanced, matching, pieces, without_brackets
from .events import Call, Change, Compare, Event, Fault, Operation, Store, Touch, Wait
from .words import COUNTS, LABEL, NAME, PLACE, SYNONYMS, functions, kernel_words, negated, number, operations

LONGEST = 2_000  # characters of one line
FILLERS = frozenset(
    [
        "a",
        "again",
        "ahead",
        "and",
        "at",
        "begins",
        "call",
        "called",
        "calls",
        "continues",
        "enters",
        "finds",
        "first",
        "goes",
        "has",
        "in",
        "inside",
        "into",
        "is",
        "it",
        "now",
        "on",
        "passes",
        "reads",
        "reaches",
        "resumes",
        "runs",
        "sees",
        "sets",
        "starts",
        "still",
        "stores",
        "takes",
        "the",
        "then",
        "value",
        "with",
        "its",
    ]
)
EXITS = frozenset({"quits", "exits"})  # what a process does in do_exit()
REMARK = re.compile(r"(?:#.*|/\*.*\*/|//.*|\[.*\]|\(.*\)|<.*>|\.{2,}|…|[-=_*~ ]+|-+ ?8<.*)", re.DOTALL)
TRAILER = re.compile(r"(?:[A-Z][A-Za-z]+(?:-[a-z]+)*-by|Link|Fixes|Closes|Cc): .*")  # of a commit message
TAIL = re.compile(r"\s*(?:/\*.*?\*/|<-.*|//.*|!{1,3})\s*$", re.DOTALL)
PERIODS = {"a grace period begins": "start_poll_synchronize_rcu", "the grace period is over": "cond_synchronize_rcu"}
LIFE = re.compile(r"(?P<object>[\w .\[\]>-]{1,80}?) is (?P<state>freed|allocated)")
FAULT = re.compile(r"\*{3} ?(?P<kind>[A-Za-z -]{1,40})(?:: ?(?P<operation>.+))?", re.DOTALL)
WAIT = re.compile(r"<?(?:(?P<who>[\w ()#]{1,40}?),? )?(?P<why>waits(?: (?:for|in) .*)?)>?", re.DOTALL)
BEFORE_WAITS = frozenset(
    {"and", "here", "it", "now", "so", "still", "then", "therefore", "thus", "hence", "again", "meanwhile"}
)
TURN = re.compile(r"(?P<verb>takes|acquires|grabs|drops|releases) (?:the )?(?P<lock>.+?)(?: lock)?")
IS = re.compile(r"(?P<word>.+?) (?:is|becomes) (?:now )?(?P<value>[\w|]+)")
VALUE_WORDS = frozenset({"maps", "by", "new", "slots", "prio", "writable", "dirty"})
ARROW = re.compile(r"\s+->\s+")
SENTENCE = re.compile(r"[.;](?:\s+|$)|,\s+(?=\D)|\s+and\s+|:\s+")


class Trailing(str):
    """A part of a line that is a remark, behind an event."""


COMMENT = re.compile(r"/\*\s*(.*\S)\s*\*/")


def events(text: str) -> list[Event] | None:
    """The events in a text, in order; empty for a remark; None if it is not understood."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    inside = COMMENT.fullmatch(text)
    stores = event(inside[1]) if inside else None
    if isinstance(stores, Change | Store):  # `/* si->swap_map = NULL */`: said in a comment, and as much an event
        return [stores]
    if not text or (is_remark(text) and text[0] != "<"):
        return []
    waits = WAIT.fullmatch(text)
    if waits and (text[0] != "<" or text[-1] == ">"):
        return _wait(waits["who"] or "", waits["why"].removesuffix(">").removesuffix("."))
    if is_remark(text):
        return []
    if negated(without_tail(text)):
        return [] if text.endswith("?") else None
    form = event(text)
    if form is not None:
        return [form]
    return sentence(text)


def _wait(who: str, why: str) -> list[Event] | None:
    """`waits ...`, with nothing in front but fillers and the name of a thread."""
    words = who.split()
    while words and words[0].lower() in BEFORE_WAITS:
        words.pop(0)
    while words and words[-1].lower() in BEFORE_WAITS:
        words.pop()
    name = " ".join(words)
    return None if negated(why) or (name and not LABEL.fullmatch(name)) else [Wait(why, name)]


def is_remark(text: str) -> bool:
    """Does the grammar say that this whole text is one?"""
    return bool(REMARK.fullmatch(text) or TRAILER.fullmatch(text)) and not text.startswith("***")


def without_tail(text: str) -> str:
    """The text without the remarks behind it."""
    cut = text
    for _ in range(8):
        shorter = TAIL.sub("", cut)
        if shorter == cut or not shorter.strip():
            break
        cut = shorter
    return cut


def event(text: str) -> Event | None:
    """The one event that a text is; None if it is none."""
    text = event_text(text)
    for form in (_fault, _period, _changes, _chain, _operation, _turn, _compare, _is, _store, _name):
        found = form(text)
        if found is not None:
            return found
    return None


def event_text(text: str) -> str:
    """The text without what may stand around an event."""
    text = " ".join(without_tail(text).split()).removeprefix("-> ").rstrip(";").strip()
    return text[:-1] if text.endswith((".", ",")) and not text.endswith("..") else text


def _fault(text: str) -> Event | None:
    found = FAULT.fullmatch(text)
    return Fault(found["kind"].strip(), (found["operation"] or "").strip()) if found else None


def _period(text: str) -> Event | None:
    return Operation(PERIODS[text.lower()], ()) if text.lower() in PERIODS else None


def _changes(text: str) -> Event | None:
    """`NAME BEFORE -> AFTER`, `OBJECT is freed`: what one step changes, with commas between if it is more than one thing."""
    for parts in ([text], pieces(text, ", ")):
        words = [_change(part) for part in parts]
        if None not in words:
            return Change(tuple(word for word in words if word))
    return None


def _change(text: str) -> tuple[str, str, str] | None:
    life = LIFE.fullmatch(text)
    if life:
        return life["object"].strip(), "", life["state"]
    sides, place = ARROW.split(text), PLACE.match(text)
    if len(sides) != 2 or not place or place.end() > len(sides[0]):
        return None
    before, after = sides[0][place.end() :].lstrip(": "), sides[1].strip()
    return (place[0], before, after) if is_value(before) and is_value(after) else None


def _chain(text: str) -> Event | None:
    """`a()->b()->c()`, or one of it; `a->b`, if both are functions. The last arrow may lead nowhere."""
    links = [link.strip() for link in text.removesuffix("->").split("->")]
    names = [link.removesuffix("()") for link in links]
    if not all(NAME.fullmatch(n) and n in functions() for n in names):
        return None
    return Call(tuple(names))


def _operation(text: str) -> Event | None:
    """`name(arguments)`, `name(arguments) = value`, `name(arguments) fails`: an operation, or a function with arguments."""
    opened = text.find("(")
    name = text[:opened].strip()
    if opened < 0 or not NAME.fullmatch(name):
        return None
    closed = matching(text, opened)
    rest = text[closed + 1 :].strip()
    if closed < 0 or not (rest in ("", "fails") or (rest.startswith("=") and not rest.startswith("=="))):
        return None
    value = "False" if rest == "fails" else rest.removeprefix("=").strip()
    if name in operations() and (not rest or is_value(value)):
        return Operation(name, tuple(pieces(text[opened + 1 : closed], ",")), value)
    return Call((name,)) if name in functions() and not rest else None


def _turn(text: str) -> Event | None:
    """`takes the PTL`, `drops si->lock`: whatever the kind of lock."""
    found = TURN.fullmatch(text)
    if not found or not PLACE.fullmatch(found["lock"]):
        return None
    last = SYNONYMS.get(found["lock"], found["lock"])
    verb = "drops" if found["verb"] in ("drops", "releases") else "takes"
    return Operation(verb, (found["lock"],)) if last.endswith(("lock", "mutex", "sem")) and len(last) > 4 else None


def _is(text: str) -> Event | None:
    """`count is 0`, `si->inuse_pages becomes 0`: the same as with ==."""
    found = IS.fullmatch(text)
    if not found or not PLACE.fullmatch(found["word"]) or (number(found["value"]) is None and found["value"] != "NULL"):
        return None
    name = found["word"]
    return Compare(name, "==", found["value"]) if name in COUNTS or re.search(r"[\[._]|->", name) else None


def _compare(text: str) -> Event | None:
    for sign in ("==", "!="):
        left, found, right = text.partition(sign)
        if found and PLACE.fullmatch(left.strip()) and is_value(right):
            return Compare(left.strip(), sign, right.strip())
    return None


def _store(text: str) -> Event | None:
    left, found, right = text.partition("=")
    if found and PLACE.fullmatch(left.strip()) and is_value(right):
        return Store(left.strip(), right.strip())
    return None


def _name(text: str) -> Event | None:
    """A name alone: a function, or a word with a member or an index."""
    if NAME.fullmatch(text):
        return Call((text,)) if text in functions() else None
    return Touch(text) if PLACE.fullmatch(text) and ("->" in text or "[" in text or "." in text) else None


# ---- sentences ---------------------------------------------------------------------------------------------------------


def sentence(text: str) -> list[Event] | None:
    """Forms with nothing but filler words around them; or prose, which says nothing to the kernel."""
    text = without_tail(text)
    if text.rstrip().endswith("?") or not kernel_words(without_exits(text)):
        return _exits(text)
    found: list[Event] = []
    for clause in SENTENCE.split(text):
        rest = without_fillers(clause.strip())
        if not rest:
            continue
        one = event(rest)
        if one is None:
            if rest.lower() not in EXITS:
                return None
            one = Call(("do_exit",))
        found.append(one)
    return found


def _exits(text: str) -> list[Event]:
    """`Process 1 quits.`: do_exit(), if nothing else is said."""
    return [Call(("do_exit",))] if text.strip().rstrip(".").lower() in EXITS else []


def without_exits(text: str) -> str:
    return " ".join(w for w in text.split() if w.lower().strip(".,") not in EXITS)


def without_fillers(clause: str) -> str:
    """The clause from its first word that is no filler on; `takes` is none in front of a lock."""
    words = clause.split(" ")
    while words and words[0].lower() in FILLERS and not (words[0] == "takes" and _turn(event_text(" ".join(words)))):
        words.pop(0)
    return " ".join(words).strip()


# ---- values ----------------------------------------------------------------------------------------------------------


def is_value(text: str) -> bool:
    """One word, or one with brackets, whatever is in them: 0x40, NULL, USED|WRITEOK, swap(0, 1), si (prio 0). More words only
    as our views write them: maps folio1, writable; 3 slots; new folio0."""
    text = text.strip()
    if not text or not balanced(text):
        return False
    if any(name != "swap" for name in re.findall(r"(\w+)\(", text)):
        return False  # a call
    outside = re.sub(r"\s*([|+])\s*", r"\1", without_brackets(text).strip())
    words = [w for w in re.split(r"[,\s]+", outside) if w]
    plain = all(re.fullmatch(r"[\w.*'@%/|+-]{1,80}", w) for w in words) and "->" not in outside
    if len(words) < 2:
        return plain and outside not in VALUE_WORDS
    return plain and len(words) <= 9 and bool(VALUE_WORDS & set(words)) and words[-1] not in {"maps", "by", "new"}
