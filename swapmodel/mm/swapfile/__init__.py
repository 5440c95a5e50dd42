"""mm/swapfile.c, v6.8, in the order of the file: clusters, one reference, the swap cache's slots, swapoff."""
