"""The unit and the compose file say what the command takes."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import yaml

WORKERS = Path(__file__).parents[2] / "examples" / "workers"
HELD = "docs/workers.md"


def test_the_compose_file() -> None:
    """It is YAML, each service has what starts it, and what depends on what is there."""
    composed = yaml.safe_load((WORKERS / "compose.yaml").read_text(encoding="utf-8"))
    services = composed["services"]
    assert set(services) == {"postgres", "schema", "worker"}
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        assert set(service.get("depends_on", {})) <= set(services)
    build = services["worker"]["build"]
    assert (WORKERS / build["context"] / build["dockerfile"]).is_file()
    assert services["worker"]["command"][0] == "worker"
    assert services["schema"]["command"] == ["db", "upgrade"]


def test_the_unit() -> None:
    """It is restarted on failure, has more time to end than the worker takes, and names real options."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string((WORKERS / "contentmap-worker@.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    words = service["ExecStart"].split()
    assert words[1] == "worker"
    assert int(service["TimeoutStopSec"]) > float(words[words.index("--shutdown-timeout") + 1])
    source = (Path(__file__).parents[2] / "contentmap_cli" / "commands" / "worker.py").read_text()
    for option in re.findall(r"--([a-z-]+)", service["ExecStart"]):
        assert f'"--{option}"' in source or f"    {option}:" in source


def test_every_row_of_what_may_happen_names_a_test() -> None:
    """The document's table of faults names tests that exist."""
    text = (Path(__file__).parents[2] / HELD).read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert named
    assert named <= set(re.findall(r"^(?:async )?def (test_\w+)", "\n".join(sources), re.M))
