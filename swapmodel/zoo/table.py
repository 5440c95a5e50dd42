"""The bug family: every entry, in the order of the fact sheet's numbers (Z35 and Z36 are ours)."""

from __future__ import annotations

from ..scenarios import SCENARIOS
from . import kernels
from .race import Family, Race
from .scenes import SCENES

COMMIT = "the commit's own text"

RACES = (
    Race(
        name="Z1",
        title="mm: swap: fix race between free_swap_and_cache() and swapoff()",
        commit="82b1c07a0af6",
        release="v6.9",
        patterns=("P1",),
        cve="CVE-2024-26960",
        story="Truncation drops the last reference of a slot and stands still; swapoff's own third loop frees the folio and "
        "the slot, waits for nobody, and takes the device away; truncation then looks at the device.",
        missing="From the moment the reference is dropped nothing that shmem_free_swap() holds keeps the device alive.",
        pins="get_swap_device() before the reference is dropped, put_swap_device() at the end.",
        source=COMMIT,
        scenario=SCENARIOS["shmem-truncate"],
        kernels=kernels.z1,
    ),
    Race(
        name="Z2",
        title="mm, swap: fix race between swapoff and some swap operations",
        commit="eb085574a752",
        release="v5.3",
        patterns=("P1",),
        story="A fault reads an entry from its PTE with no lock held and is about to look at swap_map; swapoff brings the "
        "page back and takes the device away; the fault looks at it.",
        missing="Nothing holds the device between the PTE and the end of the read.",
        pins="get_swap_device(), an RCU section at that time, and synchronize_rcu() in swapoff.",
        source=COMMIT,
        differs="The kernel with the fix is v6.8, whose pin is a percpu_ref.",
        scenario=SCENARIOS["fault"],
        kernels=kernels.z2,
    ),
    Race(
        name="Z3",
        title="swap: fix do_swap_page() race with swapoff",
        commit="2799e77529c2",
        release="v5.14",
        patterns=("P1",),
        story="A fault reads a page of a RAM disk past the swap cache; before it looks where on the disk the page lies, "
        "swapoff brings the page back by itself and takes the device away.",
        missing="A page in the swap cache holds its slot, and so the device; one that is read past the cache does not.",
        pins="get_swap_device() over the whole fault. As reading may sleep it had to become a percpu_ref (63d8620ecf93).",
        source="the mail of the patch (20210426123316.806267-3)",
        differs="v6.7, with lookups that pin for themselves as in v5.13. The mail's victim is si->swap_file; of a block "
        "device the extents are looked at first.",
        scenario=SCENARIOS["fault-ramdisk"],
        kernels=kernels.z3,
    ),
    Race(
        name="Z4",
        title="mm/shmem: fix shmem_swapin() race with swapoff",
        commit="2efa33fc7f6e",
        release="v5.14",
        patterns=("P1",),
        story="read() of a tmpfs file finds a swap entry and is about to ask the swap file's inode whether its disk is "
        "busy; swapoff brings the page back and stores NULL in si->swap_file.",
        missing="Nothing holds the device while shmem reads ahead.",
        pins="get_swap_device() over shmem_swapin().",
        source="the commit's own text (20210712061013.325433186)",
        differs="v6.8 with the lookup and the readahead of v5.13; the inode is any word of the file's disk.",
        scenario=SCENES["file-read"],
        kernels=kernels.z4,
    ),
    Race(
        name="Z5",
        title="mm/swap: fix race when skipping swapcache",
        commit="13ddaf26be32",
        release="v6.8",
        patterns=("P2",),
        cve="CVE-2024-26759",
        story="A fault reads a page past the swap cache and stands still. Another thread maps its own copy, stores to it, "
        "and it is swapped out into the same slot. The first fault finds the PTE unchanged and maps what it read long "
        "ago.",
        missing="The PTE has the same value, the slot does not have the same page.",
        pins="swapcache_prepare() keeps others from reading or reusing the slot until the PTE is written.",
        source=COMMIT,
        scenario=SCENARIOS["two-faults"],
        kernels=kernels.z5,
    ),
    Race(
        name="Z7",
        title="mm: swap: get rid of livelock in swapin readahead",
        commit="029c4628b2eb",
        release="v5.17",
        patterns=("P5",),
        story="A task has taken SWAP_HAS_CACHE and is preempted, before the folio is in the swap cache, by a real-time task "
        "on the same CPU that faults on the same page: that one tries again and again, and never lets the first one "
        "go on.",
        missing="The loop calls cond_resched(), which gives the CPU to nobody of lower priority.",
        pins="schedule_timeout_uninterruptible(1): a sleep of one tick.",
        source="the commit's own text (20220321133221.392695021)",
        scenario=SCENES["two-readers"],
        kernels=kernels.z7,
        one_cpu=True,
    ),
    Race(
        name="Z10",
        title="mm, swap: fix race between swap count continuation operations",
        commit="2628bd6fc052",
        release="v4.14",
        patterns=("P4", "P6"),
        brought="235b62176712 (v4.11)",
        story="Two slots in different clusters share a page of swap_map. One task makes the page's first list of "
        "continuation pages; before a page is on it, another task counts its own slot up, takes the page of swap_map "
        "itself for the first continuation page, and its count is lost.",
        missing="Both hold a cluster lock, but not the same one; the list belongs to the page, not to a cluster.",
        pins="cont_lock, one for the device.",
        source=COMMIT,
        differs="That page_private() says there is a list before it has a page is a step of its own in both kernels; the base "
        "takes both in one. The commit names the race, not this interleaving of it.",
        scenario=SCENES["full-counts"],
        kernels=kernels.z10,
    ),
    Race(
        name="Z11",
        title="mm/swap: fix race on swap_info reuse between swapoff and swapon",
        commit="f893ab41e4da",
        release="v3.14",
        patterns=("P2",),
        story="swapoff clears SWP_USED and goes on freeing what belonged to the device; swapon takes the same "
        "swap_info_struct for another device; swapoff frees what the new device has just got.",
        missing="The struct is given away before its last use.",
        pins="flags = 0 is the last thing that swapoff does.",
        source="the mail of the patch (000d01cf1b47$f12e11f0$d38a35d0$%yang@samsung.com, 27 January 2014); no copy of the "
        "commit was found: its id is from memory",
        differs="v6.8, where the address spaces of the swap cache go before swap_map does, as they were static in 2014. What "
        "is freed first of the new device is cluster_next_cpu (v5.10); in 2014 it was percpu_cluster.",
        scenario=SCENES["swapoff-swapon"],
        kernels=kernels.z11,
    ),
    Race(
        name="Z13",
        title="mm: try_to_unuse check removing right swap",
        commit="68bdc8d64742",
        release="v2.6.29",
        patterns=("P2",),
        story="swapoff finds a page in the swap cache and waits for its lock. Meanwhile the page is faulted in, leaves the "
        "cache, and is swapped out to another device, in the cache again but not yet written. swapoff takes it out of "
        "the cache, and what it held is lost.",
        missing="In the swap cache does not mean in the swap cache for this slot.",
        pins="Under the page lock the entry is compared too.",
        source=COMMIT,
        differs="v6.8 with the try_to_unuse() of 2.6.28, which walks over slots; of swapoff only that runs.",
        scenario=SCENES["other-device"],
        kernels=kernels.z13,
    ),
    Race(
        name="Z16",
        title="mm: swapoff: shmem_unuse() stop eviction without igrab()",
        commit="af53d3e9e040",
        release="v5.1",
        patterns=("P1",),
        brought="b56a2d8af914 (v5.1-rc1)",
        story="swapoff has a reference to the inode of a tmpfs file; the tmpfs is unmounted, finds the inode busy and frees "
        "the superblock all the same; swapoff drops its reference, the last one, which needs the superblock.",
        missing="igrab() pins the inode, not the file system that it belongs to.",
        pins="stop_eviction: unmounting waits until swapoff is done with the inode.",
        source=COMMIT,
        differs="v6.9. On a preemptible kernel the fix has a window of its own: see mm/README.md, section 5.",
        scenario=SCENES["umount"],
        kernels=kernels.z16,
        preempt="none",
    ),
    Race(
        name="Z17",
        title="mm: swapoff: remove too limiting SWAP_UNUSE_MAX_TRIES",
        commit="dd862deb151a",
        release="v5.1",
        patterns=("P5",),
        brought="b56a2d8af914 (v5.1-rc1)",
        story="A process exits: its mm has no users any more, so swapoff must pass over it, and its entries are not yet "
        "dropped. swapoff looks three times, and gives up.",
        missing="How often one looks says nothing about how long the other one takes.",
        pins="Try again until the device is empty, or a signal comes.",
        source="the mail of the patch (alpine.LSU.2.11.1904081256170, 8 April 2019); no copy of the commit was found: its id "
        "is from memory",
        scenario=SCENES["exit"],
        kernels=kernels.z17,
    ),
    Race(
        name="Z23",
        title="mm, swap: fix potential UAF issue for VMA readahead",
        commit="1c2a936edd71",
        release="v6.18",
        patterns=("P1",),
        brought="78524b05f1a3",
        story="A fault pins the device of its own page and reads its neighbours ahead; one of them is on another device, "
        "which swapoff takes away meanwhile.",
        missing="The pin is for one device, the page table has entries of several.",
        pins="A device that is not the fault's own is pinned until its page is in the swap cache, which holds the slot from "
        "then on.",
        source=COMMIT,
        differs="v6.8 with the readahead by VMA of v6.17; the window is the whole page table.",
        scenario=SCENES["neighbour"],
        kernels=kernels.z23,
    ),
    Race(
        name="Z35",
        title="mm/swap: fix swap_info_struct race between swapoff and get_swap_pages()",
        commit="6fe7d6b99211",
        release="v6.3",
        patterns=("P4",),
        brought="a2468cc9bfdf",
        story="swapoff takes the device off the list of those with free slots, and waits for si->lock. Its holder frees a "
        "slot of the full device and puts it on the list again. swapoff goes on with a device that can still be "
        "found.",
        missing="The list is changed under swap_avail_lock, but what decides whether to put a device on it is under si->lock.",
        pins="si->lock is taken first.",
        source="the commit's own text (20230418120306.239168205)",
        scenario=SCENES["full-device"],
        kernels=kernels.z35,
    ),
    Race(
        name="Z36",
        title="tmpfs: fix race between truncate and writepage",
        commit="826267cf1e6c",
        release="v3.0",
        patterns=("P3",),
        brought="v2.6.33",
        story="Reclaim has put the swap entry into the file, but not yet counted the file's reference in swap_map; "
        "truncation takes the entry out and drops a reference that nobody has counted: the byte becomes 0xff.",
        missing="The entry can be found before its count is there.",
        pins="The reference is counted before the entry can be found.",
        source=COMMIT,
        differs="v6.8, where the count comes first; the commit put it under the lock under which the entry appears.",
        scenario=SCENES["half-written"],
        kernels=kernels.z36,
    ),
)

FAMILY = Family("race of the bug family", {race.name: race for race in RACES})
