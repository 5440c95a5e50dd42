"""The kernel as written: every function cites its file and version, passes the lint, and writes only what it says."""

import inspect
import re
from pathlib import Path

import pytest

from swapmodel import FIXES, KERNELS, KernelError, Parameters, scenarios
from swapmodel import kernel as kernel_module
from swapmodel.kernel import base, kernel_functions, link, source_hash
from swapmodel.lint import lint, stores
from swapmodel.machine import Global, Memory, Struct
from swapmodel.mm import KERNEL_FILE, is_ours, parts, structs

MM = {n: f for n, f in kernel_functions().items() if ".mm." in f.__module__}
OURS = {n: f for n, f in MM.items() if n in parts()}
README = (Path(kernel_module.__file__).parent / "mm" / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(set(MM) - set(OURS)))
def test_cites_its_version(name):
    assert re.search(r"v\d\.\d+", MM[name].__doc__), f"{name}() cites no version"


@pytest.mark.parametrize("name", sorted(MM))
def test_passes_the_lint(name):
    lint(MM[name], base())


def test_what_is_ours_is_said_to_be():
    """Kernel functions and parts are told apart by their docstrings; the README lists both, each in its place."""
    kernel, ours = README.split("## 3. Names that are ours")
    kernel = kernel.split("## 2. Kernel functions")[1]
    assert len(OURS) > 20 and len(MM) > 150
    assert [n for n in sorted(OURS) if not re.search(rf"(?<!\w){n}(?!\w)", ours)] == []
    assert [n for n in sorted(set(MM) - set(OURS)) if not re.search(rf"(?<!\w){n}(?!\w)", kernel)] == []
    assert [n for n, f in OURS.items() if not f.__doc__] == []


def test_functions_are_short():
    lengths = sorted(len(inspect.getsource(f).split("\n")) for f in MM.values())
    assert lengths[-1] <= 60
    assert lengths[len(lengths) // 2] <= 12


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda k: k.name)
def test_replacements_pass_the_lint_and_cite(kernel):
    for name, function in kernel.replaces.items():
        if not getattr(function, "is_operation", False):
            assert function.__name__ == name
            lint(function, {**base(), **kernel.replaces})
            assert is_ours(function) or KERNEL_FILE.match(function.__doc__)


@pytest.mark.parametrize("fix", FIXES.values(), ids=lambda f: f.name)
def test_fixes_name_kernel_functions_and_their_origin(fix):
    assert set(fix.replaces) <= set(MM)
    assert re.search(r"\d{4}|[0-9a-f]{12}", fix.origin)


USUAL_NAME = {"swap_info_struct": "si", "mm_struct": "mm"}  # what mm/ calls a pointer to it


def declared_writers():
    """field name -> the functions that its layout says are the only ones to write it."""
    found = {}  # "si.max", "swapper_spaces", ...
    layouts = [s for s in vars(structs).values() if inspect.isclass(s) and issubclass(s, Struct)]
    for layout in layouts:
        for name, field in layout.fields().items():
            if field.writers:
                found[f"{USUAL_NAME.get(layout.__name__, layout.__name__)}.{name}"] = set(field.writers)
    for name, value in base().items():
        if isinstance(value, Global) and value.field.writers:
            found[name] = set(value.field.writers)
    return found


def test_declared_writers_are_all_there_are():
    """The reduction believes these declarations: a store elsewhere to such a member would make it unsound."""
    writers = declared_writers()
    assert len(writers) >= 6, "nothing declared: the test is vacuous"
    for name, function in MM.items():
        for target in re.findall(r"(?:write|WRITE_ONCE|xchg|cmpxchg)\(([\w.]+)", inspect.getsource(function)):
            assert name in writers.get(target, {name}), f"{name}() writes {target}, which structs.py says it does not"


STORES_THROUGH_A_VARIABLE = {
    "cluster_list_add_tail",
    "cluster_list_del_first",
    "set_cluster_next",
    "zap_pte",
}


def test_stores_through_a_variable_are_only_to_ptes_and_the_map():
    assert {n for n, f in MM.items() if stores(f) is None} == STORES_THROUGH_A_VARIABLE


def test_nothing_leaks_from_one_kernel_into_another():
    memory = Memory(["t"])
    memory.globals(kernel_module.declared_globals())
    plain = link(memory, KERNELS["v6.8"])
    fixed = link(memory, KERNELS["v6.9"])
    again = link(memory, KERNELS["v6.8"])
    assert plain.free_swap_and_cache.__code__ is again.free_swap_and_cache.__code__
    assert plain.free_swap_and_cache.__code__ is not fixed.free_swap_and_cache.__code__
    assert plain.zap_pte_range.__globals__ is not fixed.zap_pte_range.__globals__


def test_the_source_hash_tells_kernels_apart():
    def of(kernel):
        return source_hash(scenarios.SCENARIOS["one-process"].system(KERNELS[kernel], Parameters()).kernel)

    assert of("v6.8") == of("v6.8")
    assert len({of("v6.8"), of("v6.9"), of("v5.2")}) == 3


def test_an_operation_may_not_be_called_as_a_function():
    def free_swap_and_cache(entry):
        READ_ONCE(swap_info[0])  # noqa: F821
        yield rcu_read_lock()  # noqa: F821

    with pytest.raises(KernelError, match="write `yield READ_ONCE"):
        scenarios.SCENARIOS["one-process"].system(KERNELS["v6.8"], Parameters(), {"free_swap_and_cache": free_swap_and_cache})
