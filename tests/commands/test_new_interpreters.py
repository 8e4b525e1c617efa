"""Each command in a new interpreter: an import that is missing at run time fails.

Other tests run commands in forks of an interpreter that has imported every module.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from program import Contentmap, Said
from web_sites import good_site, serving

from contentmap_cli.commands.app import app

HOST = "a.test"


pytestmark = pytest.mark.campaign


def run(program: Contentmap, line: str) -> Said:
    """What a command answers that imports everything."""
    ran = subprocess.run(
        program.words(*line.split()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=program.environment,
        cwd=program.folder,
        timeout=180,
        check=False,
    )
    return Said(ran.returncode, ran.stdout, ran.stderr)


def test_every_command_imports_what_it_uses(on_sqlite: Any, tmp_path: Path) -> None:
    """On a file, with real work: it exits as it should, and does not report a bug."""
    with serving(good_site(HOST)) as sites:
        to = f"--connect-to {sites.connect_to}"
        calls = [
            ("db upgrade", 0),
            ("db check", 0),
            (f"scan http://{HOST} {to} --max-urls 1", 3),
            ("resume --failed --json", 3),
            (f"scan http://{HOST} {to} --refresh", 0),
            ("status", 0),
            ("jobs", 0),
            ("cancel JOB", 0),
            (f"urls {HOST}", 0),
            (f"sitemaps {HOST}", 0),
            (f"robots {HOST} --test http://{HOST}/x", 0),
            (f"map {HOST}", 0),
            (f"report {HOST} -o report.html", 0),
            (f"diff {HOST}", 0),
            ("changes --limit 1", 0),
            ("notify --pending", 0),
            (f"check {HOST} --stored", 0),
            ("parse sitemap.xml", 0),
            ("config", 0),
            (f"doctor http://{HOST} {to}", 3),
            ("db prune --older-than 1d --dry-run", 0),
            ("db copy --to copy.db", 0),
            ("domains list", 0),
            ("tenants", 0),
            (f"domains remove {HOST}", 0),
        ]
        (tmp_path / "sitemap.xml").write_text(str(good_site(HOST)[f"{HOST}/sitemap.xml"]))
        for line, code in calls:
            job = "" if "JOB" not in line else on_sqlite("status", "--json").json["job_id"]
            said = run(on_sqlite, line.replace("JOB", job))
            assert (said.code, "a bug in" in said.err) == (code, False), (line, said)
    _every_command_is_in({line for line, _ in (*calls, *ON_A_SERVER)})


ON_A_SERVER = [
    ("db partition --partitions 2", 0),
    (f"scan --queue http://{HOST} --connect-to CONNECT", 0),
    ("worker --drain", 0),
    ("status --exit-code", 0),
    (f"urls {HOST}", 0),
]


def test_every_command_of_a_server_imports_what_it_uses(postgres_address: str, tmp_path: Path) -> None:
    """On PostgreSQL, with its queue."""
    program = Contentmap(tmp_path, postgres_address)
    with serving(good_site(HOST)) as sites:
        for line, code in ON_A_SERVER:
            said = run(program, line.replace("CONNECT", sites.connect_to))
            assert (said.code, "a bug in" in said.err) == (code, False), (line, said)


def _every_command_is_in(lines: set[str]) -> None:
    names = {str(command.name) for command in app.registered_commands}
    for group in app.registered_groups:
        typer = group.typer_instance
        assert typer is not None
        names |= {f"{typer.info.name} {command.name}" for command in typer.registered_commands}
    assert [
        name for name in sorted(names) if not any(f"{line} ".startswith(f"{name} ") for line in lines)
    ] == []
