"""The kernel: one generator per kernel function, of the same name, in the file of the same name. Base: v6.8."""

import functools
import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

KERNEL_FILE = re.compile(r"(arch|block|fs|include|kernel|lib|mm)/[\w/.*-]+\.[ch]\b")


def files() -> list[ModuleType]:
    """The modules whose names make up the kernel's namespace: every file of this folder."""
    return [importlib.import_module(m.name) for m in pkgutil.walk_packages(__path__, __name__ + ".") if not m.ispkg]


def is_ours(function: Any) -> bool:
    """Is this generator a part that we cut out of a kernel function, to keep each to a few lines? A kernel function's docstring
    begins with its file. Call stacks are shown without ours."""
    return inspect.isgeneratorfunction(function) and not KERNEL_FILE.match(function.__doc__ or "")


@functools.cache
def parts() -> frozenset[str]:
    """The names of all of them."""
    return frozenset(n for file in files() for n, f in vars(file).items() if is_ours(f))
