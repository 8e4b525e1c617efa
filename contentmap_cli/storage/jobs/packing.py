"""Sources and targets of a domain scan as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contentmap_cli.errors import Failure
from contentmap_cli.models import Target
from contentmap_cli.models.evidence import Source, SourceKind, SourceState


def pack_source(source: Source) -> dict[str, Any]:
    """Return a source as the JSON object that a domain scan records."""
    failure = source.failure
    packed: dict[str, Any] = {
        "source": source.kind,
        "url": source.url,
        "state": source.state,
        "code": failure.code if failure is not None else None,
        "message": failure.message if failure is not None else None,
    }
    return packed | {"files": source.entries} if source.kind is SourceKind.SELECTION else packed


def unpack_evidence(packed: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
    """Return the sources that a domain scan recorded."""
    return tuple(
        Source(
            SourceKind(each["source"]),
            each["url"],
            SourceState(each["state"]),
            Failure(each["code"], each["message"] or "") if each["code"] else None,
            entries=each.get("files", 0),
        )
        for each in packed
    )


def pack_target(target: Target) -> dict[str, Any]:
    """Return a target as the JSON object that a domain scan records."""
    return {
        "domain": target.domain,
        "origins": list(target.origins),
        "sitemaps": list(target.sitemaps),
        "path": target.path,
        "more_paths": list(target.more_paths),
    }


def unpack_target(packed: Mapping[str, Any]) -> Target:
    """Return the target that a domain scan recorded."""
    return Target(
        packed["domain"],
        tuple(packed["origins"]),
        tuple(packed["sitemaps"]),
        packed["path"],
        tuple(packed["more_paths"]),
    )
