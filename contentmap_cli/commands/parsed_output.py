"""Writes a parsed document: its entries, then the document with its problems."""

from __future__ import annotations

from typing import BinaryIO, TextIO

from contentmap_cli.commands.interface.answer_output import answer_to, say, width_of
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.crawl.reading.entry_spool import EntrySpool
from contentmap_cli.errors import Exit
from contentmap_cli.models import Document, FileStatus, Limits
from contentmap_cli.output.escape import redact
from contentmap_cli.output.formats import Format, entries_writer
from contentmap_cli.output.number_format import plural
from contentmap_cli.output.objects import any_entry_object, document_object, to_json
from contentmap_cli.sitemap import parse_document


def write_parsed(
    cli: GlobalOptions,
    source: BinaryIO,
    base: str | None,
    format: Format,
    output: str | None,
    *,
    robots: bool,
) -> int:
    """Parse `source` and write it. Return 0 if it was read completely, 3 otherwise."""
    limits = Limits()
    # entries are spooled: strict parsing that fails late is repeated in tolerant mode
    with EntrySpool() as spool:
        document = parse_document(source, spool, base=base, limits=limits, robots=robots)
        with answer_to(output) as out:
            _write(cli, document, spool, format, out)
    nothing_read = document.losses and not document.entries
    whole = document.complete and document.failure is None and not nothing_read
    return Exit.CLEAN if whole else Exit.NOT_CLEAN


def _write(cli: GlobalOptions, document: Document, spool: EntrySpool, format: Format, out: TextIO) -> None:
    if format is Format.NDJSON:
        for batch in spool.read():
            out.writelines(f"{to_json(any_entry_object(entry))}\n" for entry in batch)
        out.write(to_json(document_object(document)) + "\n")
    elif format is Format.JSON:
        out.write(to_json(document_object(document))[:-1] + ', "results": [')
        separator = ""
        for batch in spool.read():
            for entry in batch:
                out.write(separator + to_json(any_entry_object(entry)))
                separator = ", "
        out.write("]}\n")
    else:
        writer = entries_writer(format, out, width=width_of(out), color=cli.colored(out))
        for batch in spool.read():
            writer.write_all(batch)
        writer.finish()
        if not cli.quiet:
            out.flush()
            _say(document)


def _say(document: Document) -> None:
    """Print the document and its problems on stderr, for formats that cannot hold them."""
    state = FileStatus.OK if document.complete and document.failure is None else FileStatus.PARTIAL
    if not document.kind.is_sitemap and document.failure is not None:
        state = FileStatus.FAILED
    entries = plural(document.entries, "entry", "entries")
    say(f"{document.kind}: {entries}, {state}, {document.encoding or 'no encoding'}")
    for problem in document.problems:
        line = f"line {problem.line}: " if problem.line else ""
        times = f" ({problem.count:,} times)" if problem.count > 1 else ""
        say(f"  {problem.code}: {line}{redact(problem.message)}{times}")
