"""The house: which room may know which, and who may touch a transaction.

Read from the source with `ast`, so an import inside a function counts as much as one at the top.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "contentmap_cli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# A room's floor. An import may only point to a lower floor, or stay in the same room.
FLOORS = {
    "__init__": 0,
    "errors": 0,
    "sources": 1,
    "values": 2,
    "batches": 3,
    "evidence": 3,
    "findings": 3,
    "robots": 3,
    "sections": 3,
    "sinks": 3,
    "views": 3,
    "rows": 4,
    "check": 5,
    "crawl": 5,
    "records": 5,
    "report": 5,
    "pipeline": 6,
    "commands": 7,
    "__main__": 8,
}
# What a wing must never know, whoever imports it there.
FORBIDDEN = {
    "crawl": {"sqlalchemy", "aiosqlite", "asyncpg", "alembic", "rich", "typer"},
    "records": {"aiohttp", "lxml", "protego", "rich", "typer"},
    "report": {"aiohttp", "lxml", "protego", "sqlalchemy", "aiosqlite", "asyncpg", "alembic", "typer"},
    "check": {"aiohttp", "lxml", "protego", "sqlalchemy", "aiosqlite", "asyncpg", "alembic", "rich", "typer"},
    "pipeline": {"aiohttp", "lxml", "sqlalchemy", "aiosqlite", "asyncpg", "rich", "typer"},
    "values": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "errors": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "rows": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "sinks": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "sections": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "robots": {"aiohttp", "lxml", "protego", "sqlalchemy", "rich", "typer"},
    "findings": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "sources": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "evidence": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
    "views": {"aiohttp", "lxml", "sqlalchemy", "rich", "typer"},
}
PURE = (PACKAGE / "crawl" / "parsing", PACKAGE / "check")
IMPURE_MODULES = {"asyncio", "aiohttp", "socket", "os", "pathlib", "tempfile", "urllib.request"}
TRANSACTION_VERBS = {"begin", "commit", "rollback", "begin_nested"}


def room(path: Path) -> str:
    """The room a source file stands in: its first folder below the package, or its own name."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a source file imports, absolute, with its line, `TYPE_CHECKING` blocks included."""
    package = module_name(path).split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package if path.name == "__init__.py" else package[:-1]
                base = base[: len(base) - node.level + 1]
                prefix = ".".join(base)
                yield node.lineno, f"{prefix}.{node.module}" if node.module else prefix
            else:
                module = node.module or ""
                yield node.lineno, module
                for alias in node.names:
                    if (ROOT / Path(*module.split("."), alias.name)).with_suffix(".py").exists():
                        yield node.lineno, f"{module}.{alias.name}"


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_every_room_has_a_floor(path: Path) -> None:
    """A new room is given its floor here before anything is built in it."""
    assert room(path) in FLOORS


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_imports_point_down(path: Path) -> None:
    """A module imports only lower floors, or its own room."""
    here = room(path)
    for line, module in imports(path):
        if module.split(".")[0] != "contentmap_cli":
            continue
        parts = module.split(".")
        there = parts[1] if len(parts) > 1 else "__init__"
        if there not in FLOORS:  # `from contentmap_cli import __version__`
            there = "__init__"
        assert there == here or FLOORS[there] < FLOORS[here], f"{ids(path)}:{line} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_wings_do_not_know_each_other(path: Path) -> None:
    """The network wing imports no SQL, the SQL wing no network, the report wing neither."""
    forbidden = FORBIDDEN.get(room(path), set())
    for line, module in imports(path):
        assert module.split(".")[0] not in forbidden, f"{ids(path)}:{line} imports {module}"


def test_no_circles() -> None:
    """No module reaches itself through what it imports."""
    names = {module_name(path) for path in SOURCES}
    edges = {
        module_name(path): {module for _, module in imports(path) if module in names} - {module_name(path)}
        for path in SOURCES
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name in done:
            return
        for target in sorted(edges[name]):
            # a package's own __init__ runs before its modules: importing it from inside is the same import
            if not trail or not name.startswith(f"{target}."):
                visit(target, (*trail, name))
        done.add(name)

    for name in sorted(edges):
        visit(name, ())


@pytest.mark.parametrize("path", [path for path in SOURCES if room(path) != "commands"], ids=ids)
def test_only_commands_own_transactions(path: Path) -> None:
    """Nobody but a command begins, commits or rolls back; services take a session as it is."""
    if path == PACKAGE / "records" / "guard.py":
        pytest.skip("the guard itself: it overrides these methods in order to refuse them")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in TRANSACTION_VERBS, f"{ids(path)}:{node.lineno} .{node.func.attr}()"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_no_savepoint_anywhere(path: Path) -> None:
    """The word itself appears in no SQL text, and no code asks for a nested transaction."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr != "begin_nested" or path.name == "guard.py", f"{ids(path)}:{node.lineno}"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if not set(PURE).isdisjoint(path.parents)], ids=ids
)
def test_parsers_and_rules_are_pure(path: Path) -> None:
    """Bytes in, entries and problems out; values in, findings out: no event loop, no files, no sockets."""
    for line, module in imports(path):
        assert module not in IMPURE_MODULES, f"{ids(path)}:{line} imports {module}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{ids(path)}:{node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_no_file_outgrows_its_idea(path: Path) -> None:
    """A file over about 400 lines holds more than one idea."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_every_module_says_what_it_is(path: Path) -> None:
    """Each module opens with a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
