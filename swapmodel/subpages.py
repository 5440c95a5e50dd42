"""Sub-pages that nobody maps are alike: two of them stand for all (the reduction "sub-pages").

Of the 512 sub-pages of a PMD-size folio, the processes of a scenario map one each. All that is ever done with the others is
done with all of them, under a lock, or by swapoff, which looks at one after the other. So a folio with two of them, and a
swapoff that may look at each of these as often as it likes, can do all that the large folio can. Why, and what must be so for
that, is told in mm/README.md, section 8. It may do more: `holds` carries over, a violation is looked for where it can happen.

Whether there is another like the one that was looked at is answered by a thread, which may be too late: then there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .kernel import Kernel, Replacements, base
from .machine import BLOCKED, WRITE_ONCE, Address, Cpu, Operation, Struct, operation, word, xchg
from .mm.swapfile.swapoff import swapoff
from .mm.swapops import xa_slot
from .program import Program, Step, System
from .scenarios import Parameters, Scenario, assemble

if TYPE_CHECKING:

    def in_order(si: Any, prev: int) -> Any: ...


SUB_PAGES: Any = None  # a pointer to what is asked, and the slots: in Setup.constants
ALIKE = range(0)
ASKED, ANOTHER, OVER = 1, 2, 3
STAND_IN = 2  # sub-pages stand for all: one of those that left the swap cache already, and one of those that did not yet


class sub_pages(Struct):
    """What is asked about them, by swapoff."""

    question = word()


# ---- swapoff, for which each may be many -------------------------------------------------------------------------------


def find_next_to_unuse(si, prev):  # type: ignore[no-untyped-def]
    """The kernel's function, `in_order`; but behind a sub-page that nobody maps there may be another like it."""
    if prev in ALIKE:
        yield WRITE_ONCE(SUB_PAGES.question, ASKED)
        said = yield xchg(SUB_PAGES.question, 0)
        if said == ANOTHER:
            prev -= 1
    i = yield from in_order(si, prev)
    return i


def swapoff_of_many(type):  # type: ignore[no-untyped-def]
    """swapoff(), after which nobody asks any more."""
    error = yield from swapoff(type)
    yield WRITE_ONCE(SUB_PAGES.question, OVER)
    return error


@operation(blocks=True)
def answer(cpu: Cpu, p: Address) -> Any:
    """Waits until something is asked, and says that there is another. True when nobody asks any more."""
    asked = cpu.load(p)
    if asked == ASKED:
        cpu.store(p, ANOTHER)
    return BLOCKED if asked in (0, ANOTHER) else asked == OVER


def another_like_it():  # type: ignore[no-untyped-def]
    """The thread that answers, or is too late."""
    over = False
    while not over:
        over = yield answer(SUB_PAGES.question)


# ---- the system ----------------------------------------------------------------------------------------------------------


def fewer(scenario: Scenario, parameters: Parameters) -> Parameters | None:
    """The same scenario with two sub-pages that nobody maps, or some more so that a folio has 2^n pages if the large one has
    and has not if that has not; None where it has no more, or no large folio."""
    enough, pages = min(parameters.processes, parameters.pages) + STAND_IN, parameters.pages
    if not pages & pages - 1:
        enough = 1 << (enough - 1).bit_length()
    elif not enough & enough - 1:
        enough += 1
    return parameters._replace(pages=enough) if scenario.huge and enough < pages else None


def alike(scenario: Scenario, kernel: Kernel, few: Parameters, fix: Replacements | None = None) -> System:
    """The scenario with `few` sub-pages, the last two of which stand for any number. May raise KernelError."""
    setup = scenario.lay(few)
    constants = {
        **setup.constants,
        "SUB_PAGES": setup.memory.new(sub_pages, "sub-pages"),
        "ALIKE": _slots(few),
        **{f.__name__: f for f in (swapoff_of_many, another_like_it, answer)},
        "ASKED": ASKED,
        "ANOTHER": ANOTHER,
        "OVER": OVER,
        "in_order": {**base(), **kernel.replaces, **(fix or {})}["find_next_to_unuse"],
    }
    *others, last = setup.threads
    threads = [*others, last._replace(function="swapoff_of_many")]
    many = {**(fix or {}), "find_next_to_unuse": find_next_to_unuse}
    system = assemble(setup._replace(constants=constants, threads=threads), kernel, many, ("another_like_it",))
    system.programs.append(Program("another sub-page", system.kernel.another_like_it))
    return system


def _slots(few: Parameters) -> range:
    """The slots of the sub-pages that nobody maps, the last ones of the folio. It fills the second cluster."""
    return range(few.pages + few.processes, 2 * few.pages)


# ---- does it stand for the large one? ------------------------------------------------------------------------------------


# What the argument knows of: by which functions of the kernels, and operations, the words of these sub-pages are touched.
KERNEL_CODE = "mm/", "versions/"
LOCKED = {
    ("any_slot_swapped", "READ_ONCE"),
    ("any_slot_of_folio_swapped", "READ_ONCE"),
    ("count_free_entries", "read"),
    ("count_cache_only", "read"),
    ("__delete_from_swap_cache", "xchg"),
    ("clear_shadow_from_swap_cache", "read"),
    ("swap_free_cluster", "memset"),
}
LOOKS = {("find_next_to_unuse", "READ_ONCE"), ("filemap_get_folio", "READ_ONCE")}  # without a lock: by swapoff's third loop
LOOP = {"try_to_unuse", "unuse_swap_cache"}


def stranger(system: System) -> Step | None:
    """A step that was reached, and touches the sub-pages in a way that the argument does not know of; None if all are known."""
    words = _words(system)
    steps = (step for program in system.programs for step in program.steps if step is not None)
    return next((step for step in steps if _touches(step.operation, *words) and not _is_known(step)), None)


def _words(system: System) -> tuple[frozenset[int], Any]:
    """The words of the slots that nobody maps, and the swap_map that some of them are in."""
    space, words = system.kernel, system.words
    [si] = space.SWAP_INFOS
    map, mapping = words[si.swap_map.word], words[space.swapper_spaces[0].word][0]
    cached = {xa_slot(mapping, i).word for i in space.ALIKE}
    free = range(1, space.SWAPFILE_CLUSTER)  # the first cluster: nobody takes a slot of it
    return frozenset(cached | {map[i].word for i in (*free, *space.ALIKE)}), map


def _touches(operation: Operation | None, words: frozenset[int], map: Any) -> bool:
    if operation is None:
        return False
    named = {a.word for a in operation.arguments if isinstance(a, Address)}
    return not words.isdisjoint(named) or operation.arguments[:1] == (map,)


def _is_known(step: Step) -> bool:
    assert step.operation is not None
    last, how = step.stack[-1], (step.stack[-1].function, step.operation.name)
    if how in LOOKS:
        return {frame.function for frame in step.stack if frame.file.startswith("mm/")} >= {*LOOP, last.function}
    freed = step.operation.name in ("vfree", "kvfree")  # the whole map
    return freed or (how in LOCKED and last.file.startswith(KERNEL_CODE))
