"""Put free_swap_and_cache() back to what it was before the fix of CVE-2024-26960: it pins the swap device no more.

python3 edit_minimal.py OLD-swapfile.c NEW-swapfile.c
"""

import sys
from collections.abc import Callable
from pathlib import Path

from source_edit import Source, Unexpected

FUNCTION = "free_swap_and_cache"


def unfix(text: str) -> str:
    source = Source(text)
    source.calls(FUNCTION, "__swap_entry_free")
    source.redirect(FUNCTION, "get_swap_device", "_swap_info_get")
    source.drop_if(FUNCTION, condition="WARN_ON", block="put_swap_device")
    source.drop_statement(FUNCTION, "put_swap_device")
    return source.edited()


def main(edit: Callable[[str], str] = unfix) -> int:
    if len(sys.argv) != 3:
        print(f"usage: {sys.argv[0]} OLD-swapfile.c NEW-swapfile.c", file=sys.stderr)
        return 2
    old, new = map(Path, sys.argv[1:])
    try:
        new.write_text(edit(old.read_text()))
    except Unexpected as why:
        print(f"{old}: {why}; this is not the source that the edit was written for", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
