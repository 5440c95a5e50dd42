"""What a reviewer found in the session, conform and the new scenarios. Each test failed when it was written."""

import gzip
from pathlib import Path

import pytest

from swapmodel.conform import conform
from swapmodel.machine import BUG, READ_ONCE, Violation
from swapmodel.names import BadUse
from swapmodel.program import KernelError
from swapmodel.session import Device, Machine

TRACES = Path(__file__).parent / "traces"


def filled(machine, pages=4, keep=False):
    process = machine.spawn()
    for page in range(pages):
        machine.write(process, page, page)
        machine.swap_out(process, page, keep=keep)
    return process


# FAILS at f742fb7: Sequential.run() puts the words back for Exception only; ^C in a notebook leaves half an operation
def test_an_interrupted_operation_leaves_the_machine_as_it_was():
    machine = Machine(slots=64)
    process = filled(machine)
    steps, real = 0, machine.space.swap_free

    def interrupted(*arguments):
        nonlocal steps
        generator = real(*arguments)
        value = None
        while True:
            steps += 1
            if steps == 20:
                raise KeyboardInterrupt
            try:
                value = yield generator.send(value)
            except StopIteration as stop:
                return stop.value

    before = list(machine.sequential.words)
    with pytest.raises(KeyboardInterrupt):
        machine.sequential.run(interrupted(machine.value(process.mm.pte[0]).entry))
    assert machine.sequential.words == before


# was: FaultAddress.word is -1, so words[-1] is overwritten before cpu is looked at
def test_swapoff_of_a_cpu_that_is_not_there_changes_nothing():
    machine = Machine(slots=64)
    before = list(machine.sequential.words)
    with pytest.raises(ValueError, match=r"CPUs 0 to 0, not -1"):
        machine.swapoff(0, cpu=-1)
    assert machine.sequential.words == before


# was: operations of several kernel functions put back only the last of them
@pytest.mark.parametrize("name", ["end_swap_bio_write", "__delete_from_swap_cache"])
def test_every_part_of_an_operation_is_put_back(name):
    def one(folio):
        yield BUG("on purpose")

    def four(folio, mapping, entry, shadow=None):
        yield BUG("on purpose")

    machine = Machine(slots=64, fix={name: one if name == "end_swap_bio_write" else four})
    process = machine.spawn()
    machine.write(process, 0, 1)
    before = list(machine.sequential.words)
    with pytest.raises(Violation, match="on purpose"):
        machine.swap_out(process, 0)
    assert machine.sequential.words == before


# was: the pointers of another machine are word numbers here; with other sizes they hit other words, without a message
def test_a_process_of_another_machine_is_refused():
    machine, other = Machine(slots=64), Machine(slots=64, pages=16)
    machine.spawn()
    stranger = other.spawn()
    before = list(machine.sequential.words)
    with pytest.raises(ValueError, match="of this machine"):
        machine.write(stranger, 9, "X")
    assert machine.sequential.words == before


# was: AttributeError from inside
@pytest.mark.parametrize(
    "call",
    [
        lambda m, p, f: m.fork(f),
        lambda m, p, f: m.exit(f),
        lambda m, p, f: m.madvise(f, "free"),
        lambda m, p, f: m.munmap(f),
        lambda m, p, f: m.punch(p, 0, 1),
        lambda m, p, f: m.truncate(p),
        lambda m, p, f: m.truncate(None),
        lambda m, p, f: m.touch(p, 0, cpu="x"),
        lambda m, p, f: m.touch(p, 0, cpu=0.0),
        lambda m, p, f: m.huge(p, "x"),
        lambda m, p, f: m.call("nope"),
        lambda m, p, f: m.call("PAGE_SIZE"),
    ],
)
def test_one_clear_sentence(call):
    machine = Machine(slots=64)
    with pytest.raises(ValueError):
        call(machine, machine.spawn(), machine.files[0])


# was: a list is kept by reference: who changes it changes the page, its copy on the disk, and every child's
def test_a_page_does_not_change_behind_the_machine():
    machine, value = Machine(slots=64), [1]
    process = machine.spawn()
    try:
        machine.write(process, 0, value)
    except ValueError:
        return
    machine.swap_out(process, 0)
    value.append(2)
    assert machine.read(process, 0) == [1]


# was: 1,000,040 columns
def test_a_long_value_is_shown_short():
    machine = Machine(slots=64)
    process = machine.spawn()
    told = [machine.write(process, 0, "x" * 10**4), machine.swap_out(process, 0)]
    assert max(len(line) for effect in told for line in str(effect).split("\n")) <= 100


# was: NameError: name '_FAULTS' is not defined (fault_address() is rebuilt over the kernel's names)
def test_an_index_outside_the_xarray_is_a_violation():
    def swap_free(entry):
        mapping = yield from swap_address_space(entry)  # noqa: F821
        yield READ_ONCE(xa_slot(mapping, 100000))  # noqa: F821

    machine = Machine(slots=64, fix={"swap_free": swap_free})
    process = filled(machine, 1)
    with pytest.raises(Violation, match=r"out-of-bounds|touched"):
        machine.read(process, 0)


# was: a mistake that is not in the list of Sequential._run() comes with a traceback from inside and without a place
def divides(entry):
    yield READ_ONCE(nr_swap_pages)  # noqa: F821
    1 / 0  # noqa: B018


def stops(entry):
    yield READ_ONCE(nr_swap_pages)  # noqa: F821
    raise StopIteration(3)


def recurses(entry):
    yield from swap_free(entry)  # noqa: F821


@pytest.mark.parametrize("fix", [divides, stops, recurses])
def test_any_mistake_of_a_fix_says_where(fix):
    with pytest.raises(KernelError, match=r"\(\): "):  # what raises, the lint tells already when the machine is made
        machine = Machine(slots=64, fix={"swap_free": fix})
        process = filled(machine, 1)
        machine.read(process, 0)


# was: as-argued has no spin_trylock of its own: an RCU section is left open
def test_as_argued_splits_a_folio_of_two_processes():
    machine = Machine(slots=64, pages=8, cluster=8, kernel="as-argued")
    process = machine.spawn()
    machine.huge(process, 0)
    machine.fork(process)
    machine.split(process, 0)
    machine.check()


# was: "swap_avail_head": v6.1 puts a full device on it when swapoff gives up (its docstring says so), check() objects
def test_v6_1_keeps_its_invariants_when_swapoff_of_a_full_device_gives_up():
    machine = Machine(slots=3, kernel="v6.1")
    filled(machine, 2)
    assert machine.swapoff(signal=True).value == -4
    machine.check()


# was: a large folio whose size is no power of two ends v6.10 and mthp-v3 with a kernel BUG; no such cluster exists
@pytest.mark.parametrize("sizes", [{"cluster": 3}, {"cluster": 8, "address_space_shift": 1}, {"folios": -1}, {"page_size": -1}])
def test_sizes_that_no_kernel_has(sizes):
    with pytest.raises(ValueError):
        Machine(slots=64, **sizes)


# was: TypeError or AttributeError from inside
@pytest.mark.parametrize("arguments", [{"slot": 3}, {"slots": "x"}, {"pages": 2.5}, {"kernel": 3}, {"fix": 3}, {"place": "x"}])
def test_odd_arguments_of_a_machine(arguments):
    with pytest.raises((ValueError, KernelError)):
        Machine(**arguments)


# was: a doubled bad page is counted twice; one outside the device makes a swapon that is silently not done
@pytest.mark.parametrize("bad", [(3, 3), (99,), (0,), ("x",)])
def test_bad_pages_are_looked_at(bad):
    with pytest.raises(ValueError):
        Machine(Device(bad=bad))


# was: the sentence names config.FOLIOS, which the user of a Machine has never seen
def test_too_little_memory_is_told_in_words_of_the_machine():
    machine = Machine(slots=16, folios=2, pages=8)
    filled(machine, 6)
    before = list(machine.sequential.words)
    with pytest.raises(Violation, match="folios="):
        machine.swapoff()
    assert machine.sequential.words == before


# was: a gap in seq is not looked at
@pytest.mark.parametrize("name", ["own-cont.csv.gz", "debian1cpu-fork.csv.gz"])
def test_a_row_that_is_missing_is_told(tmp_path, name):
    lines = gzip.decompress((TRACES / name).read_bytes()).decode().rstrip("\n").split("\n")
    rows = [i for i, line in enumerate(lines) if i and not line.startswith("#")]
    del lines[rows[5]]
    (tmp_path / "t.csv").write_text("\n".join(lines[:300]) + "\n")
    with pytest.raises(BadUse, match=r"missing|torn|nest"):
        conform(tmp_path / "t.csv", kernel="v6.1")


# was: changes.py knows an unlock by the name spin_unlock only
def test_as_argued_has_the_same_accounting():
    assert conform(TRACES / "own-fork.csv.gz", kernel="as-argued").agrees


# was: the mutant of 13ddaf26be32 is only in v6.7; kernels from v4.15 on had it
def test_two_faults_on_v5_2():
    from swapmodel import check

    assert check("two-faults", kernel="v5.2").verdict == "violated"
