"""What breaks a rule and how to repair it, from `rules.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from contentmap_cli.check.registry import RULES
from contentmap_cli.errors import UsageError
from contentmap_cli.models.findings import Rule


class Explanation(NamedTuple):
    """A rule, an example that breaks it, and its repair."""

    rule: Rule
    example: str
    repair: str


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))


def explanation(rule: Rule) -> Explanation:
    """Return the explanation of a rule."""
    texts = _texts()[rule.id]
    return Explanation(rule, texts["example"].strip("\n"), texts["repair"])


def explanations(name: str) -> list[Explanation]:
    """Return the explanations of the rule with this id, or of those that begin with it. Raises UsageError for
    none."""
    found = [RULES[name]] if name in RULES else [each for each in RULES.values() if each.id.startswith(name)]
    if not found or not name:
        raise UsageError(f"no rule '{name[:80]}'", hint="see `contentmap check --list-rules`")
    return [explanation(rule) for rule in found]
