"""Why no symmetry of processes is claimed: whoever scans them in order tells them apart.

Two identical threads, each with a word of its own, and one that looks at the words in order. Canonical states, the words sorted
as if the threads had changed places, lose the only violation there is. swapoff scans the list of address spaces, and the bytes
of swap_map, in this way.
"""

from swapmodel.explore import Found, Space, explore
from tests.random_programs import Source

SCAN = """
def thread0(t, o):
    yield WRITE_ONCE(t.flag, 1)

def thread1(t, o):
    yield WRITE_ONCE(t.turn, 1)

def thread2(t, o):
    y = yield READ_ONCE(t.turn)
    x = yield READ_ONCE(t.flag)
    if y > x:
        yield BUG("seen without the other")
"""


def canonical(space, state):
    """The state in which the first thread has its word set, if only one of the two has."""
    flag, turn = (space.system.memory.shown.index(w) for w in space.system.memory.shown if w.name in ("t.flag", "t.turn"))
    words = space.memories[state >> space.shift]
    if words[flag] >= words[turn]:
        return state
    changed = list(words)
    changed[flag], changed[turn] = words[turn], words[flag]
    places = [state & mask for mask in space.masks]
    bits = space.shift // len(space.threads)
    places[0], places[1] = places[1] >> bits, places[0] << bits  # both programs number their steps alike
    return (space._number(space.memories.pack(tuple(changed)), 0, 0) << space.shift) + sum(places)


def violations(space, make_canonical):
    said, seen, todo = set(), {space.initial}, [space.initial]
    while todo:
        state = todo.pop()
        for t in space.threads:
            try:
                change = space.difference(state, t)
            except Found as found:
                said.add(found.violation.kind)
                continue
            if change:
                new = state + change
                new = canonical(space, new) if make_canonical else new
                if new not in seen:
                    seen.add(new)
                    todo.append(new)
    return said


def test_naive_symmetry_loses_what_a_scan_in_order_finds():
    assert explore(Source(SCAN, 3).build().system)[0].verdict == "violated"
    assert violations(Space(Source(SCAN, 3).build().system, reduce=False), False) == {"kernel BUG"}
    assert violations(Space(Source(SCAN, 3).build().system, reduce=False), True) == set()
