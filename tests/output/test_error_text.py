"""How a command says why it ended."""

from __future__ import annotations

from contentmap_cli.errors import DatabaseUnavailable, UsageError
from contentmap_cli.output.error_text import render_error


def test_what_cause_and_hint() -> None:
    """What happened with its cause, a blank line, the hint."""
    error = DatabaseUnavailable("the database cannot be reached", hint="is it running?")
    assert render_error(error, "connection refused") == (
        "error: the database cannot be reached: connection refused\n\nhint: is it running?"
    )


def test_no_cause_and_no_hint() -> None:
    """What is not there leaves no trace."""
    assert render_error(UsageError("no target"), None) == "error: no target"


def test_nothing_secret_and_nothing_active() -> None:
    """Passwords and terminal controls from a cause do not reach the terminal."""
    error = UsageError("bad\nline", hint="try `contentmap db check`\nor -v")
    text = render_error(error, "postgresql://u:s3cret@db/x \x1b]0;owned\x07")
    assert text == (
        "error: bad\\nline: postgresql://u:***@db/x \\x1b]0;owned\\x07\n"
        "\nhint: try `contentmap db check`\n      or -v"
    )
