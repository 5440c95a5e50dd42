"""Constants of the build that a scenario may set: sizes, made small where only their being finite matters."""

SWAPFILE_CLUSTER = 256  # slots of a cluster; HPAGE_PMD_NR with CONFIG_THP_SWAP
SWAP_SLOTS_CACHE_SIZE = 64  # slots of one CPU's cache
SWAP_BATCH = 64  # slots that get_swap_pages() hands out at once, at most
LATENCY_LIMIT = 256  # slots that scan_swap_map_slots() looks at before it takes a breath
SWAP_ADDRESS_SPACE_SHIFT = 14  # a swap address space has this many bits of offset: 64 MiB
PAGE_SIZE = 4096  # bytes of swap_map that share a list of continuation pages
page_cluster = 0  # /proc/sys/vm/page-cluster: readahead of 2^n slots
NR_CPUS = 1  # every thread runs on a CPU of its own
MMLIST = ()  # every mm_struct, in the order in which the model walks init_mm.mmlist
SHMEM_SWAPLIST = ()  # every shmem inode, in the order in which the model walks shmem_swaplist
swp_slots = ()  # DEFINE_PER_CPU(struct swap_slots_cache, swp_slots): one per CPU
SWAP_INFOS = ()  # the places of struct swap_info_struct, one for each type
FOLIOS = ()  # places for folios
PAGES = ()  # places for single pages of the kernel: continuation pages
