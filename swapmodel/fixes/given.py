"""What a caller gives as a fix: a name, a Fix, one function or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from ..kernel import Replacements
from ..names import look_up, quoted
from .fix import Fix


def functions_of_fix(fix: Replacements | Callable[..., Any] | Fix | str | None) -> tuple[Replacements | None, str]:
    """The functions that replace the kernel's, and what to call them. ValueError for what is no fix."""
    if isinstance(fix, str):
        from . import FIXES

        return look_up("fix", fix, FIXES).replaces, fix
    if isinstance(fix, Fix):
        return fix.replaces, fix.name
    if isinstance(fix, FunctionType):
        return {fix.__name__: fix}, f"{fix.__name__}()"
    if fix is None or (isinstance(fix, Mapping) and all(isinstance(n, str) for n in fix)):
        return fix, ", ".join(f"{n}()" for n in fix or {})
    raise ValueError(f"a fix is a function, a dict of functions by name, or one of swapmodel.FIXES, not {quoted(fix)}")
