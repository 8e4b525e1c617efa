"""Small faults put into the package one at a time, and whether the tests notice each.

usage: python benchmarks/mutants.py choose TREE [TREE …] [--count N] [--seed S] > mutants.json
       python benchmarks/mutants.py run TREE PYTHON mutants.json [--only ID,ID …] [-n N] [--output FILE]

`choose` draws mutants by lot: each line of a function has the same chance, then one mutation of its
statement. A mutant is named by its function, the text of its statement, the kind of mutation and which one
of that kind it is, so that it is found again where modules have moved. With several trees it must exist in
each.

`run` copies the tree and runs all tests there once, with a line in each mutated function that notes which
test called it. Then it applies each mutant to the copy and runs the tests that call its function, short ones
first, until one fails. PYTHON is that of an environment with the tests' dependencies; the copy has an
environment of its own, where the package is the copy. A test that also fails without a mutant is left out.
One that fails is repeated, so that chance kills nobody. Calls of a process without the variable
PYTEST_CURRENT_TEST, and those of an import, belong to no test; all tests run where a function has no other
callers. Prints a line per mutant, then the survivors. Exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PACKAGE = "contentmap_cli"
SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
CALLED = """
import os
_file = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_written = set()


def note(mutant):
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    if (mutant, test) not in _written:
        _written.add((mutant, test))
        os.write(_file, f"{{mutant}}\\t{{test}}\\n".encode())
"""
"""The module that notes which test called a function."""
DURATION = re.compile(r"^([0-9.]+)s call +(tests/.+)$", re.M)
SHORT_TESTS = 40
"""Tests in the first of the two runs for a mutant: most mutants are noticed there."""
FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.M)
SECONDS = 2400
"""Time for all tests of one mutant; one that takes longer hangs, which is noticed."""


@dataclass(frozen=True)
class Mutant:
    """A mutation: the `nth` of its `kind` in a statement of a function."""

    function: str
    statement: str
    kind: str
    nth: int
    of_class: str
    module: str

    @property
    def id(self) -> str:
        """A short name, the same in every tree."""
        text = "\0".join((self.function, self.statement, self.kind, str(self.nth)))
        return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()


@dataclass(frozen=True)
class Place:
    """Where a mutant is in a tree: the text of the file from `start` to `end` becomes `text`."""

    mutant: Mutant
    file: Path
    line: int
    lines: int
    start: int
    end: int
    text: str


def places(tree: Path) -> list[Place]:
    """Every mutation of every statement in every function of the package."""
    found: list[Place] = []
    for file in sorted((tree / PACKAGE).rglob("*.py")):
        if "migrations" not in file.parts:
            found += _in_file(file)
    return found


def _in_file(file: Path) -> Iterator[Place]:
    source = file.read_text(encoding="utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    for function, of_class in _functions(ast.parse(source)):
        for statement in _statements(function):
            header = _header(statement)
            counted: Counter[str] = Counter()
            for kind, node, text in _mutations(statement):
                mutant = Mutant(function.name, header, kind, counted[kind], of_class, file.stem)
                counted[kind] += 1
                assert node.end_lineno is not None and node.end_col_offset is not None
                yield Place(
                    mutant,
                    file,
                    statement.lineno,
                    1 + (_last_line(statement) - statement.lineno),
                    starts[node.lineno - 1] + node.col_offset,
                    starts[node.end_lineno - 1] + node.end_col_offset,
                    text,
                )


def _functions(
    node: ast.AST, of_class: str = ""
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """All functions, each with the class that it belongs to."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, of_class
        yield from _functions(child, child.name if isinstance(child, ast.ClassDef) else of_class)


def _statements(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.stmt]:
    """Its statements, those of functions inside it left to them, the docstring left out."""
    waiting: list[ast.AST] = list(function.body[1 if ast.get_docstring(function) is not None else 0 :])
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting[:0] = [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
        ]


def _header(statement: ast.stmt) -> str:
    """A statement as one text, without those inside it."""
    text = ast.unparse(statement)
    return text.split("\n", 1)[0] if hasattr(statement, "body") else text


def _last_line(statement: ast.stmt) -> int:
    body: Sequence[ast.AST] = getattr(statement, "body", None) or getattr(statement, "cases", ())
    first = body[0] if body else None
    last = first.lineno - 1 if isinstance(first, ast.stmt) else statement.end_lineno
    return max(statement.lineno, last or 0)


def _mutations(statement: ast.stmt) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    """What can be changed in a statement: the kind, what is replaced, and by what."""
    if _droppable(statement):
        yield "drop", statement, "pass"
    if isinstance(statement, ast.Return) and ast.unparse(statement) not in ("return", "return None"):
        yield "return None", statement, "return None"
    for node in _expressions(statement):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            swapped = ast.Compare(node.left, [SWAPPED[type(node.ops[0])]()], node.comparators)
            yield "swap", node, f"({ast.unparse(swapped)})"
        elif isinstance(node, ast.BoolOp):
            other = ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            yield "and/or", node, f"({ast.unparse(other)})"
        elif isinstance(node, ast.Constant) and (text := _other_constant(node.value)) is not None:
            yield "constant", node, text
    for test in _conditions(statement):
        yield "negate", test, f"(not ({ast.unparse(test)}))"


def _droppable(statement: ast.stmt) -> bool:
    """Whether a function without the statement still runs: no name stays unbound."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call | ast.Await)
    if isinstance(statement, ast.Assign):
        return all(isinstance(each, ast.Attribute | ast.Subscript) for each in statement.targets)
    return isinstance(statement, ast.AugAssign | ast.Raise | ast.Delete | ast.Continue | ast.Break)


def _other_constant(value: object) -> str | None:
    """Another constant of the same type, as source; None where there is none."""
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int):
        return str(value + 1)
    return repr(value[:0]) if isinstance(value, str | bytes) and value else None


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement in their order, without annotations and f-strings."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.expr):
            yield node
        if isinstance(node, ast.JoinedStr) or node.__class__.__name__ == "TemplateStr":
            continue
        own = getattr(node, "annotation", None)
        waiting[:0] = [
            child
            for child in ast.iter_child_nodes(node)
            if child is not own and not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
        ]


def _conditions(statement: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(statement, ast.If | ast.While) and not isinstance(statement.test, ast.Constant):
        yield statement.test
    for node in _expressions(statement):
        if isinstance(node, ast.IfExp):
            yield node.test


def find(mutant: Mutant, among: Sequence[Place]) -> Place | None:
    """Find a mutant in another tree. Of several, the one of the same class and module comes first."""
    same = [each for each in among if each.mutant.id == mutant.id]
    same.sort(key=lambda each: (each.mutant.of_class != mutant.of_class, each.mutant.module != mutant.module))
    return same[0] if same else None


def choose(trees: Sequence[Path], count: int, seed: int) -> tuple[list[Mutant], int]:
    """Draw mutants of the first tree that are in all of them, and say how many were drawn that are not."""
    here, *others = [places(tree) for tree in trees]
    elsewhere = [{each.mutant.id for each in other} for other in others]
    lot = random.Random(seed)
    by_statement: dict[tuple[Path, int, str], list[Place]] = {}
    for place in here:
        by_statement.setdefault((place.file, place.line, place.mutant.statement), []).append(place)
    statements = list(by_statement.values())
    weights = [group[0].lines for group in statements]
    chosen: dict[str, Mutant] = {}
    lost = 0
    while len(chosen) < count:
        mutant = lot.choice(lot.choices(statements, weights)[0]).mutant
        if mutant.id in chosen:
            continue
        if all(mutant.id in there for there in elsewhere):
            chosen[mutant.id] = mutant
        else:
            lost += 1
    return list(chosen.values()), lost


class Copy:
    """A copy of a tree with an environment in which the package is the copy."""

    def __init__(self, tree: Path, python: Path, folder: Path, workers: int) -> None:
        self.tree = folder / "tree"
        listed = subprocess.run(
            ["git", "-C", tree, "ls-files", "-z"], check=True, capture_output=True, text=True
        ).stdout
        for name in listed.split("\0"):
            if name and (tree / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, self.tree / name)
        subprocess.run([python, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.python = folder / "venv" / "bin" / "python"
        show = (
            "import sys, sysconfig;"
            " print(sysconfig.get_path('scripts'), sysconfig.get_path('purelib'), *sys.path)"
        )
        scripts, *paths = _said_by(python, show).split()
        libraries = [path for path in paths if path.endswith("-packages")]
        ours = _said_by(self.python, show).split()
        (Path(ours[1]) / "copy.pth").write_text("\n".join([str(self.tree), *libraries]), encoding="utf-8")
        script = (Path(scripts) / "contentmap").read_text(encoding="utf-8").split("\n", 1)[1]
        (Path(ours[0]) / "contentmap").write_text(f"#!{self.python}\n{script}", encoding="utf-8")
        (Path(ours[0]) / "contentmap").chmod(0o755)
        found = _said_by(self.python, f"import pytest, {PACKAGE}; print({PACKAGE}.__file__)").strip()
        assert Path(found).is_relative_to(self.tree), found
        self.workers = workers
        self.left_out: list[str] = []

        self.called = folder / "called"
        (Path(ours[1]) / "mutants_called.py").write_text(
            CALLED.format(file=str(self.called)), encoding="utf-8"
        )

    def test(self, *words: str, workers: int | None = None) -> tuple[int | None, list[str], str]:
        """Run tests. Return pytest's exit code, None if they did not end in time, those that failed, and the
        output."""
        number = self.workers if workers is None else workers
        command = [str(self.python), "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", *words]
        command += ["-n", str(number)] if number > 1 else []
        for each in self.left_out:
            command += ["--deselect", each]
        process = subprocess.Popen(
            command,
            cwd=self.tree,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            return None, [], ""
        return process.returncode, FAILED.findall(said), said

    def find_callers(self, among: Sequence[Place]) -> dict[str, list[str]]:
        """Run all tests with the functions of these mutants changed to note their callers.

        Return for each mutant the tests that call its function, the shortest first. Tests that fail are left
        out from now on.
        """
        files = {place.file for place in among}
        whole = {file: file.read_bytes() for file in files}
        for file in files:
            mine = [place for place in among if place.file == file]
            file.write_text(_noting(whole[file].decode(), mine), encoding="utf-8")
        try:
            _, failed, said = self.test("--durations=0", "--durations-min=0", "-vv", "tests")
        finally:
            for file, content in whole.items():
                file.write_bytes(content)
        seconds = {name: float(took) for took, name in DURATION.findall(said)}
        everything = sorted(seconds.keys() - set(failed), key=lambda name: seconds[name])
        callers: dict[str, set[str]] = {place.mutant.id: set() for place in among}
        for line in self.called.read_text(encoding="utf-8").splitlines():
            mutant, _, test = line.partition("\t")
            callers[mutant].add(test.rpartition(" (")[0] if test.endswith("(call)") else _file_of(test))
        self.left_out = failed
        return {
            mutant: [each for each in everything if names == {""} or each in names or _file_of(each) in names]
            for mutant, names in callers.items()
        }


def _file_of(test: str) -> str:
    """The file of a test: what its fixtures call may be shared by the tests of the file."""
    return test.partition("::")[0]


def _noting(source: str, among: Sequence[Place]) -> str:
    """The source with a first statement in the functions of these mutants that notes the call."""
    lines = source.splitlines(keepends=True)
    found: dict[int, tuple[str, list[str]]] = {}
    for function, _ in _functions(ast.parse(source)):
        inside = [
            place.mutant.id
            for place in among
            if place.mutant.function == function.name
            and function.lineno <= place.line <= (function.end_lineno or 0)
        ]
        body = function.body[1 if ast.get_docstring(function) is not None and len(function.body) > 1 else 0]
        if inside:
            line = min([body.lineno, *(each.lineno for each in getattr(body, "decorator_list", ()))])
            found[line] = (" " * body.col_offset, inside)
    for line, (indent, inside) in sorted(found.items(), reverse=True):
        notes = "; ".join(f"__import__('mutants_called').note({each!r})" for each in inside)
        lines.insert(line - 1, f"{indent}{notes}\n")
    return "".join(lines)


def _said_by(python: Path, code: str) -> str:
    return subprocess.run([python, "-P", "-c", code], check=True, capture_output=True, text=True).stdout


def killed_by(copy: Copy, place: Place, tests: Sequence[str]) -> str:
    """Apply a mutant, run these tests, take it back. Return what noticed it, or nothing."""
    whole = place.file.read_bytes()
    mutated = whole[: place.start] + place.text.encode() + whole[place.end :]
    compile(mutated, str(place.file), "exec")
    place.file.write_bytes(mutated)
    by_chance: list[str] = []
    try:
        for part in (tests[:SHORT_TESTS], tests[SHORT_TESTS:]):
            while remaining := [each for each in part if each not in by_chance]:
                code, failed, _ = copy.test("-x", *remaining)
                if code is None:
                    return "time"
                if code == 0:
                    break
                if not failed:
                    return f"pytest's exit code {code}"
                if copy.test(failed[0], workers=1)[0] != 0:
                    return failed[0]
                by_chance.append(failed[0])
    finally:
        place.file.write_bytes(whole)
    return ""


def run(arguments: argparse.Namespace) -> int:
    """Run the tests against each mutant, and report."""
    mutants = [Mutant(**each) for each in json.loads(arguments.mutants.read_text(encoding="utf-8"))]
    if arguments.only:
        mutants = [each for each in mutants if each.id in arguments.only.split(",")]
    survivors: list[str] = []
    count: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Copy(arguments.tree.resolve(), arguments.python.absolute(), Path(folder), arguments.workers)
        there = places(copy.tree)
        known = {mutant.id: place for mutant in mutants if (place := find(mutant, there)) is not None}
        callers = copy.find_callers(list(known.values()))
        _say(arguments, f"fail without a mutant: {', '.join(copy.left_out) or 'none'}")
        for number, mutant in enumerate(mutants, 1):
            place = known.get(mutant.id)
            begun = time.monotonic()
            by = "" if place is None else killed_by(copy, place, callers[mutant.id])
            state = "not in this tree" if place is None else "killed" if by else "SURVIVED"
            count[state] += 1
            if state == "SURVIVED":
                survivors.append(mutant.id)
            where = "" if place is None else f"{place.file.relative_to(copy.tree)}:{place.line} "
            _say(
                arguments,
                f"{number}/{len(mutants)} {mutant.id} {state} {time.monotonic() - begun:.0f} s, "
                f"{len(callers.get(mutant.id, ()))} tests, {where}"
                f"{mutant.function}: {mutant.kind} {mutant.nth} in `{mutant.statement}`{by and f' by {by}'}",
            )
    told = ", ".join(f"{number} {state}" for state, number in count.items())
    _say(arguments, f"{len(mutants)} mutants: {told}; survivors: {','.join(survivors) or 'none'}")
    return 1 if survivors else 0


def _say(arguments: argparse.Namespace, line: str) -> None:
    print(line, flush=True)
    if arguments.output is not None:
        with arguments.output.open("a", encoding="utf-8") as kept:
            kept.write(line + "\n")


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    chooser = commands.add_parser("choose")
    chooser.add_argument("trees", nargs="+", type=Path)
    chooser.add_argument("--count", type=int, default=60)
    chooser.add_argument("--seed", type=int, default=1)
    runner = commands.add_parser("run")
    runner.add_argument("tree", type=Path)
    runner.add_argument("python", type=Path)
    runner.add_argument("mutants", type=Path)
    runner.add_argument("--only", help="ids of mutants, with commas")
    runner.add_argument("-n", dest="workers", type=int, default=2)
    runner.add_argument("--output", type=Path, help="append each line to this file as well")
    arguments = parser.parse_args()
    if arguments.command == "run":
        return run(arguments)
    mutants, lost = choose(arguments.trees, arguments.count, arguments.seed)
    print(json.dumps([asdict(each) for each in mutants], indent=1))
    print(f"{len(mutants)} chosen; {lost} more were drawn that are not in every tree", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
