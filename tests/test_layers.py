"""The table of design.md, section 3, held by the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "swapmodel"
MAY_IMPORT = {
    "machine": set(),
    "liveness": set(),
    "names": set(),
    "progress": set(),
    "runs": set(),
    "mm": {"machine"},
    "entries": {"mm"},
    "program": {"machine", "liveness", "names"},
    "lint": {"program"},
    "oracle": {"machine"},
    "trace": {"machine", "program"},
    "carry": {"program", "trace"},
    "coverage": {"liveness", "program"},
    "explore": {"machine", "program", "trace", "oracle"},
    "kernel": {"machine", "mm", "names", "program", "lint"},
    "versions": {"machine", "mm", "kernel"},
    "edits": {"kernel"},
    "fixes": {"edits", "machine", "mm", "kernel", "names", "program", "trace", "versions"},
    "sequential": {"machine", "program", "trace"},
    "effect": {"machine", "trace"},
    "world": {"machine", "mm", "kernel"},
    "invariants": {"machine", "mm", "world"},
    "process": {"machine"},
    "state": {"effect", "machine", "mm", "trace"},
    "task": {"effect", "lint", "machine", "names", "program", "sequential", "trace"},
    "session": {
        *("effect", "invariants", "kernel", "machine", "mm", "names", "process", "sequential", "state", "task"),
        *("versions", "world"),
    },
    "conform": {"kernel", "machine", "mm", "names", "program", "progress", "sequential", "session", "versions", "world"},
    "life": {"invariants", "machine", "mm", "oracle", "session", "world"},
    "pictures": {"names"},
    "plain": set(),
    "lockorder": {"machine", "program"},
    "races": {"explore", "lockorder", "machine", "plain", "program"},
    "scenarios": {"invariants", "life", "machine", "mm", "kernel", "oracle", "program", "world"},
    "experiments": {"explore", "kernel", "machine", "mm", "scenarios", "versions"},
    "subpages": {"kernel", "machine", "mm", "program", "scenarios"},
    "resume": {"explore"},
    "how": {"explore", "names", "program", "resume"},
    "large": {"carry", "explore", "fixes", "how", "kernel", "program", "scenarios", "subpages", "trace", "versions"},
    "verdict": {
        "coverage",
        "explore",
        "fixes",
        "how",
        "kernel",
        "large",
        "lockorder",
        "machine",
        "names",
        "program",
        "progress",
        "replay",
        "scenarios",
        "trace",
        "versions",
        "views",
    },
    "export": {
        *("explore", "fixes", "kernel", "machine", "names", "program", "runs", "scenarios", "trace", "verdict", "versions"),
        "views",
    },
    "explain": {
        *("edits", "explore", "fixes", "kernel", "machine", "names", "program", "scenarios", "trace"),
        *("verdict", "versions", "views"),
    },
    "questions": {
        *("edits", "experiments", "explore", "fixes", "kernel", "life", "machine", "mm", "names", "program", "scenarios"),
        *("session", "trace", "versions", "views"),
    },
    "story": {
        *("explore", "fixes", "kernel", "life", "lockorder", "machine", "mm", "names", "program", "scenarios", "trace"),
        *("versions", "views"),
    },
    "review": {
        *("edits", "explore", "fixes", "kernel", "lockorder", "machine", "names", "program", "progress", "scenarios"),
        *("trace", "verdict", "versions", "views"),
    },
    "replay": {
        *("explain", "explore", "export", "fixes", "kernel", "machine", "mm", "names", "program", "progress", "scenarios"),
        *("trace", "verdict", "versions", "views"),
    },
    "zoo": {
        *("coverage", "edits", "explain", "explore", "invariants", "kernel", "life", "machine", "mm", "names", "oracle"),
        *("scenarios", "session", "trace", "verdict", "versions", "views"),
    },
    "site": {
        *("fixes", "kernel", "names", "questions", "review", "scenarios", "verdict", "versions", "views"),
    },
    "swarm": {"explore", "fixes", "kernel", "names", "program", "review", "scenarios", "versions"},
    "views": {"fixes", "lockorder", "machine", "program", "runs", "trace", "verdict", "versions"},
}
MAY_IMPORT["commands"] = set(MAY_IMPORT)


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).with_suffix("").parts[0]
        if name not in ("__init__", "__main__"):
            yield name, path


def imported(path):
    """The modules of ours that a file imports at run time, by their first name."""
    depth = len(path.relative_to(ROOT).parts)
    tree = ast.parse(path.read_text())
    skipped = {
        id(n)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for n in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and node.level == depth:
            if node.module:
                yield node.module.split(".")[0]
            else:
                yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda v: getattr(v, "name", v))
def test_imports_go_one_way(name, path):
    assert set(imported(path)) - {name} <= MAY_IMPORT[name]


def test_the_explorer_knows_nothing_of_swap():
    for name in ("explore", "program", "liveness", "coverage"):
        files = [ROOT / f"{name}.py"] if (ROOT / f"{name}.py").exists() else list((ROOT / name).glob("*.py"))
        assert files
        for file in files:
            assert "swap" not in file.read_text().replace("swapmodel", "").lower()


def test_files_stay_small():
    sizes = {path: path.read_text().count("\n") for _, path in modules()}
    assert sorted(sizes.values())[len(sizes) // 2] <= 130
    assert {p.name: n for p, n in sizes.items() if n > 400} == {}


def test_no_exported_name_is_hidden_by_a_module():
    """`from swapmodel import x` finds a module x first, once that has been imported."""
    import swapmodel

    assert set(swapmodel.__all__) & {name for name, _ in modules()} == set()
