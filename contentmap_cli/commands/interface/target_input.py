"""Targets as the user gave them (arguments, a file, standard input), all judged before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from contentmap_cli.crawl.targets import TargetError, TargetLine, TargetList, group_targets, parse_target
from contentmap_cli.errors import UsageError
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.figures import plural

_HINT: Final = "give domains as arguments, with --from FILE, or on standard input with -"
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
SHOWN_DUPLICATES: Final = 5


def read_targets(arguments: Sequence[str], source: str | None) -> TargetList:
    """Every target, one a domain. Raises UsageError that names all the bad ones at once, or says that
    there are none."""
    found = group_targets(target_lines(arguments, source))
    check_targets(found.errors, len(found.targets))
    return found


def check_targets(errors: Sequence[TargetError], targets: int) -> None:
    """Raises UsageError that names all the bad ones at once, or says that there are none."""
    if errors:
        rows = [
            f"{f'line {error.line}: ' if error.line else ''}{terminal(redact(error.text))}: {error.message}"
            for error in errors
        ]
        raise UsageError(
            f"{plural(len(rows), 'target')} cannot be scanned",
            hint="fix or remove these lines; nothing was scanned",
            details=rows,
        )
    if not targets:
        raise UsageError("there is nothing to scan: the list is empty", hint=_HINT)


def domain_name(text: str) -> str:
    """The recorded name of one domain, however it is spelled. Raises UsageError where it is none."""
    try:
        return parse_target(text).domain
    except UsageError as error:
        raise UsageError(error.message, hint="name one domain, such as example.com") from None


def duplicates_note(first: Sequence[TargetLine], count: int) -> str | None:
    """One line that says how many targets were given twice and which the `first` of them are, or None."""
    if not count:
        return None
    names = [
        terminal(redact(line.text)) + (f" (line {line.line})" if line.line else "")
        for line in first[:SHOWN_DUPLICATES]
    ]
    more = count - len(names)
    return (
        f"note: {plural(count, 'duplicate')} dropped: {', '.join(names)}{f' and {more} more' if more else ''}"
    )


def target_lines(arguments: Sequence[str], source: str | None) -> Iterator[TargetLine]:
    """Every line, whatever it says. Raises UsageError for a list that cannot be read."""
    if not arguments and source is None:
        raise UsageError("no target was given", hint=_HINT)
    if "-" in arguments and source == "-":
        raise UsageError("standard input can be read only once", hint=_HINT)
    for argument in arguments:
        if argument == "-":
            yield from _numbered(sys.stdin.buffer.read(), "standard input")
        elif argument.strip():
            yield TargetLine(argument, None)
        else:
            raise UsageError("a target is empty", hint=_HINT)
    if source == "-":
        yield from _numbered(sys.stdin.buffer.read(), "standard input")
    elif source is not None:
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise UsageError(
                f"the list {source} cannot be read", hint="check the name given with --from"
            ) from error
        yield from _numbered(content, source)


def _numbered(content: bytes, name: str) -> Iterator[TargetLine]:
    encoding = next((encoding for mark, encoding in _BOMS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    del content
    if "\0" in text:
        raise UsageError(f"{name} is not a text file", hint="a list has one domain a line, in UTF-8")
    for number, line in enumerate(_lines_of(text), start=1):
        yield TargetLine(line, number)


def _lines_of(text: str) -> Iterator[str]:
    """As `splitlines` gives them, but one by one: a million of them at once take more than the text does."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end
