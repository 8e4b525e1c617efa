"""The commands in hints and notes: they exist, and they are completed with the global options of the call."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command
from web_sites import serving, urlset

import contentmap_cli
from contentmap_cli.commands.app import app
from contentmap_cli.commands.interface.global_options import GlobalOptions

PACKAGE = Path(contentmap_cli.__file__).parent
CALL = re.compile(r"`contentmap ([^`]*)`")
OTHERS = {"contentmap check"}
"""Texts that are no hints: the name of the tool in SARIF."""
ELSEWHERE = GlobalOptions(
    db="r.db", tenant="acme", config="c.toml", given=frozenset({"db", "tenant", "config"})
)


def _texts(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield each string of a module that is no docstring and no help page, an inserted value as `x`; and
    whether it is an argument of `in_full`."""
    skipped: set[ast.AST] = set()
    completed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(node.value)
        elif isinstance(node, ast.Assign) and all(
            isinstance(target, ast.Name) and target.id.isupper() for target in node.targets
        ):
            texts = isinstance(node.value, ast.Constant) and str(node.value.value).startswith("Examples:\n")
            skipped |= {node.value} if texts else set()
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "in_full":
            completed |= set(ast.walk(node))
    parts: set[ast.AST] = set()
    for node in ast.walk(tree):
        if node in skipped or node in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            parts |= set(node.values)
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
            yield text, node in completed
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node in completed


def _found() -> list[tuple[str, str]]:
    sources = {file: file.read_text(encoding="utf-8") for file in sorted(PACKAGE.rglob("*.py"))}
    return [
        (str(file.relative_to(PACKAGE)), text)
        for file, source in sources.items()
        if "contentmap " in source
        for text, _ in _texts(ast.parse(source))
        if re.search(r"\bcontentmap (?!COMMAND)[a-z]+", text)
    ]


def test_every_hinted_command_exists_and_is_completed() -> None:
    """It has the options that the hint names, and the database, tenant and settings file of the call. A
    command is named nowhere without quotes, where it would not be recognised."""
    found = _found()
    hints = [(file, text) for file, text in found if CALL.search(text)]
    assert len(hints) > 30
    assert {file.partition("/")[0] for file, _ in hints} >= {"commands", "output", "models", "storage"}
    names = {command.name for command in app.registered_commands} | {"db"}
    bare = {text for _, text in found if not CALL.search(text)}
    assert {text for text in bare if (set(re.findall(r"contentmap (\w+)", text)) & names)} <= OTHERS | {
        "contentmap status x --watch"  # quoted where it is printed
    }
    root = get_command(app)
    with root.make_context("contentmap", ["--help"], resilient_parsing=True) as context:
        for file, text, call in ((*hint, call) for hint in hints for call in CALL.findall(hint[1])):
            full = ELSEWHERE.in_full(text)
            assert f"`contentmap --db r.db --tenant acme --config c.toml {call}`" in full, file
            command: Any = root
            words = shlex.split(call)
            while hasattr(command, "get_command"):
                command = command.get_command(context, words.pop(0))
                assert command is not None, call
            options = {name for each in command.get_params(context) for name in each.opts}
            assert {word for word in words if word.startswith("-")} <= options, call


def test_a_command_that_does_not_exist_is_left_alone() -> None:
    """Neither words of a sentence nor a path are a command."""
    for text in ("see contentmap nonsense", "in /usr/contentmap scan", "a contentmap"):
        assert ELSEWHERE.in_full(text) == text
    assert GlobalOptions().in_full("`contentmap robots a.test`") == "`contentmap robots a.test`"


def test_what_is_said_directly_is_completed() -> None:
    """A line on stderr that names a command passes `in_full`; errors and notes always do."""
    for file in sorted((PACKAGE / "commands").rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if "contentmap " in source else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("say", "print"):
                for text, completed in _texts(node):
                    assert completed or not re.search(r"contentmap [a-z]{2,}", text), (file, text)


def test_the_hint_after_a_scan_reads_the_same_database(on_sqlite: Any) -> None:
    """A hint on robots.txt, and a note of `map`."""
    pages = {
        "rob.test/robots.txt": "Sitemap: http://rob.test/s.xml\nnonsense\nDisallow: /\n",
        "rob.test/s.xml": urlset(),
    }
    with serving(pages) as sites:
        said = on_sqlite("scan", "http://rob.test", "--connect-to", sites.connect_to)
    assert f"`contentmap --db {on_sqlite.database} robots rob.test`" in said.err
    said = on_sqlite("map", "rob.test")
    assert f"`contentmap --db {on_sqlite.database} sitemaps rob.test`" in said.err
