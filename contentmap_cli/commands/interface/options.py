"""The options that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple, get_args

import typer

from contentmap_cli.commands.interface import completion
from contentmap_cli.commands.interface.command_decorator import Bundle, changed
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Probe
from contentmap_cli.output.formats import (
    CHECK_FORMATS,
    DIFF_FORMATS,
    ENTRY_FORMATS,
    LIST_FORMATS,
    PARSE_FORMATS,
    SCAN_FORMATS,
    Format,
    refusal,
)


class FailOn(StrEnum):
    """When a finished scan counts as a failure."""

    ANY = "any"
    ALL = "all"
    NEVER = "never"


class Answer(NamedTuple):
    """How a run answers: format, file and when it counts as failed."""

    format: Format
    output: str | None
    fail_on: FailOn


MOST_SECONDS = 31_536_000.0
"""A year: more is meant as no limit, and infinity is no number that JSON knows."""

_CRAWL = "Crawling"
_REACH = "Reaching sites"


def _format(*formats: Format) -> Any:
    names = ", ".join(formats[:-1]) + f" or {formats[-1]}"

    def read(text: str) -> Format:
        try:
            return Format(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(formats)}.") from None

    def begun(incomplete: str) -> list[str]:
        return [format.value for format in formats if format.startswith(incomplete)]

    return typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"How to write the answer: {names}.",
        parser=read,
        autocompletion=begun,
    )


DomainArgument = Annotated[
    str,
    typer.Argument(
        metavar="DOMAIN", help="A domain that was scanned.", autocompletion=completion.complete_domain
    ),
]
JobArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB_ID",
        help="The job, as scan and jobs print it.",
        autocompletion=completion.complete_job,
    ),
]
ScanFormat = Annotated[Format, _format(*SCAN_FORMATS)]
ListFormat = Annotated[Format, _format(*LIST_FORMATS)]
CheckFormat = Annotated[Format, _format(*CHECK_FORMATS)]
EntryFormat = Annotated[Format, _format(*ENTRY_FORMATS)]
DiffFormat = Annotated[Format, _format(*DIFF_FORMATS)]
ParseFormat = Annotated[Format, _format(*PARSE_FORMATS)]
JsonOption = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
JsonAlone = Annotated[bool, typer.Option("--json", help="As a JSON object.")]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the answer there, compressed where its name ends in .gz.",
    ),
]

FailOnOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on",
        envvar="CONTENTMAP_FAIL_ON",
        help="When to exit with 3 or 4: any (a domain is not clean), all (every domain failed) or never.",
    ),
]

ExpectUrls = Annotated[
    str | None,
    typer.Option(
        "--expect-urls",
        envvar="CONTENTMAP_EXPECT_URLS",
        metavar="MIN[:MAX]",
        help="Exit with 3 where a domain has fewer URLs, or more.",
    ),
]

Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        "-c",
        min=1,
        max=5000,
        envvar="CONTENTMAP_CONCURRENCY",
        help="Domains at once. Default: 100.",
        rich_help_panel=_CRAWL,
    ),
]
MaxUrls = Annotated[
    int | None,
    typer.Option(
        envvar="CONTENTMAP_MAX_URLS",
        min=1,
        help="At most so many URLs of a domain. Default: 5,000,000.",
        rich_help_panel=_CRAWL,
    ),
]
MaxFileSize = Annotated[
    str | None,
    typer.Option(
        envvar="CONTENTMAP_MAX_FILE_SIZE",
        metavar="SIZE",
        help="Maximum size of a file, decompressed, such as 61MiB or 100MB. Default: 50MiB.",
        rich_help_panel=_CRAWL,
    ),
]
MaxTime = Annotated[
    float | None,
    typer.Option(
        envvar="CONTENTMAP_MAX_TIME",
        min=0.1,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Stop the whole run after so long; `contentmap resume` goes on.",
        rich_help_panel=_CRAWL,
    ),
]
DomainTime = Annotated[
    float | None,
    typer.Option(
        envvar="CONTENTMAP_DOMAIN_TIME",
        min=0.1,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Time for one domain. Default: 900.",
        rich_help_panel=_CRAWL,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        envvar="CONTENTMAP_TIMEOUT",
        min=0.1,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Time for one request, of which 15 may be silent. Default: 60.",
        rich_help_panel=_CRAWL,
    ),
]
Delay = Annotated[
    float | None,
    typer.Option(
        envvar="CONTENTMAP_DELAY",
        min=0.0,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Least pause between two requests to a host. Its robots.txt may ask for a longer one.",
        rich_help_panel=_CRAWL,
    ),
]
ProbeOption = Annotated[
    Probe | None,
    typer.Option(
        "--probe",
        envvar="CONTENTMAP_PROBE",
        help="Ask for well-known sitemap paths: auto (where nothing else names a sitemap), always or never.",
        rich_help_panel=_CRAWL,
    ),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full", envvar="CONTENTMAP_FULL", help="Fetch and read everything anew.", rich_help_panel=_CRAWL
    ),
]
IgnoreRobots = Annotated[
    bool,
    typer.Option(
        "--ignore-robots",
        envvar="CONTENTMAP_IGNORE_ROBOTS",
        help="Crawl where robots.txt forbids it or cannot be read. For sites of your own.",
        rich_help_panel=_CRAWL,
    ),
]
UserAgent = Annotated[
    str | None,
    typer.Option(
        envvar="CONTENTMAP_USER_AGENT", help="Name and contact shown to sites.", rich_help_panel=_REACH
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        envvar="CONTENTMAP_HEADER",
        metavar="NAME:VALUE",
        help="Send this header to the scanned sites. Repeatable.",
        rich_help_panel=_REACH,
    ),
]
Proxy = Annotated[
    str | None,
    typer.Option(
        envvar="CONTENTMAP_PROXY", metavar="URL", help="Fetch through this proxy.", rich_help_panel=_REACH
    ),
]
ConnectToOption = Annotated[
    list[str] | None,
    typer.Option(
        "--connect-to",
        envvar="CONTENTMAP_CONNECT_TO",
        metavar="HOST:PORT:ADDR:PORT",
        help="Reach a host elsewhere, as with curl; empty HOST or PORT: any. Repeatable.",
        rich_help_panel=_REACH,
    ),
]
AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        envvar="CONTENTMAP_ALLOW_PRIVATE",
        help="Also reach private and loopback addresses.",
        rich_help_panel=_REACH,
    ),
]
AllowNet = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-net",
        envvar="CONTENTMAP_ALLOW_NET",
        metavar="CIDR",
        help="Also reach this network. Repeatable.",
        rich_help_panel=_REACH,
    ),
]
CaFile = Annotated[
    str | None,
    typer.Option(
        "--ca-file",
        envvar="CONTENTMAP_CA_FILE",
        metavar="FILE",
        help="Trust these certificate authorities as well (PEM).",
        rich_help_panel=_REACH,
    ),
]
BodyCache = Annotated[
    str | None,
    typer.Option(
        "--body-cache",
        envvar="CONTENTMAP_BODY_CACHE",
        metavar="FOLDER",
        help="Keep large files there, to read only what changed next time; off: nowhere.",
        rich_help_panel=_CRAWL,
    ),
]

SECRET: Final = frozenset({"header", "proxy"})
"""What may carry credentials is never recorded: it is given again."""

LOCAL: Final = frozenset({"body_cache"})
"""What is a matter of the machine that does the work is not recorded either."""

CRAWL: Final[dict[str, Any]] = {
    "concurrency": Concurrency,
    "max_urls": MaxUrls,
    "max_file_size": MaxFileSize,
    "max_time": MaxTime,
    "domain_time": DomainTime,
    "timeout": Timeout,
    "delay": Delay,
    "probe": ProbeOption,
    "full": Full,
    "ignore_robots": IgnoreRobots,
    "user_agent": UserAgent,
    "header": Header,
    "proxy": Proxy,
    "connect_to": ConnectToOption,
    "allow_private": AllowPrivate,
    "allow_net": AllowNet,
    "ca_file": CaFile,
    "body_cache": BodyCache,
    "expect_urls": ExpectUrls,
}
"""How to crawl, in the order of the help. Each is a field of `ScanSettings`."""


def _without(*names: str) -> Bundle:
    return Bundle({name: option for name, option in CRAWL.items() if name not in names})


def _of_the_job(bundle: Bundle) -> Bundle:
    """The same options where the default is what a job has recorded."""
    return Bundle(
        {
            name: changed(option, help=str(get_args(option)[1].help).partition(" Default:")[0])
            for name, option in bundle.options.items()
        }
    )


SCANNED: Final = Bundle(CRAWL)
RESUMED: Final = _of_the_job(
    _without("max_urls", "max_file_size", "probe", "full", "ignore_robots", "user_agent")
)
CHECKED: Final = _without("concurrency", "max_time", "full", "body_cache", "expect_urls")
ScanCrawl = Annotated[Mapping[str, Any], SCANNED]
ResumedCrawl = Annotated[Mapping[str, Any], RESUMED]
CheckCrawl = Annotated[Mapping[str, Any], CHECKED]


def chosen(format: Format, as_json: bool, allowed: tuple[Format, ...]) -> Format:
    """The format asked for, `--json` being a short word for one. Raises UsageError for one that this answer
    does not have, or for two."""
    if as_json and format is not allowed[0] and format is not Format.JSON:
        raise UsageError(f"--json and --format {format.value} ask for two answers", hint="give one of them")
    wanted = Format.JSON if as_json else format
    if wanted not in allowed:
        raise refusal(wanted, allowed)
    return wanted
