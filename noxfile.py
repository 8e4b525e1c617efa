"""The work that repeats, as commands: `nox` runs tests, style and types; `nox -l` lists everything.

Each session installs what it needs into an environment of its own under `.nox`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["style", "types", "tests-3.11"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

DIST = Path("dist")


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
    """Measures which lines the suite reaches, in every process it starts.

    On Python 3.13, whose `sys.monitoring` makes it cheap.
    """
    session.install("-e", ".[test]", "coverage>=7.10")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-q", *(session.posargs or ["-n", "2"]))
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


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
