"""Constants of the build that a scenario may set: sizes, made small where only their being finite matters."""

SWAPFILE_CLUSTER = 256  # slots of a cluster; HPAGE_PMD_NR with CONFIG_THP_SWAP
SWAP_SLOTS_CACHE_SIZE = 64  # slots of one CPU's cache
NR_CPUS = 1  # every thread runs on a CPU of its own
MMLIST = ()  # the mm_structs of init_mm.mmlist, in list order
SHMEM_SWAPLIST = ()  # the shmem inodes with swapped pages, in list order
swp_slots = ()  # DEFINE_PER_CPU(struct swap_slots_cache, swp_slots): one per CPU
