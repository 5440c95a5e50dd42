"""Edits of C source by what the tokens are called, so that no line of the kernel has to be quoted.

>>> source = Source("int f(int a)\\n{ return g(a); /* g(a) */ }\\n")
>>> source.redirect("f", "g", "h", extra="1")
>>> print(source.edited(), end="")
int f(int a)
{ return h(a, 1); /* g(a) */ }
>>> source.redirect("f", "missing", "h")
Traceback (most recent call last):
source_edit.Unexpected: f() should call missing() once, and calls it 0 times
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<skip>\s+|/\*.*?\*/|//[^\n]*)
    |(?P<directive>\#(?:[^\n\\]|\\.)*)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<name>[A-Za-z_]\w*)
    |(?P<other>[0-9][\w.]*|.)""",
    re.S | re.X,
)
OPENERS = {"(": ")", "{": "}", "[": "]"}


class Unexpected(Exception):
    """The source does not look as this edit expects."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Function:
    """Positions in the list of tokens: `begin` is the first token of the definition, `end` its last brace."""

    name: str
    begin: int
    named: int
    params: int
    opening: int
    end: int


def tokens_of(text: str) -> list[Token]:
    found = (Token(m.lastgroup or "", m.group(), m.start(), m.end()) for m in TOKEN.finditer(text))
    return [token for token in found if token.kind != "skip"]


class Source:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens_of(text)
        self.closing = self._pairs()
        self.functions = self._functions()
        self.edits: list[tuple[int, int, str]] = []

    def _pairs(self) -> dict[int, int]:
        """The closing token of each opening one."""
        pairs: dict[int, int] = {}
        stack: list[int] = []
        for i, token in enumerate(self.tokens):
            if token.text in OPENERS:
                stack.append(i)
            elif token.text in OPENERS.values():
                if not stack or OPENERS[self.tokens[stack[-1]].text] != token.text:
                    raise Unexpected(f"line {self.line(token)}: `{token.text}` closes nothing")
                pairs[stack.pop()] = i
        if stack:
            raise Unexpected(f"line {self.line(self.tokens[stack[-1]])}: `{self.tokens[stack[-1]].text}` is never closed")
        return pairs

    def _functions(self) -> dict[str, list[Function]]:
        """Every `name(...) {` outside of any brace; for a system call, the name is the macro's first argument."""
        found: dict[str, list[Function]] = {}
        begin = i = 0
        while i < len(self.tokens):
            token = self.tokens[i]
            after = self.closing.get(i, i) + 1
            if token.text == "(" and after < len(self.tokens) and self.tokens[after].text == "{":
                named = i + 1 if self.tokens[i - 1].text.startswith("SYSCALL_DEFINE") else i - 1
                name = self.tokens[named].text
                found.setdefault(name, []).append(Function(name, begin, named, i, after, self.closing[after]))
                begin = after = self.closing[after] + 1
            elif token.text in (";", "{") or token.kind == "directive":
                begin = after
            i = after
        return found

    def line(self, token: Token) -> int:
        return self.text.count("\n", 0, token.start) + 1

    def function(self, name: str) -> Function:
        defined = self.functions.get(name, [])
        if len(defined) != 1:
            raise Unexpected(f"{name}() should be defined once, and is defined {len(defined)} times")
        return defined[0]

    def calls(self, function: str, callee: str, times: int = 1) -> list[int]:
        """Where `function` calls `callee`; it has to do so exactly `times` times."""
        f = self.function(function)
        body = range(f.opening, f.end)
        found = [i for i in body if self.tokens[i].text == callee and self.tokens[i + 1].text == "("]
        if len(found) != times:
            wanted = "once" if times == 1 else f"{times} times"
            raise Unexpected(f"{function}() should call {callee}() {wanted}, and calls it {len(found)} times")
        return found

    def redirect(self, function: str, callee: str, to: str, extra: str = "", times: int = 1) -> None:
        """In `function`, call `to` instead of `callee`, with the `extra` arguments behind its own."""
        for i in self.calls(function, callee, times):
            self._replace(i, i, to)
            if extra:
                close = self.closing[i + 1]
                comma = "" if close == i + 2 else ", "
                self.edits.append((self.tokens[close].start, self.tokens[close].start, comma + extra))

    def drop_if(self, function: str, condition: str, block: str) -> None:
        """Drop the `if (...) {...}` that calls `condition` in its condition and `block` in its block."""
        f = self.function(function)
        found = []
        for i in range(f.opening, f.end):
            if self.tokens[i].text == "if":
                close = self.closing[i + 1]
                if self.tokens[close + 1].text == "{":
                    end = self.closing[close + 1]
                    if self._has_call(i + 1, close, condition) and self._has_call(close + 1, end, block):
                        found.append((i, end))
        if len(found) != 1 or self.tokens[found[0][1] + 1].text == "else":
            raise Unexpected(f"{function}() should have one `if` with {condition}() around {block}(), and has {len(found)}")
        self._drop_lines(*found[0])

    def drop_statement(self, function: str, callee: str) -> None:
        """Drop the one statement of `function` that is nothing but a call of `callee`."""
        calls = self.calls_left(function, callee)
        if len(calls) != 1:
            raise Unexpected(f"{function}() should have one statement {callee}(), and has {len(calls)}")
        end = self.closing[calls[0] + 1] + 1
        if self.tokens[calls[0] - 1].text not in ("{", "}", ";") or self.tokens[end].text != ";":
            raise Unexpected(f"line {self.line(self.tokens[calls[0]])}: {callee}() should be a statement of its own")
        self._drop_lines(calls[0], end)

    def calls_left(self, function: str, callee: str) -> list[int]:
        """The calls of `callee` in `function` that no edit has changed yet."""
        f = self.function(function)
        found = [i for i in range(f.opening, f.end) if self.tokens[i].text == callee and self.tokens[i + 1].text == "("]
        return [i for i in found if not any(start <= self.tokens[i].start < end for start, end, _ in self.edits)]

    def wrap(self, function: str, body: str) -> None:
        """Rename `function` and put another of its name and signature behind it.

        In `body`, $real is the old function's new name, $1, $2... are the parameters' names.
        """
        f = self.function(function)
        real = f"lab_real_{function}"
        names = self._parameters(f)
        start, end = self.tokens[f.begin].start, self.tokens[f.end].end
        header = self.text[start : self.tokens[f.opening].start].rstrip()
        body = body.replace("$real", real)
        for number, name in enumerate(names, 1):
            body = body.replace(f"${number}", name)
        if "$" in body:
            raise Unexpected(f"{function}() has only {len(names)} parameters")
        self._replace(f.named, f.named, real)
        self.edits.append((end, end, f"\n\n{header}\n{{\n{body}}}"))

    def insert_before(self, function: str, line: str) -> None:
        """Put a line before the definition of `function`."""
        start = self.tokens[self.function(function).begin].start
        self.edits.append((start, start, f"{line}\n\n"))

    def edited(self) -> str:
        text = self.text
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2], reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _parameters(self, f: Function) -> list[str]:
        """Parameters' names: the last name before each comma, and before the end."""
        close = self.closing[f.params]
        ends = [i for i in range(f.params + 1, close + 1) if self.tokens[i].text == "," or i == close]
        return [self.tokens[i - 1].text for i in ends]

    def _has_call(self, begin: int, end: int, callee: str) -> bool:
        return any(self.tokens[i].text == callee and self.tokens[i + 1].text == "(" for i in range(begin, end))

    def _replace(self, first: int, last: int, new: str) -> None:
        self.edits.append((self.tokens[first].start, self.tokens[last].end, new))

    def _drop_lines(self, first: int, last: int) -> None:
        """Drop tokens, and with them what white space their lines still have."""
        start, end = self.tokens[first].start, self.tokens[last].end
        before = self.text[:start].rstrip(" \t")
        after = re.match(r"[ \t]*\n", self.text[end:])
        if before.endswith("\n") and after:
            start, end = len(before), end + after.end()
        self.edits.append((start, end, ""))
