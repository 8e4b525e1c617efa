"""Mutants are found again where modules have moved, and a test that notices one kills it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mutants
import pytest

CODE = '''
def outer(items):
    """Return 1, or 0."""
    found = 0
    if len(items) > 3 and items[0] is not None:
        found += 1
    return found


class Gate:
    def close(self):
        self.closed = True
        self.tell("closed")
'''


def tree(folder: Path, module: str, code: str = CODE) -> Path:
    """A package of one module."""
    (folder / mutants.PACKAGE).mkdir(parents=True)
    (folder / mutants.PACKAGE / "__init__.py").write_text("", encoding="utf-8")
    (folder / mutants.PACKAGE / module).write_text(code, encoding="utf-8")
    return folder


def test_what_is_mutated(tmp_path: Path) -> None:
    """Each kind, once for each place; no docstring, and no text that would not compile."""
    found = mutants.places(tree(tmp_path, "one.py"))
    assert [(each.mutant.function, each.mutant.kind, each.text) for each in found] == [
        ("outer", "constant", "1"),
        ("outer", "and/or", "(len(items) > 3 or items[0] is not None)"),
        ("outer", "swap", "(len(items) >= 3)"),
        ("outer", "constant", "4"),
        ("outer", "swap", "(items[0] is None)"),
        ("outer", "constant", "1"),
        ("outer", "negate", "(not (len(items) > 3 and items[0] is not None))"),
        ("outer", "drop", "pass"),
        ("outer", "constant", "2"),
        ("outer", "return None", "return None"),
        ("close", "drop", "pass"),
        ("close", "constant", "False"),
        ("close", "drop", "pass"),
        ("close", "constant", "''"),
    ]
    whole = CODE.encode()
    for each in found:
        compile(whole[: each.start] + each.text.encode() + whole[each.end :], "one.py", "exec")


def test_only_what_is_in_every_tree_is_chosen(tmp_path: Path) -> None:
    """The same function and statement in a module of another name is the same mutant."""
    old = tree(tmp_path / "old", "one.py")
    new = tree(tmp_path / "new", "other.py", CODE.replace("found += 1", "found += 7"))
    chosen, lost = mutants.choose([old, new], 12, seed=1)
    assert len({each.id for each in chosen}) == 12
    assert lost > 0
    assert all("+=" not in each.statement for each in chosen)
    assert mutants.choose([old, new], 12, seed=1) == (chosen, lost)
    assert all(mutants.find(each, mutants.places(new)) for each in chosen)


@pytest.mark.campaign
def test_killed_and_survived(tmp_path: Path) -> None:
    """A test of one function notices its mutant, and not that of the other; the tree stays as it was."""
    kept = tree(tmp_path / "tree", "one.py")
    (kept / "tests").mkdir()
    (kept / "tests" / "test_one.py").write_text(
        f"from {mutants.PACKAGE}.one import outer\n\n\ndef test():\n    assert outer([1, 2, 3, 4]) == 1\n",
        encoding="utf-8",
    )
    (kept / "pyproject.toml").write_text("", encoding="utf-8")
    subprocess.run(["git", "init", "-q", kept], check=True)
    subprocess.run(["git", "-C", kept, "add", "."], check=True)
    chosen = [
        each.mutant
        for each in mutants.places(kept)
        if (each.mutant.function, each.mutant.kind) in {("outer", "negate"), ("close", "constant")}
    ]
    named = tmp_path / "mutants.json"
    named.write_text(json.dumps([vars(each) for each in chosen]), encoding="utf-8")
    words = [
        sys.executable,
        str(Path(mutants.__file__)),
        "run",
        str(kept),
        sys.executable,
        str(named),
        "-n",
        "1",
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "fail without a mutant: none"
    assert [" killed " in line for line in lines[1:4]] == [True, False, False]
    assert [" 1 tests, " in line for line in lines[1:4]] == [True, False, False]
    assert lines[4].startswith("3 mutants: 1 killed, 2 SURVIVED; survivors: ")
    assert (kept / mutants.PACKAGE / "one.py").read_text(encoding="utf-8") == CODE
