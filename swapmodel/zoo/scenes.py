"""The scenarios of the bug family: each begins where a session left off, as those of life.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import oracle
from ..invariants import counted
from ..life import Life, ended, life, small, swapped_out
from ..machine import Address, Violation
from ..mm.swapops import SWAP_MAP_MAX, swp_offset
from ..scenarios import Parameters, Scenario, Setup, Thread
from ..session import Device, Machine
from .threads import THREADS
from .vfs import VFS, inode, super_block


def avail_list(preempt: str) -> Life:
    """Both slots of the device are in use, so it is on no list of devices with free slots; then one is freed."""
    machine = small(cpus=2, pages=2)
    process = machine.spawn()
    for page in (0, 1):
        machine.write(process, page, "old")
        machine.swap_out(process, page)
    threads = [("rewrite", "rewrite_thread", (process.mm, 0, "new")), ("swapoff", "swapoff_thread", (0,))]
    return life(machine, threads, preempt)


def half_written(preempt: str) -> Life:
    """A page of a file goes to swap while the file is truncated."""
    machine = small(cpus=2, files=1)
    file = machine.files[0]
    machine.write(file, 0, "old")
    threads = [("kswapd", "reclaim_file_thread", (file.info, 0)), ("truncate", "truncate_thread", (file.info,))]
    told = life(machine, threads, preempt)
    map = machine.value(machine.value(machine.space.swap_info[0]).swap_map)
    return told._replace(oracles=(oracle.swap_map_underflow(map), *told.oracles))


def two_readers(preempt: str) -> Life:
    """Two threads of a process fault on one page that is on the device alone."""
    machine = small(cpus=2)
    mm = swapped_out(machine)
    return life(machine, [("normal", "fault_thread", (mm, 0, "old")), ("real-time", "fault_thread", (mm, 0, "old"))], preempt)


def exit_and_swapoff(preempt: str) -> Life:
    """A process exits: for as long as it takes, nobody else may look at its page table."""
    machine = small(cpus=2)
    mm = swapped_out(machine)
    return life(machine, [("exit", "exit_thread", (mm,)), ("swapoff", "patient_swapoff_thread", (0,))], preempt)


def swapoff_and_swapon(preempt: str) -> Life:
    """One device goes while another one comes."""
    machine = small(Device(slots=3), Device(slots=4), cpus=2, swapon=False)
    machine.swapon(0)
    threads = [("swapoff", "swapoff_thread", (0,)), ("swapon", "swapon_thread", (machine.world.devices[1],))]
    return life(machine, threads, preempt)


def file_read(preempt: str) -> Life:
    """A page of a file that is on the device alone is read, with readahead, while the device goes."""
    machine = small(cpus=2, files=1, page_cluster=1)
    file = machine.files[0]
    machine.write(file, 0, "old")
    machine.swap_out(file, 0)
    threads = [("read", "read_thread", (file.info, 0, "old")), ("swapoff", "swapoff_thread", (0,))]
    return life(machine, threads, preempt)


def neighbour(preempt: str) -> Life:
    """Two neighbouring pages of a process are on two devices; a fault on one reads the other ahead, while its device goes."""
    machine = small(Device(slots=3), Device(slots=3, prio=1), cpus=2, pages=2, swapon=False)
    process = machine.spawn()
    for page in (0, 1):
        machine.swapon(page)
        machine.write(process, page, "old")
        machine.swap_out(process, page)
    threads = [("fault", "fault_thread", (process.mm, 1, "old")), ("swapoff", "patient_swapoff_thread", (0,))]
    return life(machine, threads, preempt)


def other_device(preempt: str) -> Life:
    """swapoff has taken the first device off the lists and is bringing its one page back; the second one is half full, so that
    a page that comes back gives up its slot at once."""
    devices = Device(slots=3, synchronous=True), Device(slots=4, synchronous=True, prio=1)
    machine = small(*devices, cpus=2, pages=2, swapon=False)
    process = machine.spawn()
    for page in (0, 1):
        machine.swapon(page)
        machine.write(process, page, "old")
        machine.swap_out(process, page)
    machine.call("swapoff_unlist", 0)
    threads = [("swapoff", "try_to_unuse_thread", (0,)), ("rewrite", "rewrite_thread", (process.mm, 0, "new"))]
    return life(machine, threads, preempt)


def umount(preempt: str) -> Life:
    """A tmpfs is unmounted while swapoff has found its file. The inode can be freed; only the word that says whether it is on
    shmem_swaplist lives on, because here it stands for the list itself."""
    machine = small(cpus=2, files=1)
    file, memory = machine.files[0], machine.world.memory
    machine.write(file, 0, "old")
    machine.swap_out(file, 0)
    sb = memory.new(super_block, "sb", heap=True)
    vfs_inode = memory.new(inode, "inode", i_sb=sb)
    machine.sequential.words[len(machine.sequential.words) :] = memory.words[len(machine.sequential.words) :]
    memory.embed(file.info, "vfs_inode", vfs_inode)
    mortal(machine, file.info)
    threads = [("umount", "umount_thread", (sb, file.info)), ("swapoff", "patient_swapoff_thread", (0,))]
    return life(machine, threads, preempt)


def drained(preempt: str) -> Life:
    """Of two devices in use, both empty, one goes and then the other, while a page is swapped out to one of them."""
    machine = small(Device(slots=3, synchronous=True), Device(slots=3, synchronous=True), cpus=2)
    process = machine.spawn()
    machine.write(process, 0, "old")
    threads = [("kswapd", "reclaim_thread", (process.mm, 0)), ("swapoff", "swapoff_all_thread", ())]
    return life(machine, threads, preempt)


def full_counts(preempt: str) -> Life:
    """Two slots of different clusters, whose bytes share a page of swap_map, have the highest count that a byte can hold; each
    gets one more reference. The processes that have the others are not laid out, so nothing but these counts is asked for."""
    machine = small(Device(slots=6), cpus=2, pages=3, page_size=8, continuation_pages=2)
    process = machine.spawn()
    for page in (0, 1, 2):
        machine.write(process, page, "old")
        machine.swap_out(process, page)
    si = machine.value(machine.space.swap_info[0])
    map = machine.value(si.swap_map)
    entries = [machine.value(process.mm.pte[page]).entry for page in (0, 2)]
    for entry in entries:
        machine.sequential.words[map[swp_offset(entry)].word] = SWAP_MAP_MAX
    threads = [(f"fork {i + 1}", "duplicate_thread", (entry,)) for i, entry in enumerate(entries)]
    told = life(machine, threads, preempt)
    for list in si.continuation:
        list.guard = None  # the kernel before cont_lock breaks this rule: what comes of it?
    exact = [count_is(machine, si, swp_offset(entry), SWAP_MAP_MAX + 1) for entry in entries]
    done: int = told.constants["CURTAIN"].done.word
    return told._replace(oracles=(ended(tuple(exact), done, len(threads)),))


def count_is(machine: Machine, si: Any, offset: int, expected: int) -> oracle.Oracle:
    """A slot has as many references as it should, with all digits of its count."""
    map = machine.value(si.swap_map)

    def check(words: tuple[Any, ...]) -> Violation | None:
        count = sum(counted(si, offset, words[map[offset].word], machine.space, words))
        if count == expected:
            return None
        return Violation("accounting", f"{map[offset]} counts {count} references, but there are {expected}", map[offset])

    return check


def mortal(machine: Machine, info: Any) -> None:
    """Gives an inode, whose memory the session never frees, a life that can end."""
    memory = machine.world.memory
    life_word = memory._word(f"{info} (object)", 1, hidden=True)
    machine.sequential.words.append(1)
    info._object.life = life_word
    mapping = info.i_mapping
    for address in (*info._fields.values(), *mapping._fields.values()):
        if isinstance(address, Address) and address is not info.swaplist:
            address.life, address.birth = life_word, 1


def lay(tell: Callable[[str], Life]) -> Callable[[Parameters], Setup]:
    def lay(parameters: Parameters) -> Setup:
        told = tell(parameters.preempt)
        constants = {**told.constants, **THREADS, **VFS}
        return Setup(told.machine.world.memory, constants, [Thread(*t) for t in told.threads], told.oracles)

    return lay


def scene(name: str, title: str, tell: Callable[[str], Life]) -> Scenario:
    return Scenario(name, title, "", lay(tell), fixed=True)


SCENES = {
    s.name: s
    for s in (
        scene("file-read", "read() of a swapped page of a tmpfs file, with readahead; swapoff", file_read),
        scene("two-readers", "two threads of one process fault on one swapped page", two_readers),
        scene("full-counts", "two slots with 62 references get one more each", full_counts),
        scene("swapoff-swapon", "swapoff of one device, swapon of another", swapoff_and_swapon),
        scene("other-device", "swapoff; a page comes back and is swapped out to another device", other_device),
        scene("umount", "umount of a tmpfs with a swapped page, swapoff", umount),
        scene("exit", "a process with a swapped page quits, swapoff", exit_and_swapoff),
        scene("neighbour", "a fault reads a page of another device ahead; swapoff of that one", neighbour),
        scene("full-device", "a slot of a full device is freed and taken again; swapoff", avail_list),
        scene("drained", "swapoff of one empty device and of another; a page is swapped out", drained),
        scene("half-written", "a page of a tmpfs file goes to swap while the file is truncated", half_written),
    )
}
