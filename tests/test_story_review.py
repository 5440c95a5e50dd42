"""What a reviewer found: stories that were read as their opposite, or answered although a name in them means nothing."""

import itertools
from pathlib import Path

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters
from swapmodel.__main__ import main
from swapmodel.explore import Budget, Space, explore
from swapmodel.explore.guided import guided
from swapmodel.machine import Violation
from swapmodel.story import NotUnderstood, fits, read_story
from swapmodel.story import cast as casting
from swapmodel.story.bound import bind
from swapmodel.story.cast import by_name
from swapmodel.story.events import Call, Compare, Fault, Operation, Said, Wait
from swapmodel.story.grammar import events
from swapmodel.story.naming import Unknown
from swapmodel.story.script import Line, StoryScript
from swapmodel.story.words import KINDS

LEAK = """def __try_to_reclaim_swap(si, offset, flags):
    type = yield READ_ONCE(si.type)
    entry = swp_entry(type, offset)
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, offset)
    if not folio:
        return False
    freed = False
    locked = yield folio_trylock(folio)
    if locked:
        freed = yield from folio_free_swap(folio)
        yield folio_unlock(folio)
    return freed
"""  # the reference that filemap_get_folio() takes is never put
TWO = "CPU0 (process)              CPU1 (swapoff)\n"


def one_process():
    return SCENARIOS["one-process"].system(KERNELS["v6.8"], Parameters())


def told(text, scenario="one-process", kernel="v6.8"):
    """The message of a story that is not understood."""
    with pytest.raises(NotUnderstood) as error:
        fits(read_story(text, "s"), kernel, scenario)
    return str(error.value)


# ---- negations ---------------------------------------------------------------------------------------------------------

NEGATIONS = [
    "never waits for the si->lock",
    "no longer waits for the si->lock",
    "hardly ever waits",
    "not waits in synchronize_rcu()",
    "swapoff never waits for si->lock",
    "waits for si->lock no longer",
    "does not wait for si->lock",
    "doesn't take the PTL",
    "never takes the lock",
    "does not call free_swap_and_cache()",
    "without free_swap_and_cache()",
    "the folio is not freed",
    "no folio is freed",
    "never quits",
    "it can't go on without si->lock",
    "calls do_exit(), but not free_swap_and_cache()",
    "*** no use after free",
]


@pytest.mark.parametrize("text", NEGATIONS)
def test_what_is_denied_is_neither_an_event_nor_a_remark(text):
    assert events(text) is None
    with pytest.raises(NotUnderstood, match=r"s:2: .*; "):
        read_story(f"Process 1: do_exit()\n{text}\n", "s")


@pytest.mark.parametrize("text", ["# it never waits for si->lock", "[it does not take the PTL]", "Why does swapoff not wait?"])
def test_marked_remarks_and_questions_may_deny(text):
    assert events(text) == []


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("waits", ""),
        ("Now waits", ""),
        ("then it waits for si->lock", ""),
        ("swapoff waits", "swapoff"),
        ("CPU1 waits", "CPU1"),
    ],
)
def test_what_may_stand_in_front_of_waits(text, who):
    [found] = events(text)
    assert isinstance(found, Wait) and found.who == who


@pytest.mark.parametrize("text", ["folio1 waits for si->lock", "reader waits", "almost waits"])
def test_nothing_else_may(text):
    assert events(text) is None


def test_the_name_in_front_of_waits_is_the_thread_of_the_column():
    assert "names another thread" in told(TWO + "swapoff waits for si->lock\n")
    assert "names another thread" in told("CPU0        CPU1\nCPU1 waits for si->lock\n            swapoff()\n")
    own = TWO + "process waits for si->lock\n                            swapoff()\n"
    assert fits(read_story(own), "v6.8", "one-process").feasible


# ---- cells beyond the last column --------------------------------------------------------------------------------------


def test_a_cell_beyond_the_last_column_is_told():
    text = "CPU0 | CPU1\n-----|-----\ndo_exit() | swapoff() | *** use after free\n"
    assert "s:3: '*** use after free' stands beyond the last of the 2 columns" in told(text)


def test_borders_begin_no_cell():
    for indent in ("", "  "):
        rows = ["| CPU0 | CPU1 |", "| do_exit() | |", "| | swapoff() |"]
        read = read_story("\n".join(indent + row for row in rows))
        assert [(read.labels[s.label], s.event.functions[0]) for s in read.said] == [("CPU0", "do_exit"), ("CPU1", "swapoff")]
    read = read_story("CPU0 | CPU1\ndo_exit() |\n| swapoff()\n")  # no border: the first cell is empty
    assert [read.labels[s.label] for s in read.said] == ["CPU0", "CPU1"]


# ---- names that mean nothing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("spin_lock(&foo_lock)", "no word or object here is named &foo_lock"),
        ("spin_lock(&si->lokc)", "did you mean si.lock?"),
        ("takes si->lokc_lock", "no word or object here is named si->lokc_lock"),
        ("waits for the foo_lock", "no word here is named foo_lock"),
        ("waits for si->lokc", "did you mean si.lock?"),
        ("waits for si->max", "si->max is no lock"),
        ("waits in synchronise_rcu()", "did you mean in synchronize_rcu()?"),
        ("waits in synchronize_rcu() for proces 1", "no thread here is named proces 1; did you mean process?"),
        ("waits for si.lock, held by swapof", "did you mean swapoff?"),
        ("*** use after fee", "no violation is a use after fee; did you mean use after free?"),
        ("*** N", "no violation is a N"),
        ("*** NULL dereference: READ_ONC(si.max)", "did you mean READ_ONCE?"),
        ("count == SWAP_HAS_CACHEE", "did you mean SWAP_HAS_CACHE?"),
        ("si->flags == SWP_WRITEOKK", "did you mean SWP_WRITEOK?"),
        ("si->flags USED|WRITEOKK -> USED", "did you mean WRITEOK?"),
        ("si->swap_map = NUL", "did you mean NULL?"),
        ("WRITE_ONCE(si->flags, SWP_WRITEOKK)", "did you mean SWP_WRITEOK?"),
        ("READ_ONCE(si->flags) = WRITEOKK", "did you mean WRITEOK?"),
        ("folio_trylock(nofolio)", "did you mean folio?"),
        ("folio_trylock(folio9)", "no word or object here is named folio9"),
    ],
)
def test_a_name_that_the_system_lacks_is_not_understood(line, hint):
    message = told(f"{TWO}do_exit()\n{line}\n")
    assert message.startswith("s:3: ") and hint in message


@pytest.mark.parametrize(
    "line",
    [
        "spin_lock(&si->lock)",
        "spin_lock(ptl)",
        "takes the PTL",
        "folio_trylock(folio)",
        "folio_trylock(folio1)",
        "folio_lock(page)",
        "WRITE_ONCE(si->inuse_pages, si->inuse_pages - nr_entries)",
        "WRITE_ONCE(si->swap_map[i], usage)",
        "si->flags USED|WRITEOK -> USED",
        "si->flags == SWP_USED|SWP_WRITEOK",
        "count == SWAP_HAS_CACHE",
        "swap_active_head si (prio 0) -> empty",
        "waits for mm1.page_table_lock, held by swapoff",
        "waits for the PTL",
        "waits in synchronize_rcu() for process, which holds the spinlock mm1.page_table_lock",
        "waits in wait_for_completion() for the 1 reference(s) to si.users that are still held",
        "*** null dereference: READ_ONCE(NULL[1])",
        "*** use after free: READ_ONCE(swap_map[1])",
    ],
)
def test_known_names_are_bound(line):
    [found] = events(line)
    if line == "folio_trylock(folio1)":
        with pytest.raises(Unknown):
            bind(found, one_process())
        assert bind(found, SCENARIOS["fault"].system(KERNELS["v6.8"], Parameters(device="ssd", preempt="full")))
    else:
        assert bind(found, one_process())


def test_every_kind_of_violation_is_known():
    import re

    source = "".join(p.read_text() for p in Path("swapmodel").rglob("*.py") if "conform" not in p.parts)
    raised = set(re.findall(r'Violation\(\s*"([^"]+)"', source)) | set(re.findall(r'fault_address\([^)]*, "([^"]+)"\)', source))
    assert raised and raised <= KINDS


# ---- what an operation returned ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "feasible"),
    [
        (" fails", True),
        (" = 0", True),
        (" = false", True),
        (" = 1", True),
        (" = true", True),
        (" = True", True),
        (" = 7", False),
    ],
)
def test_the_result_of_an_operation_is_a_number_or_a_word(result, feasible):
    text = f"{TWO}do_exit()\nfolio_trylock(folio){result}\n                            swapoff()\n"
    assert fits(read_story(text), "v6.8", "one-process").feasible is feasible


# ---- labels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["CPU0 (kswapd)", "truncate", "swapon", "CPU0 (process 9)", "Process 7"])
def test_a_label_that_names_no_thread_is_told(label):
    message = told(f"{label}: do_exit()\nswapoff: swapoff()\n", "thread")
    assert message == f"s:1: thread has no thread {label}; the threads of thread are process 1, process 2, swapoff"


def test_labels_that_name_threads():
    threads = ("process 1", "process 2", "swapoff")
    assert by_name("CPU0", threads) is None and by_name("T1", threads) is None
    assert by_name("Process 2", threads) == [1] and by_name("CPU7 (process 1)", threads) == [0]
    assert by_name("process", threads) == [0, 1] and by_name("CPU0 (kswapd)", threads) == []
    assert by_name("Process 4", ("process", "swapoff")) == [0] and by_name("Process 4", ("truncate", "swapoff")) is None


def test_scenarios_without_the_thread_do_not_fit():
    read = read_story("CPU0 (kswapd)   CPU1 (swapoff)\n                swapoff()\nadd_to_swap()\n")
    assert fits(read, "v6.8").scenario.name == "reclaim"


def test_a_label_is_one_in_any_spelling():
    read = read_story("CPU0 (process): do_exit()\nswapoff: swapoff()\ncpu0: quits\nCPU 0: quits\n")
    assert read.labels == ("CPU0 (process)", "swapoff")
    again = "CPU0      CPU1\ndo_exit()\ncpu 0     cpu 1\n          swapoff()\n"
    assert read_story(again).labels == ("CPU0", "CPU1")


# ---- violations that are found at the end ------------------------------------------------------------------------------


def at_the_end(reduce):
    """A tiny system with an oracle that is asked at the end only, and the search for the story that it speaks up."""
    from tests.tiny import tiny

    system = tiny()
    system.at_end = (lambda words: Violation("reference count", "nobody has it"),)
    found = []
    for t in (0, 1):
        lines = [[], []]
        lines[t].append(Line(Said(Fault("reference count"), t, 1, 1, ""), bind(Fault("reference count"), system)))
        script = StoryScript(system, lines)
        found.append(guided(Space(system, reduce, visible=script.visible), script))
    return found


def test_a_violation_that_is_found_at_the_end_is_an_event():
    assert all(search.feasible for search in at_the_end(False))
    assert all(search.feasible or search.violations for search in at_the_end(True))  # then it is searched un-reduced


def test_the_report_of_a_violation_at_the_end_reads_back(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("leak.py").write_text(LEAK)
    assert main(["check", "madvise", "--fix", "leak.py"]) == 1
    report = capsys.readouterr().out
    assert "VIOLATED: reference count" in report and "*** reference count" in report
    Path("s.txt").write_text(report)
    assert main(["story", "s.txt"]) == 2 and "name it with --fix" in capsys.readouterr().err
    assert main(["story", "s.txt", "--fix", "leak.py"]) == 0
    Path("s.txt").write_text(report.replace("*** reference count", "*** NULL dereference"))
    assert main(["story", "s.txt", "--fix", "leak.py"]) == 1


# ---- our own output ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["shmem-truncate"], ["shmem-truncate", "--every-step"], ["one-process"], ["shmem-truncate", "--kernel", "v6.9"]],
)
def test_the_output_of_the_command_reads_back(arguments, tmp_path, capsys):
    main(["check", *arguments])
    report = capsys.readouterr().out
    for text in (report, f"{report}\n0.31 s of CPU for the search\n"):  # as it was printed once
        (tmp_path / "s.txt").write_text(text)
        assert main(["story", str(tmp_path / "s.txt")]) == 0
        out = capsys.readouterr().out
        (tmp_path / "again.txt").write_text(out)
        assert main(["story", str(tmp_path / "again.txt"), "--scenario", arguments[0], *arguments[1:][-2:]]) == 0
        capsys.readouterr()


# ---- text with meaning is no prose -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("takes the PTL", Operation("takes", ("PTL",))),
        ("It takes the PTL.", Operation("takes", ("PTL",))),
        ("drops the PTL", Operation("drops", ("PTL",))),
        ("releases si->lock", Operation("drops", ("si->lock",))),
        ("count is 0", Compare("count", "==", "0")),
        ("si->inuse_pages is 0", Compare("si->inuse_pages", "==", "0")),
    ],
)
def test_plain_words_for_locks_and_values(text, event):
    assert events(text) == [event]


@pytest.mark.parametrize(
    "text", ["takes the lock", "count gets smaller", "the PTL is held", "unlocks it", "takes the cluster lock"]
)
def test_words_for_locks_and_counts_are_no_prose(text):
    assert events(text) is None


def test_locks_in_plain_words_happen():
    text = TWO + "do_exit()\ntakes the PTL\ncount is 0x40\n                            swapoff()\ndrops the PTL\n"
    assert fits(read_story(text), "v6.8", "one-process").feasible
    swapped = TWO + "do_exit()\ndrops the PTL\ntakes the PTL\ncount is 0x40\ncount is 0x41\n"
    assert fits(read_story(swapped), "v6.8", "one-process").feasible is False


@pytest.mark.parametrize(
    "line", ["swap_map[1] 0x55 -> 0x66", "shmem_undo_range()", "count == SWAP_HAS_CACHE", "waits for si->lock"]
)
def test_an_event_before_the_story_is_told(line):
    for story in ("Process 1: do_exit()\n", TWO + "do_exit()\n"):
        assert "s:1: " in told(f"{line}\n\n{story}") and "on which thread" in told(f"{line}\n\n{story}")


@pytest.mark.parametrize("line", ["It calls shmem_undo_range() now.", "Here si->swap_map is NULL for swapoff to see, always."])
def test_a_paragraph_around_the_table_with_kernel_words_is_told(line):
    assert "on which thread" in told(f"{TWO}do_exit()\n\n{line}\n\n                            swapoff()\n")
    assert read_story(f"{TWO}do_exit()\n\n# {line}\n\n                            swapoff()\n").remarks


def test_the_prose_of_a_commit_log_stays_a_remark():
    prose = "This could cause swap_page_trans_huge_swapped() (called by\nfree_swap_and_cache()) to access si->swap_map, from\n"
    read = read_story(f'{prose}free_swap_and_cache().\n\nProcess 1: do_exit()\n\nFixes: 7c00bafee87c ("x")\nCc: <a@b.org>\n')
    assert [s.event for s in read.said] == [Call(("do_exit",))]
    assert next((r.first, r.last, r.why) for r in read.remarks) == (1, 3, "before the story")


# ---- labels that may be many threads -----------------------------------------------------------------------------------


def test_ways_that_are_not_tried_leave_the_answer_open(monkeypatch):
    text = "CPU0: swap_map[1] 0x41 -> 0x00\nCPU1: swap_map[1] 0x41 -> 0x02\n"
    assert fits(read_story(text), "v6.8", "one-process").feasible is False
    monkeypatch.setattr(casting, "MAPPINGS", 1)
    fit = fits(read_story(text), "v6.8", "one-process")
    assert fit.feasible is None and "name the threads" in fit.why


def test_every_way_to_give_threads_to_labels():
    ways = list(casting._one_each([[0, 1, 2], [0, 2], [1]]))
    assert ways == [m for m in itertools.product([0, 1, 2], [0, 2], [1]) if len(set(m)) == 3]


def test_tiny_explores():
    from tests.tiny import tiny

    assert explore(tiny())[0].verdict == "holds"


def test_values_as_our_views_show_them_are_known():
    system = SCENARIOS["one-process"].system(KERNELS["v6.8"], Parameters())
    for text in ("si->lock free -> held", "mm1.pte[0] none -> maps folio page 1, writable, dirty", "si.flags 0 -> SCANNING*1"):
        [found] = events(text)
        assert bind(found, system)


ASKED = """Process 1 quits. Calls free_swap_and_cache().
-> count == SWAP_HAS_CACHE

Process 2 quits. Calls free_swap_and_cache().
-> count == SWAP_HAS_CACHE
-> si->inuse_pages 2 -> 0

Can swapoff complete before process1 gets to swap_page_trans_huge_swapped()?
"""


# was: feasible on v6.8, because the question that the story is about was a remark
@pytest.mark.parametrize(("kernel", "feasible"), [("as-argued", True), ("v6.8", False)])
def test_the_question_at_the_end_of_a_story_is_part_of_it(kernel, feasible):
    fit = fits(read_story(ASKED, "asked.txt"), kernel, "thread")
    assert fit.feasible is feasible
    blamed = "swapoff waits in synchronize_rcu() for process 1, which holds the spinlock mm1.page_table_lock"
    assert feasible or fit.why == blamed


# was: INFEASIBLE, with the lines of swapoff put under process
def test_a_head_with_a_slip_is_no_prose():
    text = "Process 1: free_swap_and_cache()\nSwap off:\n-> si->swap_map = NULL\n"
    with pytest.raises(NotUnderstood, match=r"slip.txt:2: no thread is called 'Swap off'; did you mean swapoff\?"):
        read_story(text, "slip.txt")


# was: feasible on v6.9, because what decides it stands in a comment
def test_what_a_comment_stores_is_an_event():
    text = "CPU0                       CPU1\nfree_swap_and_cache()\n                           swapoff()\n"
    text += "                           /* si->swap_map = NULL */\nswap_page_trans_huge_swapped()\n"
    assert fits(read_story(text, "comment.txt"), "v6.8", "shmem-truncate").feasible is True
    assert fits(read_story(text, "comment.txt"), "v6.9", "shmem-truncate").feasible is False


# was: explored 21,489 states, and told of a budget of 5
def test_the_budget_is_for_all_searches():
    fit = fits(read_story(ASKED, "asked.txt"), "as-argued", "thread", budget=Budget(max_states=5))
    assert fit.states < 5_000


# was: set_pte_at() -> swap_pte_batch(), pte_same() -> pte_unmap()
@pytest.mark.parametrize("name", ["set_pte_at", "pte_same"])
def test_no_suggestion_is_better_than_a_wrong_one(name):
    with pytest.raises(NotUnderstood) as told:
        read_story(f"Process 1: {name}()\n", "s.txt")
    assert "did you mean" not in str(told.value)
