"""What is installed to check a change, and what is said when an advisory is found or cannot be asked for."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "ci.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    """The packages of a list of requirements, in lower case."""
    return {re.match(r"[A-Za-z0-9._-]+", each)[0].lower().replace(".", "-") for each in requirements}  # type: ignore[index]


@pytest.fixture
def audit() -> ModuleType:
    """The audit of .ci."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_is_locked_by_hash() -> None:
    """Each has one version and at least one hash; whatever the project asks for is among them."""
    entries = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8").strip())
    locked = {entry.partition("==")[0].lower() for entry in entries}
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==[0-9][^ ]*", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    extras = PROJECT["optional-dependencies"]
    wanted = names(PROJECT["dependencies"]) | names(extras["test"]) | names(extras["dev"])
    assert wanted - {PROJECT["name"]} <= locked


def test_no_index_stands_in_the_lock() -> None:
    """Where packages come from is a matter of the machine."""
    assert not re.search(r"://|--(?:extra-)?index|--find-links|--trusted", LOCK.read_text(encoding="utf-8"))


def test_every_dependency_is_explained() -> None:
    """docs/dependencies.md has a row for each requirement, with the floor that pyproject.toml has."""
    table = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    extras = PROJECT["optional-dependencies"]
    for requirement in chain(PROJECT["dependencies"], *extras.values()):
        name, _, floor = requirement.partition(";")[0].replace("[asyncio]", "").partition(">=")
        if floor:
            assert f"| `{name}` | {floor} |" in table, requirement


def test_a_finding_fails_and_no_network_does_not(
    audit: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """One advisory, or one package that alone cannot be audited, is exit code 1; no answer at all is 0."""
    fine = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "1", "vulns": [{"id": "X-1"}]}
    unknown = {"name": "c", "skip_reason": "not found"}
    assert audit.judge([fine]) == 0
    assert audit.judge([fine, bad]) == 1
    assert audit.judge([bad, unknown]) == 1
    assert audit.judge([fine, unknown]) == 1
    capsys.readouterr()
    assert audit.judge([unknown, unknown]) == 0
    assert capsys.readouterr().out.count("\n") == 1
