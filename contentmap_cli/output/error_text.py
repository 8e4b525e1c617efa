"""How an error that ends a command is said to a person."""

from __future__ import annotations

from contentmap_cli.errors import ContentMapError
from contentmap_cli.output.escape import redact, terminal


def render_error(error: ContentMapError, cause: str | None) -> str:
    """`error: what (cause)`, a line for each detail, and after a blank line `hint: …` where there is one.

    There is no line break at the end. The hint's own line breaks stay, so that it can hold a command to
    copy; its secrets and controls do not.
    """
    what = terminal(redact(error.message))
    lines = [f"error: {what} ({terminal(redact(cause))})" if cause else f"error: {what}"]
    lines += [f"  {terminal(redact(detail))}" for detail in error.details]
    if error.hint:
        first, *rest = (terminal(redact(line)) for line in error.hint.splitlines())
        lines += ["", f"hint: {first}", *(f"      {line}" for line in rest)]
    return "\n".join(lines)
