"""What people see: columns that fit a commit message, the failure in a sentence, escaped HTML."""

import re

import pytest

from swapmodel import check
from swapmodel.views import WIDTH, columns, failure, report


@pytest.fixture(scope="module")
def race():
    return check("shmem-truncate", "v6.8")


@pytest.fixture(scope="module")
def thread():
    return check("thread", "v6.8")


def test_two_columns_fit_a_commit_message(race):
    assert max(map(len, columns(race.recorder).split("\n"))) <= 72
    assert max(map(len, columns(race.recorder, every_step=True).split("\n"))) <= 72


def test_three_columns_keep_their_width(thread):
    lines = columns(thread.recorder).split("\n")
    assert max(map(len, lines)) <= 3 * WIDTH
    assert lines[0].split("CPU") == ["", "0 (process 1)" + " " * 20, "1 (process 2)" + " " * 20, "2 (swapoff)"]


def test_columns_name_calls_changes_and_the_failure(race):
    text = columns(race.recorder)
    assert re.search(r"free_swap_and_cache\(\)\n +__swap_entry_free\(\)\n +__swap_entry_free_locked\(\)\n", text)
    assert "swap_map[1] 0xff -> 0x40" in text
    assert "si.swap_map swap_map -> NULL" in text
    assert text.index("si.swap_map swap_map -> NULL") < text.index("*** NULL dereference")


def test_parts_of_functions_and_the_machine_are_not_shown(race):
    text = columns(race.recorder, every_step=True)
    assert "swapoff_unpublish" not in text
    assert "syscall_full" not in text


def test_every_step_shows_all_of_them(race):
    short, long = columns(race.recorder), columns(race.recorder, every_step=True)
    assert "READ_ONCE(si.max) = 2" in long
    assert "READ_ONCE(si.max)" not in short


def test_the_failure_in_one_sentence(race):
    said = failure(race.recorder)
    step = int(re.search(r"step (\d+)$", said).group(1))
    assert re.match(
        r"truncate, in \w+\(\), dereferences si.swap_map, which it read as NULL: swapoff stored NULL there in", said
    )
    assert race.recorder.steps[step - 1].operation.name == "write"
    assert str(race.recorder.steps[step - 1].operation.address) == "si.swap_map"


def test_use_after_free_names_who_freed_it_where():
    verdict = check("shmem-truncate", "v6.8", fix={"swap_page_trans_huge_swapped": swap_page_trans_huge_swapped})
    assert verdict.outcome.violation.kind == "use after free"
    assert re.search(r"touches swap_map\[1\]: swapoff freed it in swapoff\(\), step \d+$", failure(verdict.recorder))


def swap_page_trans_huge_swapped(si, entry):
    """The map pointer is read before anything else, and the byte without a lock."""
    map = yield READ_ONCE(si.swap_map)  # noqa: F821
    if not map:
        return True
    byte = yield READ_ONCE(map[swp_offset(entry)])  # noqa: F821
    return bool(swap_count(byte))  # noqa: F821


def test_where_it_holds_the_nearest_miss_is_shown(thread):
    text = report(thread)
    assert "The nearest miss" in text
    assert re.search(
        r"Swapoff waits in synchronize_rcu\(\) for process 1, which holds the\s+spinlock mm1.page_table_lock", text
    )
    assert "swap_map[2] 0x41 -> 0x40" in text
    assert "si.swap_map swap_map -> NULL" not in text


def test_the_pinned_device_stops_swapoff():
    verdict = check("shmem-truncate", "v6.9")
    assert verdict.stopped_at == "swapoff waits in wait_for_completion() for the 1 reference(s) to si.users that are still held"


def test_locks_alone_are_said_to_suffice():
    assert "locks alone keep the threads apart" in check("munmap-write-locked", "v6.8").stopped_at


def test_no_preemption_is_said_to_stop_it():
    assert "has not passed a schedule point" in check("shmem-truncate", "v6.8", preempt="none").stopped_at


def test_the_trace_replays_to_the_same_violation(race):
    """Each step of the schedule can be taken, and the last one fails."""
    assert len(race.recorder.steps) == len(race.outcome.schedule)
    assert [s.fault for s in race.recorder.steps] == [False] * (len(race.outcome.schedule) - 1) + [True]


def test_shortest_switches_has_no_more_switches_and_no_fewer_steps(race):
    other = check("shmem-truncate", "v6.8", shortest="switches")

    def switches(verdict):
        return sum(a != b for a, b in zip(verdict.outcome.schedule, verdict.outcome.schedule[1:], strict=False))

    assert switches(other) <= switches(race)
    assert len(other.outcome.schedule) >= len(race.outcome.schedule)


def test_coverage_finds_what_never_ran():
    functions = check("shmem-truncate", "v6.9").reached["functions"]
    lock_cluster = functions["lock_cluster_or_swap_info"]
    assert lock_cluster["never_reached"], "an SSD never takes si->lock for a byte, and coverage must say so"
    hdd = check("shmem-truncate", "v6.9", device="hdd").reached["functions"]["lock_cluster_or_swap_info"]
    assert hdd["never_reached"] == []
    assert lock_cluster["never_taken"]
