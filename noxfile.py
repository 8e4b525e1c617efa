"""The work that repeats, as commands: `nox` runs tests, style and types; `nox -l` lists everything.

Each session installs what it needs into an environment of its own under `.nox`.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["style", "types", "tests-3.11"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

DIST = Path("dist")
FLOORS = {
    "contentmap_cli/crawl/*": 99,
    "contentmap_cli/storage/*": 99,
    "contentmap_cli/commands/engine/domain_scan.py": 100,
}
"""What share of the lines must be reached, in percent, besides that of the whole in pyproject.toml."""


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Runs the suite, or the tests named after `--`."""
    session.install(".[test]")
    session.run("pytest", "-q", *(session.posargs or ["-n", "2"]))


@nox.session(python="3.11")
def style(session: nox.Session) -> None:
    """Checks style and form; `nox -s style -- --fix` mends what can be mended."""
    session.install("ruff>=0.14")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *([] if session.posargs else ["--check"]), ".")


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Checks the types, strictly."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session(python="3.11")
def reference(session: nox.Session) -> None:
    """Writes docs/reference.md from the commands."""
    session.install("-e", ".")
    session.run("python", "docs/make_reference.py")


@nox.session(python="3.13")
def coverage(session: nox.Session) -> None:
    """Measures which lines the suite reaches, in every process it starts, and holds that to its floors.

    On Python 3.13, whose `sys.monitoring` makes it cheap. `nox -s coverage -- tests/crawl` measures what a
    part of the suite reaches, and holds that to nothing.
    """
    session.install("-e", ".[test,parquet]", "coverage>=7.10")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-q", *(session.posargs or ["-n", "2", "-m", ""]))
    broken = [file for file in Path().glob(".coverage.*") if not _is_whole(file)]
    for file in broken:
        file.unlink()
    session.log(
        "%d data files were left half written by processes that were killed, and are dropped", len(broken)
    )
    session.run("coverage", "combine", "--quiet")
    for part, floor in FLOORS.items() if not session.posargs else ():
        session.log("%s: at least %d %%", part, floor)
        session.run("coverage", "report", f"--include={part}", f"--fail-under={floor}")
    session.run("coverage", "report", *(["--fail-under=0"] if session.posargs else []))


def _is_whole(file: Path) -> bool:
    """Whether a data file of coverage can be read from end to end."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            database.execute("SELECT version FROM coverage_schema").fetchone()
            return bool(database.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


@nox.session(python="3.11")
def release(session: nox.Session) -> None:
    """Builds wheel and sdist into dist/, tries the wheel in an empty environment, lists what it brings along.

    The list is `sbom.cdx.json`, a CycloneDX bill of materials. Nothing is uploaded.
    """
    session.install("build>=1.2", "twine>=6.1", "cyclonedx-bom>=7.0")
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(DIST))
    wheel, sdist = next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))
    # the description that an index shows is README: it has to render
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    empty = Path(session.create_tmp()) / "empty"
    session.run("python", "-m", "venv", "--clear", str(empty))
    session.run(str(empty / "bin" / "pip"), "install", "--quiet", str(wheel), external=True)
    session.run(str(empty / "bin" / "python"), "examples/demo/run.py", external=True, silent=True)
    session.run(
        "cyclonedx-py",
        "environment",
        str(empty),
        "--pyproject=pyproject.toml",
        "--output-reproducible",
        f"--output-file={DIST / 'sbom.cdx.json'}",
    )
    session.log("dist/ holds %s", ", ".join(sorted(path.name for path in DIST.iterdir())))
