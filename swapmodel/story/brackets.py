"""Text with brackets in it."""

from __future__ import annotations


def without_brackets(text: str) -> str:
    """What stands outside of all brackets and quotes."""
    outside, depth = [], 0
    for c in text:
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif not depth:
            outside.append(c)
    return "".join(outside)


def balanced(text: str) -> bool:
    depth = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if depth < 0:
            return False
    return depth == 0


def matching(text: str, opened: int) -> int:
    """Where the bracket at `opened` is closed; -1 if it is not."""
    depth = 0
    for i in range(opened, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if not depth:
            return i
    return -1


def pieces(text: str, separator: str) -> list[str]:
    """The text split where the separator stands outside of all brackets."""
    found, depth, began = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if not depth and text.startswith(separator, i):
            found.append(text[began:i].strip())
            began = i + len(separator)
    last = text[began:].strip()
    return [*found, last] if found or last else []
