"""Set 04: swapoff. The order in which it takes a device down, what holds it back, and schedules that bring it somewhere."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import swapmodel
from swapmodel import Machine
from swapmodel.trace import Recorder

from . import answers
from .exercise import Exercise, Question
from .judging import Case, interleaving
from .result import Interleaving, Result, right, wrong
from .runs import first_time, play, recorded
from .turns import FORM, replay

# ---- ex04a: the order of teardown --------------------------------------------------------------------------------------

STEPS = {  # as people say it -> function or operation of the machine, and why it is where it is
    "clear SWP_WRITEOK": ("swapoff_unlist", "No new slot may be given out while the old ones are emptied."),
    "drain the slot caches": (
        "drain_slots_cache_cpu",
        "A slot in a CPU's cache keeps inuse_pages above 0: who would free it later?",
    ),
    "try_to_unuse": ("try_to_unuse", "What waits for users makes sense once nobody has an entry any more."),
    "percpu_ref_kill": (
        "percpu_ref_kill(si.users)",
        "A device that is still full can't be refused to faults: killing the pins comes after.",
    ),
    "synchronize_rcu": (
        "synchronize_rcu",
        "A grace period is of use only between the last reference and the first pointer taken away.",
    ),
    "wait_for_completion": ("wait_for_completion(si.comp)", "The reference must be killed before its last holder can report."),
    "si->swap_map = NULL": ("write(si.swap_map, NULL)", "Pointers go when every reader is gone; memory after the pointers."),
    "vfree(swap_map)": ("vfree(swap_map)", "What is freed must not be reachable any more."),
    "free the swap cache's address spaces": (
        "exit_swap_address_space",
        "The last big free: __try_to_reclaim_swap() looks there.",
    ),
    "flags = 0": ("write(si.flags, 0)", "As soon as SWP_USED is clear another swapon may take this swap_info_struct."),
}


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    names = list(STEPS)
    chosen = names[2:9] if seed == 0 else random.sample(names, 7)
    random.shuffle(chosen)
    listed = "\n".join(f"  {name}" for name in chosen)
    return {"text": f"swapoff() of v6.8 does these, in which order?\n\n{listed}", "names": chosen}


def order_a(names: list[str]) -> dict[str, int]:
    machine = Machine(slots=64)
    play(machine, [("write", "p", 0, "data"), ("swap_out", "p", 0)])
    recorder = recorded(machine, lambda: machine.space.swapoff(0))
    return first_time(recorder, {name: STEPS[name][0] for name in names})


def judge_a(question: Question, answer: Any) -> Result:
    given, at = answers.permutation(answer, question.names), order_a(question.names)
    for first, then in itertools.pairwise(given):
        if at[first] > at[then]:
            return wrong(f"Not {first} before {then}.", STEPS[first][1])
    return right("As the machine runs it. Every pointer goes after the last wait, every free after the pointers.")


# ---- ex04b: which pin holds swapoff back -------------------------------------------------------------------------------

PINS = ("a byte in use", "an RCU reader", "a pin of the device", "a lock that try_to_unuse wants")
POINTS = (
    (Case("one-process"), "process", "swap_page_trans_huge_swapped"),
    (Case("shmem-truncate"), "truncate", "__swap_entry_free"),
    (Case("shmem-truncate", "v6.9"), "truncate", "swap_page_trans_huge_swapped"),
    (Case("madvise"), "process", "free_swap_and_cache"),
    (Case("shmem-truncate", preempt="none"), "truncate", "swap_page_trans_huge_swapped"),
    (Case("one-process"), "process", "__swap_entry_free"),
)


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    case, who, where = POINTS[seed % len(POINTS)]
    listed = "\n".join(f"  {pin}" for pin in PINS)
    text = (
        f"{case}.\n{who} is about to take its first step inside {where}(), and is not run for a while.\n"
        f"swapoff starts. What holds it back? One of:\n\n{listed}"
    )
    return {"text": text, "case": case, "point": (who, where)}


def system_of(case: Case) -> Any:
    parameters = swapmodel.Parameters(preempt=case.preempt, slot_cache=case.slot_cache)
    return swapmodel.SCENARIOS[case.scenario].system(swapmodel.KERNELS[case.kernel], parameters)


def held_b(question: Question) -> tuple[str, Recorder]:
    """Where swapoff comes to while the other thread stands still, in the words that are offered."""
    recorder = replay(system_of(question.case), [question.point, ("swapoff", "end")])
    return pin_of(recorder), recorder


def pin_of(recorder: Recorder) -> str:
    t = recorder.system.memory.threads.index("swapoff")
    operation = recorder.at[t].operation
    waits = recorder.waits(t)
    if "synchronize_rcu" in waits or "grace period" in waits:
        return PINS[1]
    if operation is not None and operation.name == "wait_for_completion":
        return PINS[2]
    return PINS[3] if waits else PINS[0]  # it goes round in try_to_unuse()


def judge_b(question: Question, answer: Any) -> Result:
    given = answers.choice(answer, PINS)
    wanted, recorder = held_b(question)
    if given != wanted:
        return wrong(f"It is not {given}.", HELD_HINTS[given], Interleaving(recorder))
    return right("swapoff gets exactly that far.", Interleaving(recorder))


HELD_HINTS = {
    PINS[
        0
    ]: "That would need a slot with a count, or one that is not freed by whoever looks next. What is the byte at this point?",
    PINS[1]: "That would need a spinlock, a section or a kernel without preemption, and inuse_pages at 0 before. Is it so?",
    PINS[2]: "That would need get_swap_device() on the way here. Which kernel, which function took it?",
    PINS[
        3
    ]: "That would need try_to_unuse() to come by a page table or a folio that this thread has locked. Does it look there?",
}

# ---- ex04c: bring it there ---------------------------------------------------------------------------------------------

GOALS = (
    (Case("one-process"), "swapoff waits in synchronize_rcu() for process"),
    (Case("madvise"), "swapoff waits for the page table lock of process"),
    (Case("one-process"), "swapoff itself makes swap_map[1] 0x00"),
    (Case("shmem-truncate", "v6.9"), "swapoff waits in wait_for_completion() for truncate"),
)


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    case, goal = GOALS[seed % len(GOALS)]
    names = ", ".join(system_of(case).memory.threads)
    text = (
        f"{case}; its threads: {names}.\nGive a schedule in which {goal}.\n\n"
        "A turn is (thread, where it stops): before its first step inside a function, before an operation of that name, or\n"
        '"end", which is when it has returned, has to wait, or goes round and round.'
    )
    return {"text": text, "case": case, "goal": goal}


def judge_c(question: Question, answer: Any) -> Result:
    recorder = replay(system_of(question.case), answer)
    if reached(question.goal, recorder):
        return right(f"{len(answer)} turns, and {question.goal}.", Interleaving(recorder))
    return wrong(
        "Your schedule does not come there.", schedule_hint(question.goal, recorder), interleaving(question.case, recorder)
    )


def reached(goal: str, recorder: Recorder) -> bool:
    t = recorder.system.memory.threads.index("swapoff")
    if "0x00" in goal:
        return any(s.thread == t and c.name == "swap_map[1]" and c.after == "0x00" for s in recorder.steps for c in s.changes)
    waits = recorder.waits(t)
    return any(goal_word in goal and word in waits for goal_word, word in WAITS)


WAITS = (
    ("synchronize_rcu", "synchronize_rcu()"),
    ("page table lock", "page_table_lock"),
    ("wait_for_completion", "wait_for_completion()"),
)


def schedule_hint(goal: str, recorder: Recorder) -> str:
    t = recorder.system.memory.threads.index("swapoff")
    ran = [s for s in recorder.steps if s.thread == t]
    waits = recorder.waits(t)
    if not ran:
        return "swapoff has not run at all yet."
    if recorder.at[t].operation is None:
        return "swapoff has returned: nothing was in its way. The other thread must hold something while swapoff runs."
    if waits and "0x00" in goal:
        return "swapoff waits for somebody before it comes to the slot: the other thread holds too much at this point."
    if waits:
        return "swapoff waits, but for something else: is the reference already dropped when it starts, and is it the last?"
    if any(f.function == "try_to_unuse" for f in recorder.at[t].stack):
        return "swapoff is still in try_to_unuse(): the reference must be gone before it can get further."
    return f"swapoff could still go on: give it a turn to the end. {FORM}"


EXERCISES = (
    Exercise("ex04a", "The order of teardown", "a list of all the names, in order", vary_a, judge_a),
    Exercise("ex04b", "What holds swapoff back?", "one of the phrases", vary_b, judge_b),
    Exercise("ex04c", "Bring it there", 'a list of turns: [("process", "..."), ("swapoff", "end")]', vary_c, judge_c),
)
