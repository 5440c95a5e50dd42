"""swapmodel: the Linux swap subsystem as step graphs, and every interleaving of them."""
