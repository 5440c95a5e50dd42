"""Named fixes: functions that replace the kernel's, each with its origin. And fixes that a reader wrote in a file."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from .kernel import Replacements, base, kernel_functions
from .machine import rcu_read_lock, rcu_read_unlock
from .names import nearest
from .program import LINES_BETWEEN_STEPS, KernelError, short_file
from .versions import v6_9

if TYPE_CHECKING:
    from .machine import NULL
    from .mm.shmem import xa_cmpxchg_irq
    from .mm.swapfile.reclaim import free_swap_and_cache
    from .mm.swapops import radix_to_swp_entry


class Fix(NamedTuple):
    """A candidate: what it replaces, and who proposed it where."""

    name: str
    title: str
    origin: str
    replaces: Replacements


def shmem_free_swap(mapping, index, radswap):  # type: ignore[no-untyped-def]
    """mm/shmem.c, v6.8, with one RCU read-side section that begins before the reference is dropped."""
    old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)
    if old != radswap:
        return False
    yield rcu_read_lock()
    yield from free_swap_and_cache(radix_to_swp_entry(radswap))
    yield rcu_read_unlock()
    return True


FIXES = {
    f.name: f
    for f in (
        Fix(
            "get-swap-device",
            "pin the device over free_swap_and_cache()",
            "Huang Ying, 5 March 2024; Ryan Roberts, v2, 6 March 2024; merged as 82b1c07a0af6",
            {"free_swap_and_cache": v6_9.free_swap_and_cache},
        ),
        Fix(
            "inuse-last",
            "inuse_pages drops last in swap_range_free()",
            "64cf264c8fef, v6.9",
            {"swap_range_free": v6_9.swap_range_free},
        ),
        Fix(
            "rcu-in-shmem",
            "an RCU read-side section around shmem's call, nothing for anonymous memory",
            "implied by the text of Huang Ying's v3, 11 March 2024",
            {"shmem_free_swap": shmem_free_swap},
        ),
    )
}


def load_fix(path: str) -> dict[str, Callable[..., Any]]:
    """The functions of a reader's file. KernelError, one sentence with file and line, if it can't serve as a fix."""
    file = short_file(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KernelError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        code = compile(text, path, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise KernelError(f"{file}:{line}: not Python: {getattr(error, 'msg', error)}") from None
    space: dict[str, Any] = {**base(), "__name__": "fix", "__file__": path}
    _run(code, space, file)
    functions: dict[str, Callable[..., Any]] = {
        n: f for n, f in space.items() if inspect.isfunction(f) and f.__code__.co_filename == path
    }
    known = kernel_functions()
    if not set(functions) & set(known):
        hint = next((f"; did you mean {n}()?" for f in functions if (n := nearest(f, known))), "")
        named = ", ".join(f"{n}()" for n in functions) or "no function"
        raise KernelError(f"{file}: defines {named}, which names no kernel function{hint}")
    return functions


def _run(code: Any, space: dict[str, Any], file: str) -> None:
    left = LINES_BETWEEN_STEPS

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KernelError(f"{file}:{frame.f_lineno}: runs on without end while the file is loaded")
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        exec(code, space)
    except KernelError:
        raise
    except BaseException as error:
        line = _line_in(error, code.co_filename)
        raise KernelError(f"{file}:{line}: {type(error).__name__}: {error}") from None
    finally:
        sys.settrace(before)


def _line_in(error: BaseException, filename: str) -> int:
    line, traceback = 1, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
