"""link(): a version of the kernel, a fix over it, and one scenario's memory become functions that can run.

As livepatch does, a version or a fix is a set of functions that replace others of the same name. Every function is rebuilt
over a fresh namespace, so that nothing leaks from one kernel, or notebook cell, into another.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import linecache
import types
from collections.abc import Callable, Mapping
from typing import Any

from . import machine, mm
from .lint import is_operation, lint, stores, undefined
from .machine import Global, Memory
from .names import nearest
from .program import KernelError, short_file

Replacements = Mapping[str, Callable[..., Any]]


class Kernel:
    """A named set of replacements over the base, v6.8. `source` says where each came from."""

    def __init__(self, name: str, title: str, replaces: Replacements | None = None, source: str = ""):
        self.name, self.title, self.replaces, self.source = name, title, dict(replaces or {}), source

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


@functools.cache
def base() -> dict[str, Any]:
    """Every name that kernel code can use: operations, constants and the functions of mm/, v6.8."""
    space = {name: getattr(machine, name) for name in machine.__all__}
    for module in mm.files():
        for name, value in vars(module).items():
            if not name.endswith("__") and not isinstance(value, types.ModuleType):
                space[name] = value
    return space


def kernel_functions() -> dict[str, Callable[..., Any]]:
    """The kernel's own functions by name: what a fix may replace."""
    return {n: f for n, f in base().items() if inspect.isgeneratorfunction(f)}


def declared_globals() -> dict[str, Global]:
    return {n: g for n, g in base().items() if isinstance(g, Global)}


def link(
    memory: Memory, kernel: Kernel, fix: Replacements | None = None, parameters: Mapping[str, Any] | None = None
) -> types.SimpleNamespace:
    """The functions of `kernel` with `fix` over it, bound to the globals of `memory`.

    `parameters` are constants of this build (SWAPFILE_CLUSTER, ...). Raises KernelError for a function that can't run."""
    replaced = {**kernel.replaces, **(fix or {})}
    preempt = {"cond_resched": f"cond_resched_{memory.preempt}", "syscall": f"syscall_{memory.preempt}"}
    space: dict[str, Any] = dict(base())
    space.update({name: space[target] for name, target in preempt.items()})
    space.update(parameters or {})
    space.update(replaced)
    known = {**kernel_functions(), **kernel.replaces} if fix else {}
    for name, function in replaced.items():
        if not is_operation(function):
            _check(name, function, space, known.get(name) if fix and name in fix else None)
    if fix:
        _check_names(fix, space)
    space.update(memory.symbols)
    for name, value in list(space.items()):
        if isinstance(value, types.FunctionType) and not getattr(value, "is_operation", False):
            space[name] = _rebuild(value, space)
    return types.SimpleNamespace(**space)


def _rebuild(function: types.FunctionType, space: dict[str, Any]) -> types.FunctionType:
    again = types.FunctionType(function.__code__, space, function.__name__, function.__defaults__, function.__closure__)
    again.__kwdefaults__ = function.__kwdefaults__
    return again


def _check(name: str, function: Any, space: dict[str, Any], original: Callable[..., Any] | None) -> None:
    """A fix takes the arguments of what it replaces; a version may call its own functions as it likes."""
    if not isinstance(function, types.FunctionType):
        raise KernelError(f"{name}: a fix is made of functions, and {function!r} is none")
    code = function.__code__
    place = f"{short_file(code.co_filename)}:{code.co_firstlineno}: {name}()"
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise KernelError(f"{place} is `async`: a kernel function is a plain `def` with `yield`")
    if not inspect.isgeneratorfunction(function) and name in kernel_functions():
        raise KernelError(f"{place} has no yield: a kernel function yields its operations and calls others with `yield from`")
    if original is not None:
        _takes_the_same(place, function, original)
    lint(function, space)


def demand_kernel_function(kernel: Kernel, fix: Replacements | None) -> None:
    """KernelError for a fix that replaces nothing: its functions have names that no kernel function has."""
    known = {**kernel_functions(), **kernel.replaces}
    if fix and not set(fix) & set(known):
        guess = next((f"; did you mean {n}()?" for name in fix if (n := nearest(name, known))), "")
        raise KernelError(f"the fix defines {', '.join(f'{n}()' for n in fix)}, which names no kernel function{guess}")


def _check_names(fix: Replacements, space: dict[str, Any]) -> None:
    """A fix uses no name that there is not."""
    for name, function in fix.items():
        for line, unknown in [] if is_operation(function) else undefined(function, space):
            place = f"{short_file(function.__code__.co_filename)}:{line}: {name}()"
            guess = nearest(unknown, space)
            hint = f"did you mean {guess}?" if guess else "hand a helper function over with the fix, write a constant inside"
            raise KernelError(f"{place}: name {unknown!r} is not defined in the kernel: {hint}")


def _takes_the_same(place: str, function: Callable[..., Any], original: Callable[..., Any]) -> None:
    mine, theirs = inspect.signature(function), inspect.signature(original)
    needed = [p for p in theirs.parameters.values() if p.default is p.empty]
    for count in range(len(needed), len(theirs.parameters) + 1):
        try:
            mine.bind(*range(count))
        except TypeError:
            names = ", ".join(str(p) for p in theirs.parameters.values())
            told = f"takes {_arity(function)} arguments, but the kernel calls it with {count}"
            raise KernelError(f"{place} {told}: write `def {original.__name__}({names}):`") from None


def _arity(function: Callable[..., Any]) -> int:
    """The arguments that a caller must give by their place."""
    parameters = inspect.signature(function).parameters.values()
    return len([p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])


WAITS = {"start_poll_synchronize_rcu", "percpu_ref_kill"}  # operations that begin a grace period


def named_by(space: types.SimpleNamespace, function: str) -> set[str]:
    """Every name that `function`, and all it can call, uses: what its thread can ever reach."""
    names: set[str] = set()
    pending = [function]
    while pending:
        value = getattr(space, pending.pop(), None)
        if isinstance(value, types.FunctionType) and not getattr(value, "is_operation", False):
            new = names_in(value.__code__) - names
            names |= new
            pending += new
    return names


def names_in(code: types.CodeType) -> set[str]:
    """Every name that some code uses, with the lambdas and generator expressions inside it."""
    return set(code.co_names).union(*(names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def tell_owners(memory: Memory, space: types.SimpleNamespace, functions: list[str], fix: Replacements) -> None:
    """Marks the words that only one thread names or writes, and who waits for whose RCU sections. A fix that reaches words
    in a way that can't be seen leaves everything unmarked."""
    stored: dict[str, set[str]] = {}
    replaced = {name: f for name, f in fix.items() if not is_operation(f)}
    all_names = set().union(*(names_in(f.__code__) for f in replaced.values()))
    for name, function in replaced.items():
        hidden = function.__closure__ or any(map(callable, function.__defaults__ or ()))  # functions that no name leads to
        members = None if hidden or LOOK_UPS & names_in(function.__code__) else stores(function, all_names)
        if members is None:
            return
        for member in members:
            stored.setdefault(member, set()).add(name)
    names = [named_by(space, "syscall") | named_by(space, f) | {f} for f in functions]
    memory.own(names, {t for t, named in enumerate(names) if named & WAITS}, stored, all_names)


LOOK_UPS = {"getattr", "vars", "eval", "exec"}  # reach members by a name made at run time


def source_hash(space: types.SimpleNamespace) -> str:
    """A hash of the text that a linked kernel was made of: a trace recorded with another one is refused, not shown wrong."""
    functions = [f for f in vars(space).values() if isinstance(f, types.FunctionType)]
    digest = hashlib.sha256()
    for text in sorted({source_text(f.__code__.co_filename) for f in functions}):
        digest.update(text)
    return digest.hexdigest()[:16]


@functools.cache
def source_text(filename: str) -> bytes:
    return "".join(linecache.getlines(filename)).encode()
