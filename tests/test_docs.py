"""The documents say what the code does."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from sqlalchemy import create_engine
from sqlalchemy import text as sql

from contentmap_cli.check.checker import RULES
from contentmap_cli.check.explanations import _texts, explanation
from contentmap_cli.commands.app import app
from contentmap_cli.crawl.known_paths import PATHS, PLATFORMS
from contentmap_cli.errors import Code, Exit
from contentmap_cli.models import DiscoveryMethod, JobStatus, ScanStatus
from contentmap_cli.models.comparison import Change, Comparison, Counts, Kind, ScanPoint
from contentmap_cli.models.diagnosis import Check, Level
from contentmap_cli.models.findings import CheckSummary, Finding, Occurrence
from contentmap_cli.models.robots import RobotsState, RobotsVerdict, RobotsVersion
from contentmap_cli.models.sections import Section, SectionCounter
from contentmap_cli.output.answers.diagnosis import diagnosis_check_object, diagnosis_object
from contentmap_cli.output.answers.diff import change_object, diff_object
from contentmap_cli.output.answers.map import SiteMap, map_object, section_object, write_map
from contentmap_cli.output.findings.objects import check_object, occurrence_object
from contentmap_cli.output.formats import Format
from contentmap_cli.output.objects import robots_object, verdict_object
from contentmap_cli.sitemap.problems import ProblemCode
from contentmap_cli.storage.tables import Base

ROOT = Path(__file__).parent.parent


def _table(document: str, heading: str) -> list[str]:
    """The first column of the table below a heading."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [name for row in re.findall(r"^\| (.+?) \|", section, re.M)[1:] for name in row.split(", ")]


def test_every_outcome_is_documented() -> None:
    """Outcomes and statuses stand in the tables, each once."""
    finished = [f"`{status}`" for status in ScanStatus if status.finished]
    assert _table("outcomes.md", "Outcomes of a domain") == finished
    assert _table("outcomes.md", "Status of a job") == [f"`{status}`" for status in JobStatus]


def test_every_code_is_documented() -> None:
    """No code is missing from the table and none stands there that the code does not know."""
    assert _table("outcomes.md", "Codes") == [f"`{code}`" for code in Code]


def test_every_problem_is_documented() -> None:
    """The problems of a document, less those that share their name with an outcome code."""
    own = {code.value for code in ProblemCode} - {code.value for code in Code}
    assert {name.strip("`") for name in _table("outcomes.md", "Problems of a document")} == own


def test_every_way_to_find_a_file_is_documented() -> None:
    """Methods by their names, known paths one by one, and how many there are where README boasts of it."""
    text = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    methods, paths = (
        text.split("\n## How a file was found\n")[1].split("\n## ")[0].split("| known paths of |")
    )
    platforms = methods.partition("| platform |")[2]
    rows = [
        (row[0], tuple(re.findall(r"`(.+?)`", row[1])))
        for row in re.findall(r"(?m)^\| (\w.*?) \| (`.*) \|$", platforms)
    ]
    assert rows == [(platform.name, platform.paths) for platform in PLATFORMS]
    found = {*re.findall(r"^\| `(\w+)` \|", methods, re.M)}
    assert found - {"discovered_by"} == set(DiscoveryMethod)
    assert tuple(re.findall(r"`(.+?)`", paths)) == PATHS
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"robots.txt, {len(PATHS)} known paths" in readme


def test_every_exit_code_is_documented() -> None:
    """The codes of the command line, and hang-up, which is the shell's own."""
    codes = {value for name, value in vars(Exit).items() if name.isupper()} | {129}
    assert {int(code) for code in _table("outcomes.md", "Exit codes")} == codes


def test_every_fault_is_shown_by_a_test() -> None:
    """Each row of the table of faults names tests that exist, and every test of faults stands there."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, *rows = [
        line for line in text.split("\n## Faults\n")[1].split("\n## ")[0].splitlines() if line[:2] == "| "
    ]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "faults").glob("test_*.py")]
    written = set(re.findall(r"^def (test_\w+)", "\n".join(sources), re.M))
    named = [set(re.findall(r"`(test_\w+)`", row)) for row in rows]
    assert all(named)
    assert set.union(*named) == written


def test_every_field_of_an_answer_is_documented() -> None:
    """The fields of check, diff, map and robots are those that the page names, no more and no less."""
    point = ScanPoint(1, "sitemap_0", ScanStatus.OK, True, datetime.now(UTC), 1)
    section = Section("https://a.test/")
    rule = next(iter(RULES.values()))
    now = datetime.now(UTC)
    version = RobotsVersion(1, RobotsState.ABSENT, "", "", 404, None, None, (), first_seen=now, last_seen=now)
    answers = {
        "check": {**check_object(CheckSummary((), 0, 0, {})), "rules": []},
        "finding": occurrence_object(Finding(rule, "a.test", None, None, "m"), Occurrence()),
        "diff": diff_object(Comparison("a.test", None, point), Counts()),
        "change": change_object("a.test", Change(Kind.ADDED, "https://a.test/")),
        "map": map_object(SiteMap("a.test", section, 1, 0, "2026-01")),
        "section": section_object(section, 0, 0),
        "robots": robots_object("a.test", version),
        "diagnosis": diagnosis_object("a.test", []),
        "diagnosis check": diagnosis_check_object(Check("dns", Level.OK, "a.test", "1 address")),
        "robots_test": verdict_object(RobotsVerdict("https://a.test/", "a", allowed=True)),
    }
    for name, answer in answers.items():
        rows = _table("answers.md", name)
        assert sorted(field.strip("`") for field in rows) == sorted(answer), name


def test_every_rule_is_documented() -> None:
    """Each rule has an example and a repair, and nothing else has; the page is compared below."""
    assert set(_texts()) == set(RULES)
    assert all(explanation(rule).example and explanation(rule).repair for rule in RULES.values())


def test_the_reference_is_what_the_commands_say() -> None:
    """The pages are word for word what commands and rules say, whatever the machine it runs on."""
    words = [sys.executable, ROOT / "docs" / "make_reference.py", "--check"]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def _commands(text: str) -> list[list[str]]:
    """The `contentmap` commands in the code of a Markdown document or in the epilog of a help."""
    lines = re.findall(r"^(?:\s*|[0-9* ]+)(contentmap [a-z-].*)$", text, re.M)
    commands = [line for line in lines if "[OPTIONS]" not in line]  # not the usage lines of the reference
    return [shlex.split(re.split(r" [<|>] ", line)[0])[1:] for line in commands]


def test_every_command_in_the_documents_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and options of README, docs, examples and help texts exist; nothing is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "staging.toml").touch()
    root = typer.main.get_command(app)
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
    files += [*(ROOT / "docs").glob("*.md"), *(ROOT / "examples" / "nightly").iterdir()]
    calls = [(file.name, call) for file in files for call in _commands(file.read_text(encoding="utf-8"))]
    for command in app.registered_commands:
        calls += [(f"{command.name} --help", call) for call in _commands(str(command.epilog))]
    assert len(calls) > 80
    for source, call in calls:
        context, command, words = None, root, call
        while True:
            # raises for an unknown command, option or argument
            context = command.make_context("contentmap", words, parent=context)
            if not hasattr(command, "resolve_command"):
                break
            name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None, (source, call, name)


def test_every_test_named_in_the_transaction_model_exists() -> None:
    """Each mistake names the tests that show what prevents it."""
    text = (ROOT / "docs" / "transactions.md").read_text(encoding="utf-8")
    rows = [line for line in text.split("## Mistakes")[1].split("\n## ")[0].splitlines() if line[:2] == "| "]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    written = set(re.findall(r"^(?:async )?def (test_\w+)", sources, re.M))
    assert all(re.findall(r"`test_\w+`", row) for row in rows[1:])
    assert set(re.findall(r"`(test_\w+)`", text)) <= written


def test_every_column_is_documented() -> None:
    """Each table has a section, and each of its columns a row there, in no other."""
    text = (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0]: part for part in text.split("\n## ")[1:]}
    for table in Base.metadata.sorted_tables:
        rows = re.findall(r"^\| (`.+?) \|", sections[table.name], re.M)
        named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        assert sorted(named) == sorted(column.name for column in table.columns), table.name


def test_every_field_of_a_map_is_documented() -> None:
    """Those of the map and those of a section, in the order in which they come."""
    counter = SectionCounter()
    counter.add([("https://a.test/blog/x", "2026-11-01T00:00:00Z")])
    out = io.StringIO()
    write_map(Format.JSON, out, SiteMap("a.test", counter.tree(), 1, 1, "2026-11"))
    answer = json.loads(out.getvalue())
    text = (ROOT / "docs" / "maps-and-reports.md").read_text(encoding="utf-8")
    _, of_map, of_section = re.split(r"^\| field of .*\n", text, flags=re.M)

    def named(part: str) -> list[str]:
        rows = re.findall(r"^\| (`.+?) \|", part.split("\n\n", maxsplit=1)[0], re.M)
        return [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert named(of_map) == list(answer)
    assert named(of_section) == list(answer["root"])
    assert set(answer["root"]["sections"][0]) == set(answer["root"])


def test_the_questions_in_sql_are_answered(tmp_path: Path) -> None:
    """The queries of the page run on a new database as they stand."""
    text = (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8")
    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        questions = re.findall(r"```sql\n(.*?)```", text, re.S)
        assert questions
        for question in questions:
            assert connection.execute(sql(question)).all() == []
    engine.dispose()


def test_every_name_in_the_architecture_exists() -> None:
    """Modules and folders by their paths, functions, classes and methods in some module of the package."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "contentmap_cli").rglob("*.py")}
    known = set(
        re.findall(r"^ *(?:async def|def|class) (\w+)|^ *(\w+)(?: = |: )", "\n".join(sources.values()), re.M)
    )
    names = {name for pair in known for name in pair}
    missing = []
    for word in re.findall(r"`([\w./]+)(?:\(.*?\))?`", text):
        if word.startswith(("contentmap_cli", "test_")):
            continue
        if "/" in word or word.endswith((".py", ".md", ".toml")):
            places = (
                ROOT / word,
                ROOT / "contentmap_cli" / word,
                *(ROOT / "contentmap_cli").rglob(word.strip("/")),
            )
            missing += [] if any(place.exists() for place in places) else [word]
        elif "_" in word or word != word.lower():
            missing += [part for part in word.split(".") if part.strip("_") and part not in names]
    assert missing == []
