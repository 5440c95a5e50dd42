"""The lab's edits of the kernel's source, on a C text of our own. The lab itself (exercises/lab) is no part of the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).parent.parent / "exercises" / "lab"

# A made-up function with the names that the edit looks for, and traps for a tokenizer around it.
PINNED = """\
#define CALL(x) \\
	{ get_swap_device(x)
/* free_swap_and_cache(x) { get_swap_device( } */
static const char brace[] = "{ free_swap_and_cache(";

int other(int x)
{
	return get_swap_device(x) != '{';
}

int free_swap_and_cache(int x)
{
	int dev = get_swap_device(x);	/* get_swap_device() pins */

	if (dev) {
		if (WARN_ON(odd(x))) {
			put_swap_device(dev);
			return 0;
		}
		if (__swap_entry_free(dev, x) == 5)
			again(dev, (x));
		put_swap_device(dev);
	}
	return !!dev;
}
"""
UNPINNED = (
    PINNED.replace("int dev = get_swap_device(x);", "int dev = _swap_info_get(x);")
    .replace("		if (WARN_ON(odd(x))) {\n			put_swap_device(dev);\n			return 0;\n		}\n", "")
    .replace("		put_swap_device(dev);\n", "")
)


def edit(tmp_path, script, text):
    (tmp_path / "old.c").write_text(text)
    command = [sys.executable, LAB / script, tmp_path / "old.c", tmp_path / "new.c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, tmp_path / "new.c"


def test_the_pin_is_taken_out_of_one_function(tmp_path):
    done, new = edit(tmp_path, "edit_minimal.py", PINNED)
    assert (done.returncode, done.stderr) == (0, "")
    assert new.read_text() == UNPINNED


@pytest.mark.parametrize(
    ("script", "text", "why"),
    [
        ("edit_minimal.py", UNPINNED, "free_swap_and_cache() should call get_swap_device() once, and calls it 0 times"),
        ("edit_minimal.py", "int x;\n", "free_swap_and_cache() should be defined once, and is defined 0 times"),
        ("edit_minimal.py", PINNED + PINNED, "free_swap_and_cache() should be defined once, and is defined 2 times"),
        ("edit_minimal.py", PINNED.replace("WARN_ON", "likely"), "should have one `if` with WARN_ON()"),
        ("edit_minimal.py", PINNED.replace("		put_swap_device(dev);\n	}", "	}"), "one statement put_swap_device()"),
        ("edit_minimal.py", PINNED.replace("again(dev, (x));", "again(dev, (x);"), "closes nothing"),
        ("edit_hook.py", PINNED, "scan_swap_map_slots() should be defined once, and is defined 0 times"),
    ],
)
def test_another_source_is_refused_in_one_sentence(tmp_path, script, text, why):
    done, new = edit(tmp_path, script, text)
    assert done.returncode == 1
    assert why in done.stderr and done.stderr.count("\n") == 1
    assert not new.exists()


BEFORE = """\
#include <x.h>
static int f(int *a,
		char b[])
{
	return g() + g(a, (1));
}
"""
AFTER = """\
#include <x.h>
int h();

static int lab_real_f(int *a,
		char b[])
{
	return h(a, b) + h(a, (1), a, b);
}

static int f(int *a,
		char b[])
{
	return lab_real_f(a, 2);
}
"""


def test_calls_get_arguments_and_functions_get_wrappers(monkeypatch):
    monkeypatch.syspath_prepend(LAB)
    from source_edit import Source

    source = Source(BEFORE)
    source.redirect("f", "g", "h", extra="a, b", times=2)
    source.wrap("f", "\treturn $real($1, 2);\n")
    source.insert_before("f", "int h();")
    assert source.edited() == AFTER
