"""The review desk's table: scenarios x fixes x kernels x preemption, and what each fix costs.

desk.py asks, pool.py runs the cells on every core, comparison.py holds the answers, text.py and page.py show them."""
