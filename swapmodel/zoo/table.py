"""The bug family: every entry, in the order of the fact sheet's numbers (Z35 and Z36 are ours)."""

from __future__ import annotations

from ..names import Named
from ..scenarios import SCENARIOS
from . import kernels
from .race import Race
from .scenes import SCENES

COMMIT = "the commit's own text"

FAMILY = Named(
    "race of the bug family",
    {
        r.name: r
        for r in (
            Race(
                "Z1",
                "mm: swap: fix race between free_swap_and_cache() and swapoff()",
                "82b1c07a0af6",
                "v6.9",
                ("P1",),
                "Truncation drops the last reference of a slot and stands still; swapoff's own third loop frees the folio and the "
                "slot, waits for nobody, and takes the device away; truncation then looks at the device.",
                "From the moment the reference is dropped nothing that shmem_free_swap() holds keeps the device alive.",
                "get_swap_device() before the reference is dropped, put_swap_device() at the end.",
                COMMIT,
                SCENARIOS["shmem-truncate"],
                kernels.z1,
                cve="CVE-2024-26960",
            ),
            Race(
                "Z2",
                "mm, swap: fix race between swapoff and some swap operations",
                "eb085574a752",
                "v5.3",
                ("P1",),
                "A fault reads an entry from its PTE with no lock held and is about to look at swap_map; swapoff brings the page "
                "back and takes the device away; the fault looks at it.",
                "Nothing holds the device between the PTE and the end of the read.",
                "get_swap_device(), an RCU section at that time, and synchronize_rcu() in swapoff.",
                COMMIT,
                SCENARIOS["fault"],
                kernels.z2,
                differs="The kernel with the fix is v6.8, whose pin is a percpu_ref.",
            ),
            Race(
                "Z3",
                "swap: fix do_swap_page() race with swapoff",
                "2799e77529c2",
                "v5.14",
                ("P1",),
                "A fault reads a page of a RAM disk past the swap cache; before it looks where on the disk the page lies, swapoff "
                "brings the page back by itself and takes the device away.",
                "A page in the swap cache holds its slot, and so the device; one that is read past the cache does not.",
                "get_swap_device() over the whole fault. As reading may sleep it had to become a percpu_ref (63d8620ecf93).",
                "the mail of the patch (20210426123316.806267-3)",
                SCENARIOS["fault-ramdisk"],
                kernels.z3,
                differs="v6.7, with lookups that pin for themselves as in v5.13. The mail's victim is si->swap_file; of a block "
                "device the extents are looked at first.",
            ),
            Race(
                "Z4",
                "mm/shmem: fix shmem_swapin() race with swapoff",
                "2efa33fc7f6e",
                "v5.14",
                ("P1",),
                "read() of a tmpfs file finds a swap entry and is about to ask the swap file's inode whether its disk is busy; "
                "swapoff brings the page back and stores NULL in si->swap_file.",
                "Nothing holds the device while shmem reads ahead.",
                "get_swap_device() over shmem_swapin().",
                "the commit's own text (20210712061013.325433186)",
                SCENES["file-read"],
                kernels.z4,
                differs="v6.8 with the lookup and the readahead of v5.13; the inode is any word of the file's disk.",
            ),
            Race(
                "Z5",
                "mm/swap: fix race when skipping swapcache",
                "13ddaf26be32",
                "v6.8",
                ("P2",),
                "A fault reads a page past the swap cache and stands still. Another thread maps its own copy, stores to it, and it "
                "is swapped out into the same slot. The first fault finds the PTE unchanged and maps what it read long ago.",
                "The PTE has the same value, the slot does not have the same page.",
                "swapcache_prepare() keeps others from reading or reusing the slot until the PTE is written.",
                COMMIT,
                SCENARIOS["two-faults"],
                kernels.z5,
                cve="CVE-2024-26759",
            ),
            Race(
                "Z7",
                "mm: swap: get rid of livelock in swapin readahead",
                "029c4628b2eb",
                "v5.17",
                ("P5",),
                "A task has taken SWAP_HAS_CACHE and is preempted, before the folio is in the swap cache, by a real-time task on "
                "the same CPU that faults on the same page: that one tries again and again, and never lets the first one go on.",
                "The loop calls cond_resched(), which gives the CPU to nobody of lower priority.",
                "schedule_timeout_uninterruptible(1): a sleep of one tick.",
                "the commit's own text (20220321133221.392695021)",
                SCENES["two-readers"],
                kernels.z7,
                one_cpu=True,
            ),
            Race(
                "Z10",
                "mm, swap: fix race between swap count continuation operations",
                "2628bd6fc052",
                "v4.14",
                ("P4", "P6"),
                "Two slots in different clusters share a page of swap_map. One task makes the page's first list of continuation "
                "pages; before a page is on it, another task counts its own slot up, takes the page of swap_map itself for the "
                "first continuation page, and its count is lost.",
                "Both hold a cluster lock, but not the same one; the list belongs to the page, not to a cluster.",
                "cont_lock, one for the device.",
                COMMIT,
                SCENES["full-counts"],
                kernels.z10,
                brought="235b62176712 (v4.11)",
                differs="That page_private() says there is a list before it has a page is a step of its own in both kernels; the "
                "base takes both in one. The commit names the race, not this interleaving of it.",
            ),
            Race(
                "Z11",
                "mm/swap: fix race on swap_info reuse between swapoff and swapon",
                "f893ab41e4da",
                "v3.14",
                ("P2",),
                "swapoff clears SWP_USED and goes on freeing what belonged to the device; swapon takes the same swap_info_struct "
                "for another device; swapoff frees what the new device has just got.",
                "The struct is given away before its last use.",
                "flags = 0 is the last thing that swapoff does.",
                "the mail of the patch (January 2014); the commit id is from memory",
                SCENES["swapoff-swapon"],
                kernels.z11,
                differs="v6.8, where the address spaces of the swap cache go before swap_map does, as they were static in 2014. "
                "What is freed first of the new device is cluster_next_cpu (v5.10); in 2014 it was percpu_cluster.",
            ),
            Race(
                "Z13",
                "mm: try_to_unuse check removing right swap",
                "68bdc8d64742",
                "v2.6.29",
                ("P2",),
                "swapoff finds a page in the swap cache and waits for its lock. Meanwhile the page is faulted in, leaves the cache, "
                "and is swapped out to another device, in the cache again but not yet written. swapoff takes it out of the cache, "
                "and what it held is lost.",
                "In the swap cache does not mean in the swap cache for this slot.",
                "Under the page lock the entry is compared too.",
                COMMIT,
                SCENES["other-device"],
                kernels.z13,
                differs="v6.8 with the try_to_unuse() of 2.6.28, which walks over slots; of swapoff only that runs.",
            ),
            Race(
                "Z16",
                "mm: swapoff: shmem_unuse() stop eviction without igrab()",
                "af53d3e9e040",
                "v5.1",
                ("P1",),
                "swapoff has a reference to the inode of a tmpfs file; the tmpfs is unmounted, finds the inode busy and frees the "
                "superblock all the same; swapoff drops its reference, the last one, which needs the superblock.",
                "igrab() pins the inode, not the file system that it belongs to.",
                "stop_eviction: unmounting waits until swapoff is done with the inode.",
                COMMIT,
                SCENES["umount"],
                kernels.z16,
                brought="b56a2d8af914 (v5.1-rc1)",
                differs="v6.9. On a preemptible kernel the fix has a window of its own: see mm/README.md, section 5.",
                preempt="none",
            ),
            Race(
                "Z17",
                "mm: swapoff: remove too limiting SWAP_UNUSE_MAX_TRIES",
                "dd862deb151a",
                "v5.1",
                ("P5",),
                "A process exits: its mm has no users any more, so swapoff must pass over it, and its entries are not yet dropped. "
                "swapoff looks three times, and gives up.",
                "How often one looks says nothing about how long the other one takes.",
                "Try again until the device is empty, or a signal comes.",
                "the mail of the patch (alpine.LSU.2.11.1904081256170); the commit id is from memory",
                SCENES["exit"],
                kernels.z17,
                brought="b56a2d8af914 (v5.1-rc1)",
            ),
            Race(
                "Z23",
                "mm, swap: fix potential UAF issue for VMA readahead",
                "1c2a936edd71",
                "v6.18",
                ("P1",),
                "A fault pins the device of its own page and reads its neighbours ahead; one of them is on another device, which "
                "swapoff takes away meanwhile.",
                "The pin is for one device, the page table has entries of several.",
                "A device that is not the fault's own is pinned for as long as its page is read.",
                COMMIT,
                SCENES["neighbour"],
                kernels.z23,
                brought="78524b05f1a3",
                differs="v6.8 with the readahead by VMA of v6.17; the window is the whole page table.",
            ),
            Race(
                "Z35",
                "swap: fix swap_info_struct race between swapoff and get_swap_pages()",
                "6fe7d6b99296",
                "v6.3",
                ("P4",),
                "swapoff takes the device off the list of those with free slots, and waits for si->lock. Its holder frees a slot of "
                "the full device and puts it on the list again. swapoff goes on with a device that can still be found.",
                "The list is changed under swap_avail_lock, but what decides whether to put a device on it is under si->lock.",
                "si->lock is taken first.",
                "from memory, but for the title and the commit id",
                SCENES["full-device"],
                kernels.z35,
            ),
            Race(
                "Z36",
                "tmpfs: fix race between truncate and writepage",
                "826267cf1e6c",
                "v2.6.39",
                ("P3",),
                "Reclaim has put the swap entry into the file, but not yet counted the file's reference in swap_map; truncation "
                "takes the entry out and drops a reference that nobody has counted: the byte becomes 0xff.",
                "The entry can be found before its count is there.",
                "The reference is counted before the entry can be found.",
                COMMIT,
                SCENES["half-written"],
                kernels.z36,
                brought="v2.6.33",
            ),
        )
    },
)
