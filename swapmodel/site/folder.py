"""The site is built beside OUT and put in its place when it is whole. Nothing that is not ours is ever removed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..names import BadUse

MARK = ".swapmodel-site"  # in OUT: the names of the files that are ours, one a line


@contextlib.contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """A new folder to build in. At the end it becomes OUT; after an exception OUT is as it was. BadUse, before anything is
    built, where OUT is not ours or can't be written."""
    out = out.resolve()
    demand_ours(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise BadUse(f"{out}: can't be written: {error.strerror}") from None
    try:
        new = beside / "new"
        new.mkdir()
        yield new
        _mark(new)
        demand_ours(out)  # somebody may have put a file there meanwhile
        _swap(new, out, beside / "old")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def demand_ours(out: Path) -> None:
    """BadUse if OUT holds anything that an earlier build did not write."""
    if not out.exists():
        return
    if not out.is_dir():
        raise BadUse(f"{out} is a file: the site needs a folder of its own")
    mark = out / MARK
    ours = {MARK, *mark.read_text(encoding="utf-8").split("\n")} if mark.is_file() else set()
    foreign = next((name for name in _files(out) if name not in ours), None)
    if foreign is not None and not ours:
        raise BadUse(f"{out} is not empty, and no site of ours (it holds {foreign}): give another folder")
    if foreign is not None:
        raise BadUse(f"{out} holds {foreign}, which is not of the site: move it away, or give another folder")


def _mark(folder: Path) -> None:
    names = _files(folder)
    (folder / MARK).write_text("\n".join(names) + "\n", encoding="utf-8")


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _swap(new: Path, out: Path, old: Path) -> None:
    """`new` becomes `out`, which becomes `old`; if that fails, `out` comes back."""
    if not out.exists():
        new.rename(out)
        return
    out.rename(old)
    try:
        new.rename(out)
    except OSError:
        old.rename(out)
        raise
