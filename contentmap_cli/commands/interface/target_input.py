"""Targets from arguments, a file or standard input, validated before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from contentmap_cli.crawl.targets import TargetError, TargetLine, TargetList, group_targets, parse_target
from contentmap_cli.errors import UsageError
from contentmap_cli.output.escape import redact, terminal
from contentmap_cli.output.number_format import plural

_HINT: Final = "name domains, a file of domains with -i FILE, or - for standard input"
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LISTS: Final = frozenset({".txt", ".csv", ".tsv", ".list", ".lst", ".json", ".ndjson", ".jsonl", ".log"})
SHOWN_DUPLICATES: Final = 5
SHOWN_ERRORS: Final = 100


def read_targets(arguments: Sequence[str], source: str | None) -> TargetList:
    """Return the targets, one per domain. Raise UsageError that lists invalid targets, or for none."""
    found = group_targets(target_lines(arguments, source))
    check_targets(found.errors, len(found.targets))
    return found


def check_targets(errors: Sequence[TargetError], targets: int) -> None:
    """Raise UsageError that lists the first invalid targets, or for no targets."""
    if errors:
        rows = [
            f"{f'line {error.line}: ' if error.line else ''}{terminal(redact(error.text))}: {error.message}"
            for error in errors[:SHOWN_ERRORS]
        ]
        if len(errors) > SHOWN_ERRORS:
            rows.append(f"and {len(errors) - SHOWN_ERRORS:,} more")
        raise UsageError(
            f"{plural(len(errors), 'invalid target')}",
            hint="fix or remove these lines; nothing was scanned",
            details=rows,
        )
    if not targets:
        raise UsageError("nothing to scan: the list of targets is empty", hint=_HINT)


def domain_name(text: str) -> str:
    """Return the normalised name of a domain. Raise UsageError if it is invalid, or the URL of a file."""
    try:
        target = parse_target(text)
    except UsageError as error:
        raise UsageError(error.message, hint="name one domain, for example example.com") from None
    if target.sitemaps:
        raise UsageError(
            f"{terminal(redact(text))} is the URL of a file, not a domain",
            hint=f"name the domain: {target.domain}; `contentmap urls` takes --sitemap URL",
        )
    return target.domain


def duplicates_note(first: Sequence[TargetLine], count: int) -> str | None:
    """Return a note on `count` duplicate targets that names the `first` ones, None without duplicates."""
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
    """Yield every line, valid or not. Raise UsageError for a list that cannot be read."""
    if not arguments and source is None:
        raise UsageError("no target given", hint=_HINT)
    if "-" in arguments and source == "-":
        raise UsageError("standard input is named twice", hint=_HINT)
    for argument in arguments:
        if argument == "-":
            yield from _numbered(sys.stdin.buffer.read(), "standard input")
        elif _is_list(argument):
            raise UsageError(
                f"{terminal(argument)} is a file, not a domain",
                hint="give a file of domains with -i FILE (or --from FILE), a domain of that name as https://NAME",
            )
        elif argument.strip():
            yield TargetLine(argument, None)
        else:
            raise UsageError("empty target", hint=_HINT)
    if source == "-":
        yield from _numbered(sys.stdin.buffer.read(), "standard input")
    elif source is not None:
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read the list {source}", hint="check the name given with -i") from error
        yield from _numbered(content, source)


def _is_list(argument: str) -> bool:
    """Return whether an argument names an existing file, and hardly a domain."""
    path = Path(argument)
    is_likely = (
        argument.startswith(("/", "./", "../")) or "." not in argument or path.suffix.lower() in _LISTS
    )
    try:
        return is_likely and "://" not in argument and path.is_file()
    except (OSError, ValueError):
        return False


def _numbered(content: bytes, name: str) -> Iterator[TargetLine]:
    encoding = next((encoding for mark, encoding in _BOMS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    del content
    if "\0" in text:
        raise UsageError(f"{name} is not a text file", hint="write one domain per line, in UTF-8")
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        raise UsageError(f"{name} is HTML or XML, not a list", hint="write one domain per line")
    for number, line in enumerate(_lines_of(text), start=1):
        yield TargetLine(line, number)


def _lines_of(text: str) -> Iterator[str]:
    """Yield what `splitlines` returns, in less memory."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end
