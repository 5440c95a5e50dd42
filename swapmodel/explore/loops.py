"""The loops of the compiled search, over arrays of integers: what compiled.py asks for, in machine code (Numba).

Tables are open addressing with linear probing; their length is a power of two, and who adds to them has made room before. A
state is one integer: the number of its memory on top and, below it, in a field for each thread, at which of its places it is.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import numpy as np
from numba import njit

UNKNOWN, BLOCKED = -2, -1  # what is known of a move; else the memory and the place after it
PLACE_BITS = 16  # of a pair's value: the place; the memory is above it
EMPTY = 0  # of a table: nothing here
TOGETHER = 256  # states whose lines of a table are fetched in one go
GOOD, UNCLEAR = 1, 2  # can every thread still return from here?
HALF, ODD, SIGN = np.uint64(32), np.uint64(0xD6E8FEB86659FD93), np.uint64(1)


def machine_code(function, **options):
    """Kept on disk for the next process, if there is a directory for it that can be written to."""
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # there is none
        return njit(**options)(function)


def inlined(function):
    return machine_code(function, inline="always")


@inlined
def mixed(x):
    """The bits of an integer, spread; not negative. Without signs, as only there a product may be too large."""
    u = np.uint64(x)
    u = (u ^ (u >> HALF)) * ODD
    u = (u ^ (u >> HALF)) * ODD
    return np.int64((u ^ (u >> HALF)) >> SIGN)


@inlined
def slot(keys, key):
    """Where the key stands in a table, or where it belongs. Keys are stored plus one."""
    last = len(keys) - 1
    at = mixed(key) & last
    while keys[at] != EMPTY and keys[at] != key + 1:
        at = (at + 1) & last
    return at


@machine_code
def rehash(old, new):
    for key in old:
        if key != EMPTY:
            new[slot(new, key - 1)] = key


@machine_code
def rehash_pairs(old, values, new, new_values):
    for i in range(len(old)):
        if old[i] != EMPTY:
            at = slot(new, old[i] - 1)
            new[at], new_values[at] = old[i], values[i]


@inlined
def pair(memory, t, place):
    """The key of a thread's move in a memory."""
    return (memory << 20) | (t << PLACE_BITS) | place


@inlined
def of_block(block, value):
    """What a block's value adds to the hash of a memory, by exclusive or."""
    return mixed((block << 32) | value)


@machine_code
def row_hash(row):
    h = 0
    for block in range(len(row)):
        h ^= of_block(block, np.int64(row[block]))
    return h


@machine_code
def same(row, other):
    for i in range(len(row)):
        if row[i] != other[i]:
            return False
    return True


@machine_code
def find_row(h, row, rows, hashes, table):
    """Where the memory's number stands, plus one, or where it belongs."""
    last = len(table) - 1
    at = h & last
    while table[at] != EMPTY and not (hashes[table[at] - 1] == h and same(rows[table[at] - 1], row)):
        at = (at + 1) & last
    return at


@machine_code
def rehash_rows(hashes, count, table):
    last = len(table) - 1
    for number in range(count):
        at = hashes[number] & last
        while table[at] != EMPTY:
            at = (at + 1) & last
        table[at] = number + 1


@machine_code
def case_hash(kind, version, values):
    """Of a case that is for these values of its blocks."""
    h = mixed(kind) ^ version
    for value in values:
        h = mixed(h ^ value) + 1
    return mixed(h)


@machine_code
def matches(cases, at, kind, version, row, blocks):
    if cases[at] != kind or cases[at + 1] != version:
        return False
    key = at + 4 + 2 * cases[at + 2]
    for i in range(len(blocks)):
        if cases[key + i] != row[blocks[i]]:
            return False
    return True


@machine_code
def find_case(kind, version, row, blocks, cases, table):
    """Where the case that this memory falls under stands in `cases`, plus one, or where it belongs."""
    last = len(table) - 1
    at = case_hash(kind, version, row[blocks]) & last
    while table[at] != EMPTY and not matches(cases, table[at] - 1, kind, version, row, blocks):
        at = (at + 1) & last
    return at


@machine_code
def rehash_cases(old, cases, versions, starts, ends, new):
    """Enters the cases that are still of use again."""
    last = len(new) - 1
    for begin in old:
        if begin == EMPTY:
            continue
        at = begin - 1
        kind, version = cases[at], cases[at + 1]
        if version != versions[kind]:
            continue
        key = at + 4 + 2 * cases[at + 2]
        there = case_hash(kind, version, cases[key : key + ends[kind] - starts[kind]]) & last
        while new[there] != EMPTY:
            there = (there + 1) & last
        new[there] = begin


@machine_code
def resolve(pairs, versions, starts, ends, blocks, cases, case_table, rows, hashes, count, row_table, keys, values, slow):
    """Enters what each of these pairs' moves leads to, where a case is known; new memories are added to `rows`. Fills `slow`
    with the other pairs. Returns (number of memories, number of slow pairs).

    A case is, one after the other in `cases`: the thread and place, the version of its blocks, how many of them change, the
    place after it (-1: blocked), the (block, value) that change, and the values of its blocks that it is for."""
    missing = 0
    row = np.empty(rows.shape[1], rows.dtype)
    for key in pairs:
        memory, kind = key >> 20, key & 0xFFFFF
        mine, at = blocks[starts[kind] : ends[kind]], -1
        if versions[kind]:
            at = case_table[find_case(kind, versions[kind], rows[memory], mine, cases, case_table)] - 1
        if at < 0:
            slow[missing] = key
            missing += 1
            continue
        number = memory
        if cases[at + 2]:
            row[:] = rows[memory]
            h = hashes[memory]
            for i in range(cases[at + 2]):
                block, value = cases[at + 4 + 2 * i], cases[at + 5 + 2 * i]
                h ^= of_block(block, np.int64(row[block])) ^ of_block(block, value)
                row[block] = value
            there = find_row(h, row, rows, hashes, row_table)
            if row_table[there] == EMPTY:
                rows[count], hashes[count] = row, h
                count += 1
                row_table[there] = count
            number = row_table[there] - 1
        place = cases[at + 3]
        stays = place < 0 or (number == memory and place == kind & 0xFFFF)
        values[slot(keys, key)] = BLOCKED if stays else (number << PLACE_BITS) | place
    return count, missing


@inlined
def moved(state, t, value, shifts, masks, top):
    """The state after a move of which `value` is known."""
    after = state & ((1 << top) - 1) & ~(masks[t] << shifts[t])
    return after | ((value >> PLACE_BITS) << top) | ((value & 0xFFFF) << shifts[t])


@machine_code
def moves(states, shifts, masks, top, keys, values, after, stuck, unknown, later):
    """Fills `after` with the states that every move from these leads to, `stuck` with those from which nobody moves, `later`
    with those of which a move is not known yet, and `unknown` with these moves, each once, as pairs. Returns how many there are
    of each."""
    edges = ends = pairs = put_off = 0
    found = np.empty(len(shifts), np.int64)
    for state in states:
        known = True
        for t in range(len(shifts)):
            key = pair(state >> top, t, (state >> shifts[t]) & masks[t])
            at = slot(keys, key)
            if keys[at] == EMPTY:
                keys[at], values[at] = key + 1, UNKNOWN
                unknown[pairs] = key
                pairs += 1
            found[t] = values[at]
            known &= found[t] != UNKNOWN
        if not known:
            later[put_off] = state
            put_off += 1
            continue
        before = edges
        for t in range(len(shifts)):
            if found[t] >= 0:
                after[edges] = moved(state, t, found[t], shifts, masks, top)
                edges += 1
        if edges == before:
            stuck[ends] = state
            ends += 1
    return edges, ends, pairs, put_off


@machine_code
def add(states, seen):
    """Enters these states as seen; those that are new come to the front. Returns how many they are. The table is larger than
    any cache: its lines are fetched for a few states together, as one alone would be waited for."""
    last, found, sink = len(seen) - 1, 0, 0
    for begin in range(0, len(states), TOGETHER):
        some = states[begin : begin + TOGETHER]
        for state in some:
            sink ^= seen[mixed(state) & last]
        for state in some:
            at = slot(seen, state)
            if seen[at] == EMPTY:
                seen[at] = state + 1
                states[found] = state
                found += 1
    return found, sink


@machine_code
def follow(states, shifts, masks, top, keys, values, seen, marks, path):
    """From each state, lets the first thread that can move go on until nobody can, and marks what it comes by: GOOD if it
    comes to an end or to what is good, else UNCLEAR. Returns how many are unclear."""
    unclear = 0
    for state in states:
        at, length = slot(seen, state), 0
        while not marks[at] and length < len(path):
            marks[at], path[length] = UNCLEAR, at
            length += 1
            value = BLOCKED
            for t in range(len(shifts)):
                value = values[slot(keys, pair(state >> top, t, (state >> shifts[t]) & masks[t]))]
                if value >= 0:
                    state = moved(state, t, value, shifts, masks, top)
                    at = slot(seen, state)
                    break
            if value < 0:
                marks[at] = GOOD
        if marks[at] == GOOD:
            for i in range(length):
                marks[path[i]] = GOOD
        else:
            unclear += length
    return unclear


@machine_code
def settle(states, shifts, masks, top, keys, values, seen, marks):
    """Marks as good the states from which a move leads to a good one. Those that are still unclear come to the front of
    `states`. Returns how many they are."""
    left = 0
    for state in states:
        mine = slot(seen, state)
        for t in range(len(shifts)):
            value = values[slot(keys, pair(state >> top, t, (state >> shifts[t]) & masks[t]))]
            if value >= 0 and marks[slot(seen, moved(state, t, value, shifts, masks, top))] == GOOD:
                marks[mine] = GOOD
        if marks[mine] != GOOD:
            states[left] = state
            left += 1
    return left
