"""The structure of the package: dependencies between packages, transactions, sizes.

Read from the source with `ast`, so an import inside a function counts as much as one at the top.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "contentmap_cli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_MODULES = 14

LAYERS = {
    "errors": 0,
    "batches": 0,
    "slots": 0,
    "threads": 0,
    "models": 1,
    "sitemap": 2,
    "storage": 2,
    "check": 2,
    "output": 2,
    "crawl": 3,
    "commands": 4,
    "api": 5,
    "__main__": 6,
    "__init__": 6,  # loads the public API on first use; every package may import its `__version__`
}
"""An import may only point to a lower layer, or stay in the same package."""

HTML_PARSERS = {"lxml", "selectolax"}
FORBIDDEN = {
    "errors": {"aiohttp", *HTML_PARSERS, "sqlalchemy", "rich", "typer"},
    "batches": {"aiohttp", *HTML_PARSERS, "sqlalchemy", "rich", "typer"},
    "slots": {"aiohttp", *HTML_PARSERS, "sqlalchemy", "rich", "typer"},
    "threads": {"aiohttp", *HTML_PARSERS, "sqlalchemy", "rich", "typer"},
    "models": {"aiohttp", *HTML_PARSERS, "protego", "sqlalchemy", "rich", "typer"},
    "sitemap": {"aiohttp", "sqlalchemy", "rich", "typer"},
    "storage": {"aiohttp", *HTML_PARSERS, "protego", "rich", "typer"},
    "check": {"aiohttp", *HTML_PARSERS, "protego", "aiosqlite", "asyncpg", "alembic", "rich", "typer"}
    | {"sqlalchemy"},
    "output": {"aiohttp", *HTML_PARSERS, "protego", "aiosqlite", "asyncpg", "alembic", "typer", "sqlalchemy"},
    "crawl": {"sqlalchemy", "aiosqlite", "asyncpg", "alembic", "rich", "typer"},
}
"""Libraries that a package must not import."""

PURE = {"sitemap", "check"}
"""Packages without I/O and without an event loop."""

IMPURE_MODULES = {"asyncio", "aiohttp", "socket", "os", "pathlib", "tempfile", "urllib.request"}
TRANSACTION_METHODS = {"begin", "commit", "rollback", "begin_nested"}
GUARD = PACKAGE / "storage" / "guarded_session.py"
"""Overrides the transaction methods in order to refuse them."""

TRANSACTION_OWNERS = {"commands", "api"}
"""Packages that begin and end transactions."""

SERVICES_IN_COMMANDS = {PACKAGE / "commands" / "engine" / "domain_scan.py"}
"""Modules of `commands` that are given a session: they must not end its transaction either."""


def package_of(path: Path) -> str:
    """Return the first folder of a source file below the package, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield all statements of a block, those inside others too: a tenth of its nodes."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, part, []))


@cache
def imports(path: Path) -> list[tuple[str, str]]:
    """Return (place, module) for each module that a source file imports, `TYPE_CHECKING` blocks included."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    for node in statements(tree_of(path).body):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield place, alias.name
        else:
            assert node.level == 0, f"{place}: imports are absolute"
            module = node.module or ""
            yield place, module
            for alias in node.names:
                if (ROOT / Path(*module.split("."), alias.name)).with_suffix(".py").exists():
                    yield place, f"{module}.{alias.name}"


def test_dependencies_point_down() -> None:
    """A module imports only lower layers, or its own package; a new package is given its layer here first."""
    wrong = []
    for path in SOURCES:
        here = package_of(path)
        for place, module in imports(path):
            parts = module.split(".")
            if parts[0] != "contentmap_cli" or len(parts) == 1:
                continue
            if parts[1] != here and LAYERS[parts[1]] >= LAYERS[here]:
                wrong.append(f"{place} imports {module}")
    assert not wrong


def test_no_cycles() -> None:
    """No module reaches itself through what it imports."""
    names = {module_name(path) for path in SOURCES}
    lazy = "contentmap_cli"  # its __init__ loads the public API on first use: importing it makes no cycle
    edges = {
        module_name(path): {module for _, module in imports(path) if module in names}
        - {module_name(path), lazy}
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


def test_no_cycles_between_the_packages_of_the_crawl() -> None:
    """The folders of `crawl` depend on each other in one direction."""
    folder = "contentmap_cli.crawl."
    edges: dict[str, set[str]] = {}
    for path in SOURCES:
        here = module_name(path).removeprefix(folder).split(".")
        if module_name(path).startswith(folder) and len(here) == 2:
            found = (module.removeprefix(folder).split(".") for _, module in imports(path))
            edges.setdefault(here[0], set()).update(each[0] for each in found if len(each) > 1)
    packages = {name: sorted(edges[name] & edges.keys() - {name}) for name in edges}
    assert packages["http"] == ["access"]
    TopologicalSorter(packages).prepare()  # raises CycleError


def test_libraries_stay_in_their_packages() -> None:
    """`crawl` and `sitemap` import no SQL, `storage` no network, `output` and `check` neither."""
    wrong = [
        f"{place} imports {module}"
        for path in SOURCES
        for place, module in imports(path)
        if module.split(".")[0] in FORBIDDEN.get(package_of(path), ())
    ]
    assert not wrong


def test_only_commands_own_transactions() -> None:
    """Only commands and the public API begin, commit or roll back; services take a session. No SAVEPOINT."""
    wrong = []
    for path in SOURCES:
        service = package_of(path) not in TRANSACTION_OWNERS or path in SERVICES_IN_COMMANDS
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute) and node.attr == "begin_nested" and path != GUARD:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} .begin_nested")
            elif service and path != GUARD and isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Attribute) and called.attr in TRANSACTION_METHODS:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} .{called.attr}()")
    assert not wrong


def test_parsers_and_rules_are_pure() -> None:
    """Bytes in, entries and problems out; values in, findings out: no event loop, no files, no sockets."""
    wrong = []
    for path in (path for path in SOURCES if package_of(path) in PURE):
        wrong += [f"{place} imports {module}" for place, module in imports(path) if module in IMPURE_MODULES]
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in nodes_of(path)
            if isinstance(node, ast.AsyncFunctionDef | ast.Await)
        ]
    assert not wrong


def test_modules_are_small_and_documented() -> None:
    """A module holds one idea and opens with a docstring; a folder holds about a dozen modules."""
    wrong = []
    for path in SOURCES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES:
            wrong.append(f"{path.relative_to(ROOT)} has {lines} lines")
        if not ast.get_docstring(tree_of(path)):
            wrong.append(f"{path.relative_to(ROOT)} has no docstring")
    for folder in {path.parent for path in SOURCES}:
        modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        if len(modules) > MAX_MODULES:
            wrong.append(f"{folder.relative_to(ROOT)} has {len(modules)} modules")
    assert not wrong
