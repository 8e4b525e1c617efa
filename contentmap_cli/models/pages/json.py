"""Page facts as compact JSON text, and back."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from contentmap_cli.errors import Failure
from contentmap_cli.models.pages import PageFacts, PageHead, PageState, PageText

VERSION: Final = 1
"""The version of the form. Facts of another version count as unknown: the page is requested again."""

_DEFAULTS: Final = {field.name: field.default for field in fields(PageFacts)}
_TIMES: Final = frozenset({"asked_at", "validated_at"})


def facts_to_json(facts: PageFacts) -> str:
    """Return facts as JSON without spaces. Fields with their default value are left out."""
    values: dict[str, Any] = {"v": VERSION}
    for name, default in _DEFAULTS.items():
        value = getattr(facts, name)
        if value == default:
            continue
        if name in _TIMES:
            value = value.isoformat()
        elif isinstance(value, PageHead | PageText | Failure):
            value = [getattr(value, part.name) for part in fields(value)]
        values[name] = value
    return json.dumps(values, separators=(",", ":"))


def facts_from_json(text: str) -> PageFacts | None:
    """Return the facts that `facts_to_json` wrote; None if the text is of another version."""
    values: dict[str, Any] = json.loads(text)
    if values.pop("v", None) != VERSION:
        return None
    for name in _TIMES & values.keys():
        values[name] = datetime.fromisoformat(values[name])
    values["state"] = PageState(values["state"])
    for name, kind in (("failure", Failure), ("head", PageHead), ("text", PageText)):
        if name in values:
            values[name] = kind(*map(_frozen, values[name]))
    return PageFacts(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    """Return a list as a tuple, and the lists in it likewise."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
