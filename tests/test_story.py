"""Stories: what people write down is read, decided, and told."""

import itertools
from pathlib import Path

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters, check
from swapmodel.__main__ import main
from swapmodel.explore import Space
from swapmodel.explore.guided import Taken, guided
from swapmodel.machine import BLOCKED, Cpu
from swapmodel.story import Ambiguous, NotUnderstood, fits, read_story
from swapmodel.story.bound import bind
from swapmodel.story.events import Call, Change, Compare, Fault, Operation, Said, Store, Touch, Wait
from swapmodel.story.fit import bound_lines
from swapmodel.story.grammar import events
from swapmodel.story.heading import heading
from swapmodel.story.script import Line, StoryScript
from swapmodel.verdict import all_recorded
from swapmodel.views import report

STORIES = Path(__file__).parent / "stories"
TABLE = [  # story, kernel, scenario ("": inferred), feasible, what the reason names
    ("one-page", "as-argued", "one-process", True, ""),
    ("one-page", "v6.8", "one-process", False, "synchronize_rcu() for process, which holds the spinlock mm1.page_table_lock"),
    ("Z1-shmem", "v6.8", "", True, ""),
    ("Z1-shmem", "v6.9", "", False, "wait_for_completion() for the 1 reference(s) to si.users"),
    ("Z2-readahead", "v5.2", "fault", True, ""),
    ("Z2-readahead", "v6.8", "fault", False, ""),
    ("Z3-ramdisk", "v5.2", "fault-ramdisk", True, ""),
    ("Z3-ramdisk", "v6.8", "fault-ramdisk", False, ""),
    ("Z5-skip-cache", "v6.7", "", True, ""),
    ("Z5-skip-cache", "v6.8", "", False, ""),
    ("Z11-reuse", "v6.8", "", True, ""),
    ("Z11-reuse", "v6.9", "", False, "wait_for_completion()"),
    ("wrong-value", "v6.8", "one-process", False, "swap_map[1] 0x41 -> 0x40"),
    ("wrong-order", "v6.8", "one-process", False, "never in __swap_entry_free()"),
]


def story(name):
    return read_story((STORIES / f"{name}.txt").read_text(), f"{name}.txt")


@pytest.mark.parametrize(("name", "kernel", "scenario", "feasible", "reason"), TABLE)
def test_the_stories(name, kernel, scenario, feasible, reason):
    fit = fits(story(name), kernel, scenario or None)
    assert fit.feasible is feasible, str(fit)
    assert reason in fit.why
    assert feasible == (fit.matched == len(fit.story.said))


def test_the_seed_message_on_the_kernel_that_it_reasoned_about():
    fit = fits(story("seed"), "as-argued")
    assert fit.feasible and fit.scenario.name == "thread"
    assert "line 17: swap_range_free() is reached here, but not by way of free_swap_slot()" in fit.notes[0]


def test_the_seed_message_ends_in_a_crash():
    text = (STORIES / "seed.txt").read_text().replace("free_swap_slot()->swapcache_free_entries()->\nswap_entry_free()->", "")
    fit = fits(read_story(text + "*** NULL dereference\n"), "as-argued")
    assert fit.feasible and fit.recorder.violation.kind == "NULL dereference" and fit.notes == []


def test_the_seed_message_on_v6_8():
    fit = fits(story("seed"), "v6.8")
    assert fit.feasible is False
    assert fit.why == "swapoff waits in synchronize_rcu() for process 1, which holds the spinlock mm1.page_table_lock"
    assert fit.next.line == 25 and "line 9 (comment)" in str(fit)
    assert "<swapoff waits in synchronize_rcu()" in " ".join(str(fit).split())  # at the end of the columns


def test_the_first_argument_is_refuted_by_a_witness():
    """swapoff need not wait for the page table lock: it leaves early, where inuse_pages reads 0."""
    fit = fits(story("ptl-first-argument"), "as-argued", "thread")
    assert fit.feasible
    reads = [s for s in fit.recorder.steps if str(s.operation) == "READ_ONCE(si.inuse_pages)" and s.thread == 2]
    [early] = [s for s in reads if s.stack[-1].function == "try_to_unuse"]
    assert early.value == 0 and not [s for s in fit.recorder.steps if s.thread == 2 and s.stack[-1].function == "unuse_mm"]


CELLS = sorted(cell for cell, found in all_recorded().items() if found["verdict"] == "violated")
WHOLE = "thread as-argued preempt=full slot-cache=off"
LARGE = {cell for cell in CELLS if cell.startswith("thread") and cell != WHOLE}  # several seconds each


@pytest.mark.parametrize("cell", CELLS)
def test_our_own_reports_read_back(cell):
    """Every violated scenario that is recorded: report -> story -> the same failure."""
    scenario, kernel, preempt, cache = (word.partition("=") for word in cell.split())
    verdict = check(
        scenario[0], kernel[0], shortest="any", preempt=preempt[2], **({"slot_cache": True} if cache[2] == "on" else {})
    )
    for every_step in (False, True):
        if every_step and cell in LARGE:
            continue
        text = report(verdict, every_step)
        head = heading(text)
        assert (head.scenario, head.kernel) == (scenario[0], kernel[0])
        fit = fits(read_story(text), head.kernel, head.scenario, **head.parameters)
        assert fit.feasible, str(fit)
        assert fit.recorder.violation.kind == verdict.outcome.violation.kind


def test_the_nearest_miss_reads_back():
    text = report(check("one-process", "v6.8"))
    assert fits(read_story(text), "v6.8", "one-process").feasible


# ---- the grammar -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("free_swap_and_cache()", Call(("free_swap_and_cache",))),
        ("free_swap_and_cache(entry);", Call(("free_swap_and_cache",))),
        ("zap_pte_range", Call(("zap_pte_range",))),
        ("swap_entry_free()->swap_range_free()->", Call(("swap_entry_free", "swap_range_free"))),
        ("swapoff->try_to_unuse()", Call(("swapoff", "try_to_unuse"))),
        ("-> count == SWAP_HAS_CACHE", Compare("count", "==", "SWAP_HAS_CACHE")),
        ("si->inuse_pages==0", Compare("si->inuse_pages", "==", "0")),
        ("p->swap_map = NULL", Store("p->swap_map", "NULL")),
        ("p->swap_map[?] /* !!! NULL pointer access */", Touch("p->swap_map[?]")),
        ("si->inuse_pages 2 -> 0", Change((("si->inuse_pages", "2", "0"),))),
        (
            "swap_map[2] 0x40 -> 0x00, swap_map[3] 0x40 -> 0x00",
            Change((("swap_map[2]", "0x40", "0x00"), ("swap_map[3]", "0x40", "0x00"))),
        ),
        ("swap_active_head si (prio 0) -> empty", Change((("swap_active_head", "si (prio 0)", "empty"),))),
        ("swap_map is freed", Change((("swap_map", "", "freed"),))),
        (
            "WRITE_ONCE(si->inuse_pages, si->inuse_pages - nr_entries);",
            Operation("WRITE_ONCE", ("si->inuse_pages", "si->inuse_pages - nr_entries")),
        ),
        ("READ_ONCE(si.flags) = 83", Operation("READ_ONCE", ("si.flags",), "83")),
        ("spin_lock(&si->lock)", Operation("spin_lock", ("&si->lock",))),
        ("folio_trylock(folio) fails", Operation("folio_trylock", ("folio",), "False")),
        ("a grace period begins", Operation("start_poll_synchronize_rcu", ())),
        ("waits for si.lock, held by swapoff", Wait("waits for si.lock, held by swapoff")),
        ("*** use after free: READ_ONCE(x[1])", Fault("use after free", "READ_ONCE(x[1])")),
        ("quits", Call(("do_exit",))),
        ("quits. Calls free_swap_and_cache().", None),
    ],
)
def test_forms(text, event):
    found = events(text)
    assert found == ([event] if event else [Call(("do_exit",)), Call(("free_swap_and_cache",))])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "[then, preempted ...]",
        "(nothing)",
        "# f() is not called",
        "/* the slot is free now */",
        "<alloc page A>",
        "-----",
        "Let's assume a large folio",
    ],
)
def test_remarks(text):
    assert events(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "never calls free_swap_and_cache()",
        "before free_swap_and_cache()",
        "if si->inuse_pages == 0",
        "frees the swap_map",
        "count might be 0x40",
        "free_swap_and_cach()",
        "swapoff succeeds",
    ],
)
def test_what_may_carry_meaning_is_never_ignored(text):
    assert events(text) is None


def test_unknown_lines_are_answered_with_file_line_and_suggestion():
    with pytest.raises(NotUnderstood) as error:
        read_story("CPU0      CPU1\nfree_swap_and_cach()\n          swapof()\n", "mail.txt")
    assert str(error.value).split("\n") == [
        "mail.txt:2: 'free_swap_and_cach()' is no kernel function or operation of the model; "
        "did you mean free_swap_and_cache()?",
        "mail.txt:3: 'swapof()' is no kernel function or operation of the model; did you mean swapoff()?",
    ]


def test_unknown_words_are_answered_with_the_nearest():
    with pytest.raises(NotUnderstood, match=r"s:2: no word here is named si->inuse_page.*did you mean si\.inuse_pages\?"):
        fits(read_story("Process 1: do_exit()\n  si->inuse_page == 0\nswapoff: swapoff()", "s"), "v6.8", "one-process")


def test_a_question_claims_nothing_and_is_told():
    told = read_story("Process 1: do_exit()\nWhat stops swapoff to succeed after that\nbut before free_swap_and_cache()?\n")
    assert [(r.first, r.last, r.why) for r in told.remarks] == [(2, 3, "question")]


def test_ambiguous_stories_name_the_candidates():
    with pytest.raises(Ambiguous, match=r"one-process, .*munmap"):
        fits(story("one-page"))


def test_cells_of_one_row_may_happen_in_either_order():
    text = "CPU0 (process)    CPU1 (swapoff)\n{}\n"
    row = "do_exit()         swapoff()"
    assert fits(read_story(text.format(row)), "v6.8", "one-process").feasible


def test_bars_between_columns():
    told = read_story("CPU0 | CPU1\n-----|-----\ndo_exit() |\n | si->flags USED|WRITEOK -> USED\n")  # not aligned
    assert [(s.label, type(s.event)) for s in told.said] == [(0, Call), (1, Change)]


# ---- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["Z1-shmem.txt"], 0, "feasible"),
        (["Z1-shmem.txt", "--kernel", "v6.9"], 1, "INFEASIBLE"),
        (["Z1-shmem.txt", "--fix", "get-swap-device"], 1, "INFEASIBLE"),
        (["Z1-shmem.txt", "--preempt", "none"], 1, "INFEASIBLE"),
        (["one-page.txt"], 2, "fits several scenarios"),
        (["missing.txt"], 2, "No such file"),
        (["Z1-shmem.txt", "--max-states", "1"], 0, "feasible"),
        (["Z1-shmem.txt", "--kernel", "v6.9", "--max-states", "1000"], 3, "unfinished"),
    ],
)
def test_the_command(arguments, status, told, capsys):
    assert main(["story", str(STORIES / arguments[0]), *arguments[1:]]) == status
    shown = capsys.readouterr()
    assert told in shown.out + shown.err and "Traceback" not in shown.err


# ---- soundness ---------------------------------------------------------------------------------------------------------


def moments(system, schedule):
    """Each step of a schedule, with the words and the steps of all threads before it; nothing shared with the search."""
    words, at = system.words, [p.first for p in system.programs]
    for t in schedule:
        cpu = Cpu(system.memory, words, t)
        value = at[t].operation.apply(cpu)
        if value is BLOCKED:
            return
        taken = Taken(t, at[t], value, words, dict(cpu.writes), system.programs[t].after(at[t], value), None)
        words, at = cpu.after(), [taken.after if u == t else s for u, s in enumerate(at)]
        yield taken, words, at


def naive(script, system, schedule):
    """Does this execution fit? All positions that it can have are followed, not the furthest alone."""
    positions = {script.standing(0, system.words, [p.first for p in system.programs].__getitem__)}
    for taken, words, at in moments(system, schedule):
        positions |= {script.taken(p, taken) for p in positions}
        positions |= {script.standing(p, words, at.__getitem__) for p in positions}
    return any(map(script.complete, positions))


SMALL = [
    ("one-process", "v6.8"),
    ("one-process", "as-argued"),
    ("shmem-truncate", "v6.8"),
    ("shmem-truncate", "v6.9"),
    ("munmap", "v6.8"),
]


def random_stories(system, scenario, kernel, seed, count):
    """Stories made of events of a random execution, some of them out of order or with another value."""
    import random

    dice = random.Random(f"{scenario} {kernel} {seed}")
    for _ in range(count):
        schedule, at = [], [p.first for p in system.programs]
        words, seen = system.words, []
        while len(schedule) < 900:
            able = [t for t in range(len(at)) if at[t].operation is not None]
            dice.shuffle(able)
            for t in able:
                cpu = Cpu(system.memory, words, t)
                try:
                    value = at[t].operation.apply(cpu)
                except Exception:
                    continue
                if value is not BLOCKED:
                    break
            else:
                break
            seen += [(t, event) for event in described(system, at[t], value, words, cpu)]
            at[t], words = system.programs[t].after(at[t], value), cpu.after()
            schedule.append(t)
        chosen = [seen[i] for i in sorted(dice.sample(range(len(seen)), min(len(seen), dice.randint(2, 6))))]
        if dice.random() < 0.5:
            dice.shuffle(chosen)
        yield chosen


def described(system, step, value, words, cpu):
    yield Call((step.stack[-1].function,))
    for word, now in cpu.writes.items():
        shown = system.memory.shown[word]
        if not shown.hidden and words[word] != now:
            yield Change(((shown.name, shown.show(words[word]), shown.show(now)),))
    if step.operation.name == "READ_ONCE":
        yield Operation("READ_ONCE", (str(step.operation.address),), str(value))


def script_of(system, chosen):
    lines = [[] for _ in system.programs]
    for row, (t, event) in enumerate(chosen):
        lines[t].append(Line(Said(event, t, row, row, ""), bind(event, system)))
    return StoryScript(system, lines)


@pytest.mark.parametrize(("scenario", "kernel"), SMALL)
def test_reduced_equals_full_on_random_stories(scenario, kernel):
    system = SCENARIOS[scenario].system(KERNELS[kernel], Parameters())
    answers = []
    for chosen in random_stories(system, scenario, kernel, 1, 6):
        script = script_of(system, chosen)
        reduced = guided(Space(system, True, visible=script.visible), script)
        full = guided(Space(system, False), script_of(system, chosen))
        assert reduced.feasible == full.feasible or (reduced.violations and full.feasible), chosen
        answers.append(full.feasible)
        for found in (reduced, full):
            if found.feasible and found.violations == 0:
                assert naive(script, system, found.schedule), chosen
    assert set(answers) == {True, False}


def test_guided_equals_a_naive_matcher_over_all_executions():
    """On a tiny system every execution can be looked at."""
    from tests.tiny import tiny

    system = tiny()
    schedules = list(executions(system))
    assert len(schedules) > 50
    words = ["x", "y"]
    atoms = [(t, Change(((w, a, b),))) for t in (0, 1) for w in words for a, b in (("0", "1"), ("1", "2"), ("2", "0"))]
    atoms += [(t, Operation("READ_ONCE", (w,), v)) for t in (0, 1) for w in words for v in ("0", "1")]
    answers = set()
    for chosen in itertools.chain(
        ((a,) for a in atoms), itertools.permutations(atoms, 2), itertools.islice(itertools.permutations(atoms, 3), 0, None, 29)
    ):
        script = script_of(system, chosen)
        expected = any(naive(script, system, schedule) for schedule in schedules)
        for space in (Space(system, True, visible=script.visible), Space(system, False)):
            assert guided(space, script).feasible == expected, chosen
        answers.add(expected)
    assert answers == {True, False}


def executions(system):
    """Every complete schedule."""
    todo = [([], system.words, [p.first for p in system.programs])]
    while todo:
        schedule, words, at = todo.pop()
        ends = True
        for t, step in enumerate(at):
            if step.operation is None:
                continue
            cpu = Cpu(system.memory, words, t)
            value = step.operation.apply(cpu)
            if value is BLOCKED:
                continue
            ends = False
            after = [system.programs[t].after(step, value) if u == t else s for u, s in enumerate(at)]
            todo.append(([*schedule, t], cpu.after(), after))
        if ends:
            yield schedule


def test_an_answer_is_the_same_un_reduced():
    for kernel in ("v6.8", "v6.9"):
        read = story("Z1-shmem")
        assert fits(read, kernel).feasible == fits(read, kernel, reduce=False).feasible


def test_every_label_is_bound():
    read = story("seed")
    system = SCENARIOS["thread"].system(KERNELS["v6.8"], Parameters())
    lines = bound_lines(read, system, (0, 1, 2))
    assert sum(map(len, lines)) == len(read.said)
