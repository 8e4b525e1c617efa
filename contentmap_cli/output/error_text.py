"""The text of an error that ends a command."""

from __future__ import annotations

from contentmap_cli.errors import ContentMapError
from contentmap_cli.output.escape import redact, terminal


def render_error(error: ContentMapError, cause: str | None) -> str:
    """Return `error: message (cause)`, a line for each detail, and after a blank line `hint: …`, if there
    is one.

    Without a line break at the end. Line breaks in the hint are kept, so that it can contain a command to
    copy; control characters and secrets are removed.
    """
    what = terminal(redact(error.message))
    lines = [f"error: {what} ({terminal(redact(cause))})" if cause else f"error: {what}"]
    lines += [f"  {terminal(redact(detail))}" for detail in error.details]
    if error.hint:
        first, *rest = (terminal(redact(line)) for line in error.hint.splitlines())
        lines += ["", f"hint: {first}", *(f"      {line}" for line in rest)]
    return "\n".join(lines)
