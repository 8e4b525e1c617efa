"""Text of an error that ends a command."""

from __future__ import annotations

from contentmap_cli.errors import ContentMapError
from contentmap_cli.output.escape import redact, terminal


def render_error(error: ContentMapError, cause: str | None) -> str:
    """Return `error: what: cause`, a line per detail, and after a blank line `hint: …` if there is one.

    Secrets and control characters are removed; line breaks of the hint are kept. There is no line break at
    the end.
    """
    what = terminal(redact(error.message))
    lines = [f"error: {what}: {terminal(redact(cause))}" if cause else f"error: {what}"]
    lines += [f"  {terminal(redact(detail))}" for detail in error.details]
    if error.hint:
        first, *rest = (terminal(redact(line)) for line in error.hint.splitlines())
        lines += ["", f"hint: {first}", *(f"      {line}" for line in rest)]
    return "\n".join(lines)
