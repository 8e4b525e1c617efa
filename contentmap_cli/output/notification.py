"""Notifications: the JSON of a webhook, and the text of a mail or chat message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from contentmap_cli.models import DomainSummary
from contentmap_cli.models.results import JobEvent
from contentmap_cli.output.number_format import plural
from contentmap_cli.output.objects import SCHEMA, domain_object, job_object, timestamp, to_json

_NAMED = 10  # domains in a text
_LONGEST = 300  # characters of an error message
_SHOWN: Final = ("domain", "outcome", "urls", "added", "removed", "changed", "withheld", "error")


def job_finished(event: JobEvent) -> str:
    """Return the message of a job's end, `job.finished`, as JSON."""
    data = {name: value for name, value in job_object(event.job).items() if name not in ("type", "queue")}
    data["unexpected"] = event.unexpected
    data["results"] = [_result(summary) for summary in event.domains]
    data["results_omitted"] = event.total - len(event.domains)
    return _message("job.finished", data)


def test_message() -> str:
    """Return the message of `notify --test`."""
    return _message("test", {"schema": SCHEMA})


def _message(kind: str, data: Mapping[str, object]) -> str:
    """Return an event in the form that Standard Webhooks recommends."""
    return to_json({"type": kind, "timestamp": timestamp(datetime.now(UTC)), "data": data})


def _result(summary: DomainSummary) -> dict[str, object]:
    """Return a domain of a message."""
    result = {name: value for name, value in domain_object(summary).items() if name in _SHOWN}
    error = result["error"]
    if isinstance(error, dict):
        result["error"] = error | {"message": str(error["message"])[:_LONGEST]}
    return result


def as_text(payload: str) -> tuple[str, str]:
    """Return title and text of a message.

    The text has names of domains, codes and numbers, and nothing else that a site has published.
    """
    message = json.loads(payload)
    data = message["data"]
    if message["type"] != "job.finished":
        return "ContentMap: test", "This is a test message of ContentMap."
    counts = {name: count for name, count in data["domains"].items() if count and name != "total"}
    lines = [
        f"{plural(data['domains']['total'], 'domain')}: "
        + ", ".join(f"{count:,} {name}" for name, count in counts.items()),
        f"{data['urls']:,} URLs: {data['added']:,} added, {data['removed']:,} removed,"
        f" {data['changed']:,} changed",
        *(_line(result) for result in data["results"][:_NAMED]),
    ]
    if data["unexpected"]:
        lines.append(f"{plural(data['unexpected'], 'domain')} with an unexpected number of URLs")
    more = len(data["results"][_NAMED:]) + data["results_omitted"]
    if more:
        lines.append(f"and {plural(more, 'more domain')}")
    lines.append(f"job {data['job_id']}")
    return f"ContentMap: job {data['status']}", "\n".join(lines)


def _line(result: Mapping[str, Any]) -> str:
    error = result["error"]
    why = f" ({error['code']})" if error else ""
    changes = [f"{result[name]:,} {name}" for name in ("added", "removed", "changed") if result[name]]
    return f"{result['domain']}: {', '.join((result['outcome'] + why, *changes))}"
