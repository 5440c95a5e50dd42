"""A reader's fix from a file. It is Python, and it is run: read a file from somebody else before you check it."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from ..kernel import base, kernel_functions
from ..names import nearest
from ..program import LINES_BETWEEN_STEPS, KernelError, short_file

LARGEST = 1 << 20  # bytes: no fix is longer


def load_fix(path: str) -> dict[str, Callable[..., Any]]:
    """The functions of a reader's file. KernelError, one sentence with file and line, if it can't serve as a fix."""
    file, text = short_file(path), _text(path)
    code = _compiled(path, text)
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # what was read, if the file changes later
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


def _text(path: str) -> str:
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise KernelError(f"{path}: can't be read: not a file")
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise KernelError(f"{path}: can't be read: longer than {LARGEST >> 20} MiB")
        return data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise KernelError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None


def _compiled(path: str, text: str) -> CodeType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, path)
            _catches_nothing(tree, path)
            return compile(tree, path, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise KernelError(f"{short_file(path)}:{line}: not Python: {getattr(error, 'msg', error)}") from None
    except (RecursionError, MemoryError, OverflowError):
        raise KernelError(f"{short_file(path)}:1: not Python: nested too deeply") from None


def _catches_nothing(tree: ast.Module, path: str) -> None:
    """A `try` could catch what stops a file that runs on without end; kernel code has none anyway."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)):
            raise KernelError(f"{short_file(path)}:{node.lineno}: kernel code has no try and no with: do without")


def _run(code: CodeType, space: dict[str, Any], file: str) -> None:
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
