"""The lint: what makes a kernel function mean something else than it says, found before it runs.

Each rule stands for a mistake that silently merged different states, or silently did nothing, in a prototype.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from .program import KernelError, short_file

PLAIN = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
OUTSIDE = {"input", "open", "exit", "quit", "breakpoint", "help", "compile", "__import__"}  # they wait, leave, or reach out
UNCHANGING = (int, str, bytes, bool, float, tuple, frozenset, type(None), types.FunctionType, types.ModuleType)


def lint(function: Callable[..., Any], space: dict[str, Any]) -> None:
    """Raises KernelError with `file:line: function(): why` for the first mistake in `function`.

    `space` are the names it will be linked with: it tells kernel functions and operations from plain helpers."""
    for line, why in _problems(function, space):
        file = short_file(function.__code__.co_filename)
        raise KernelError(f"{file}:{line}: {function.__name__}(): {why}")


def _problems(function: Callable[..., Any], space: dict[str, Any]) -> Iterator[tuple[int, str]]:
    code = function.__code__
    first = code.co_firstlineno
    if hasattr(function, "__wrapped__"):
        yield first, "a decorator stands between it and the machine: define it without"
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        try:
            changes = not isinstance(cell.cell_contents, UNCHANGING)
        except ValueError:  # nothing is bound to it yet
            changes = True
        if changes:
            yield first, f"it closes over {name}, which can change: pass it as an argument"
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    if any(isinstance(d, (list, dict, set)) for d in defaults):
        yield first, "a default argument can change: use a tuple"
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError, SyntaxError, IndexError):
        yield first, "its source can't be found: define it in a file or a notebook cell"
        return
    try:
        tree = ast.parse(source).body[0]
    except (SyntaxError, IndexError, RecursionError, MemoryError):  # of a lambda, which has no lines of its own
        tree = ast.Pass()
    if not isinstance(tree, ast.FunctionDef):
        yield first, "a kernel function is a plain `def` with `yield`"
        return
    for statement in _statements(tree):
        for why in _statement(statement, space):
            yield first + statement.lineno - tree_line(tree), why


def undefined(function: Callable[..., Any], space: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """The names that `function` uses and that neither the kernel, in `space`, nor Python has; each with its line."""
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        line = code.co_firstlineno
        pending += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for instruction in dis.get_instructions(code):
            line = instruction.positions.lineno or line if instruction.positions else line
            name = instruction.argval
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name not in space and not hasattr(builtins, name):
                yield line, name


def tree_line(tree: ast.FunctionDef) -> int:
    return min([tree.lineno] + [d.lineno for d in tree.decorator_list])


def _statements(tree: ast.stmt) -> Iterator[ast.stmt]:
    """The statements that can run, in order; what follows a `return` in its block can't."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(tree, block, []):
            yield statement
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
                yield from _statements(statement)
            if isinstance(statement, ast.Return):
                break


def _own(statement: ast.stmt) -> list[ast.AST]:
    """The expressions of the statement itself, without the statements inside it."""
    found: list[ast.AST] = []
    pending: list[ast.AST] = [
        child for child in ast.iter_child_nodes(statement) if not isinstance(child, (ast.stmt, ast.ExceptHandler))
    ]
    while pending:
        node = pending.pop()
        found.append(node)
        pending.extend(ast.iter_child_nodes(node))
    return found


def _statement(statement: ast.stmt, space: dict[str, Any]) -> Iterator[str]:
    if isinstance(statement, (ast.Try, ast.With, ast.AsyncWith, ast.AsyncFor)):
        yield "kernel code has no try and no with: the explorer can't see through them"
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
        yield f"{statement.name} is defined inside: define it beside the function"
    if isinstance(statement, (ast.Global, ast.Nonlocal)):
        yield "it changes a Python variable behind the machine's back: shared memory is words"
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield "kernel code imports nothing: every name of the kernel is there already"
    if isinstance(statement, ast.Raise):
        yield "kernel code raises nothing: what must not happen is `yield BUG(...)`"
    if isinstance(statement, ast.For) and not _is_range(statement.iter):
        yield "`for` runs only over range(): other iterators have a position that can't be compared"
    nodes = _own(statement)
    yields = [n for n in nodes if isinstance(n, (ast.Yield, ast.YieldFrom))]
    if len(yields) > 1:
        yield "two yields in one statement: the first value would hide on the value stack; use two statements"
    for each in yields:
        if not _first_thing(statement, each):
            yield "the yield is not the first thing this statement evaluates: give its value a name on a line before"
        if isinstance(each, ast.Yield) and not isinstance(each.value, ast.Call):
            yield "it yields something that is not an operation"
    for node in nodes:
        yield from _call(node, yields, space)


def _call(node: ast.AST, yields: list[Any], space: dict[str, Any]) -> Iterator[str]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return
    name = node.func.id
    called = space.get(name)
    if name in OUTSIDE and name not in space:
        yield f"kernel code does not call {name}(): only operations, kernel functions and plain helpers"
    inside = next((y for y in yields if y.value is node), None)
    if inspect.isgeneratorfunction(called) and not isinstance(inside, ast.YieldFrom):
        yield f"{name}() is a kernel function: write `yield from {name}(...)`, or nothing happens"
    if is_operation(called) and not isinstance(inside, ast.Yield):
        yield f"{name}() is an operation: write `yield {name}(...)`, or nothing happens"
    elif is_operation(called):
        yield from _arguments(name, called, node)


def _arguments(name: str, operation: Any, call: ast.Call) -> Iterator[str]:
    """An operation is only made where it is called, and taken later: then nobody would know who gave it too few arguments."""
    if call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        return
    _, *parameters = inspect.signature(operation().effect).parameters.values()  # without the cpu
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(call.args) < len(needed) or (len(call.args) > len(parameters) and not any_number):
        yield f"{name}() takes ({', '.join(p.name for p in parameters)}), not {len(call.args)} arguments"


def is_operation(value: Any) -> bool:
    """Is it the constructor of an operation? Anything may be asked: an address answers to every name with another address."""
    return isinstance(value, types.FunctionType) and hasattr(value, "is_operation")


def _is_range(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"


def _first_thing(statement: ast.stmt, node: ast.expr) -> bool:
    """Nothing is evaluated before the yield, so nothing of the expression waits on the value stack."""
    value: Any
    if isinstance(statement, PLAIN):
        if isinstance(statement, ast.AugAssign):
            return False
        value = statement.value
    elif isinstance(statement, (ast.If, ast.While)):
        value = statement.test
    else:
        return False
    while value is not node:
        if isinstance(value, ast.UnaryOp):
            value = value.operand
        elif isinstance(value, (ast.Compare, ast.BinOp)):
            value = value.left
        elif isinstance(value, ast.BoolOp):
            value = value.values[0]
        else:
            return False
    return True


STORES = {
    "WRITE_ONCE",
    "write",
    "init_store",
    "memset",
    "memcpy",
    "user_store",
    "xchg",
    "cmpxchg",
    "folio_ref_freeze",
    "atomic_dec_and_test",
    "atomic_inc_not_zero",
}
STORES_SECOND = {"atomic_add", "atomic_sub_and_test"}  # the address is their second argument


def stores(function: Callable[..., Any], names: set[str] | None = None) -> set[str] | None:
    """The members and globals that a kernel function stores to, by name; None if it stores through a variable. `names` are
    those of all functions that may have made an array for it: its own, if not given."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in STORES | STORES_SECOND and id(node) not in called:
            return None  # the operation itself is put into a variable
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STORES | STORES_SECOND:
            target: ast.AST | None = node.args[node.func.id in STORES_SECOND]
            element = isinstance(target, ast.Subscript) or node.func.id in ("memset", "memcpy")
            while isinstance(target, ast.Subscript):
                target = target.value
            if isinstance(target, ast.Attribute):
                found.add(target.attr)
            elif isinstance(target, ast.Name) and target.id in function.__code__.co_names:
                found.add(target.id)
            elif element:  # of an array that a local points to, perhaps one that the function names
                found |= names or set(function.__code__.co_names)
            elif not (isinstance(target, ast.Call) and isinstance(target.func, ast.Name) and target.func.id == "xa_slot"):
                return None
    return found
