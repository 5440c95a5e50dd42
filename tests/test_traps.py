"""Steps: equal ones behave alike, different ones are kept apart. On this Python, and on the others of this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.traps import TRAPS


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_trap(trap):
    trap()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_traps_on_other_pythons(version):
    homes = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    python = next(map(str, homes), None) or shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"CPython {version} is not on this machine")
    root = Path(__file__).parent.parent
    done = subprocess.run([python, "-m", "tests.traps"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(TRAPS)), "traps", "avoided"]
