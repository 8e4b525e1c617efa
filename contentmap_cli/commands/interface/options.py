"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

import typer

from contentmap_cli.commands.interface import completion
from contentmap_cli.commands.interface.command_decorator import Bundle, changed
from contentmap_cli.commands.interface.help_pages import MORE
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
    """When a finished scan exits with 3 or 4: a domain has errors, every domain failed, or never."""

    ANY = "any"
    ALL = "all"
    NEVER = "never"


class Answer(NamedTuple):
    """Output of a run: format, file, and when the exit code says that it failed."""

    format: Format
    output: str | None
    fail_on: FailOn


MOST_SECONDS = 31_536_000.0
"""One year, the largest number of seconds that an option takes. Infinity has no JSON form."""

_CRAWL = "Crawling"
_NETWORK = "Network"


def _format(*formats: Format) -> Any:
    def read(text: str) -> Format:
        try:
            return Format(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(formats)}.") from None

    def complete(incomplete: str) -> list[str]:
        return [format.value for format in formats if format.startswith(incomplete)]

    names = "|".join(format for format in formats if format is not Format.JSON)
    return typer.Option("--format", metavar="FORMAT", help=names, parser=read, autocompletion=complete)


DomainArgument = Annotated[
    str,
    typer.Argument(metavar="DOMAIN", help="Scanned domain.", autocompletion=completion.complete_domain),
]
JobArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB_ID",
        help="Job id or unique prefix of one.",
        autocompletion=completion.complete_job,
    ),
]
LatestJob = Annotated[
    str | None,
    typer.Argument(
        metavar="JOB_ID",
        help="Job id or unique prefix of one.",
        show_default="latest job",
        autocompletion=completion.complete_job,
    ),
]
ScanFormat = Annotated[Format, _format(*SCAN_FORMATS)]
ListFormat = Annotated[Format, _format(*LIST_FORMATS)]
CheckFormat = Annotated[Format, _format(*CHECK_FORMATS)]
EntryFormat = Annotated[Format, _format(*ENTRY_FORMATS)]
DiffFormat = Annotated[Format, _format(*DIFF_FORMATS)]
ParseFormat = Annotated[Format, _format(*PARSE_FORMATS)]
JsonOption = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
JsonAlone = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Output file; *.gz is compressed."),
]

FailOnOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on",
        envvar="CONTENTMAP_FAIL_ON",
        metavar="WHEN",
        help="Exit with 3 or 4: any (a domain has errors), all (every domain failed) or never.",
        rich_help_panel=MORE,
    ),
]

ExpectUrls = Annotated[
    str | None,
    typer.Option(
        "--expect-urls",
        envvar="CONTENTMAP_EXPECT_URLS",
        metavar="MIN[:MAX]",
        help="Expected number of URLs per domain; exit with 3 otherwise.",
        rich_help_panel=MORE,
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
        metavar="N",
        help="Number of domains at once.",
        show_default="100",
        rich_help_panel=_CRAWL,
    ),
]
MaxUrls = Annotated[
    int | None,
    typer.Option(
        envvar="CONTENTMAP_MAX_URLS",
        min=1,
        metavar="N",
        help="Maximum number of URLs per domain.",
        show_default="5000000",
        rich_help_panel=_CRAWL,
    ),
]
MaxFileSize = Annotated[
    str | None,
    typer.Option(
        envvar="CONTENTMAP_MAX_FILE_SIZE",
        metavar="SIZE",
        help="Maximum size of a decompressed file, for example 61MiB or 100MB.",
        show_default="50MiB",
        rich_help_panel=MORE,
    ),
]
MaxTime = Annotated[
    float | None,
    typer.Option(
        envvar="CONTENTMAP_MAX_TIME",
        min=0.1,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Time limit of the run; the job can be resumed.",
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
        help="Time limit per domain.",
        show_default="900",
        rich_help_panel=MORE,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        envvar="CONTENTMAP_TIMEOUT",
        min=0.1,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Request timeout in seconds.",
        show_default="60",
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
        help="Minimum delay between requests to a host.",
        rich_help_panel=_CRAWL,
    ),
]
ProbeOption = Annotated[
    Probe | None,
    typer.Option(
        "--probe",
        envvar="CONTENTMAP_PROBE",
        metavar="WHEN",
        help="Request known sitemap paths: auto (if no sitemap is named), always or never.",
        show_default="auto",
        rich_help_panel=MORE,
    ),
]
Refresh = Annotated[
    bool,
    typer.Option(
        "--refresh",
        envvar="CONTENTMAP_REFRESH",
        help="Fetch and parse unchanged files again.",
        rich_help_panel=_CRAWL,
    ),
]
IgnoreRobots = Annotated[
    bool,
    typer.Option(
        "--ignore-robots",
        envvar="CONTENTMAP_IGNORE_ROBOTS",
        help="Ignore robots.txt. For your own sites only.",
        rich_help_panel=_CRAWL,
    ),
]
UserAgent = Annotated[
    str | None,
    typer.Option(
        "--user-agent",
        "-A",
        envvar="CONTENTMAP_USER_AGENT",
        metavar="TEXT",
        help="User-Agent header.",
        rich_help_panel=_NETWORK,
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        "-H",
        envvar="CONTENTMAP_HEADER",
        metavar="NAME:VALUE",
        help="Request header for the targets. Repeatable.",
        rich_help_panel=_NETWORK,
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "--user",
        "-u",
        envvar="CONTENTMAP_USER",
        metavar="USER:PASSWORD",
        help="HTTP basic authentication for the targets.",
        rich_help_panel=_NETWORK,
    ),
]
Proxy = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        "-x",
        envvar="CONTENTMAP_PROXY",
        metavar="URL",
        help="HTTP proxy.",
        rich_help_panel=_NETWORK,
    ),
]
ConnectToOption = Annotated[
    list[str] | None,
    typer.Option(
        "--connect-to",
        envvar="CONTENTMAP_CONNECT_TO",
        metavar="MAP",
        help="HOST:PORT:ADDR:PORT, as in curl. Repeatable.",
        rich_help_panel=_NETWORK,
    ),
]
AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        envvar="CONTENTMAP_ALLOW_PRIVATE",
        help="Allow private and loopback addresses.",
        rich_help_panel=_NETWORK,
    ),
]
AllowNet = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-net",
        envvar="CONTENTMAP_ALLOW_NET",
        metavar="CIDR",
        help="Allow the addresses of a private network. Repeatable.",
        rich_help_panel=MORE,
    ),
]
CaFile = Annotated[
    str | None,
    typer.Option(
        "--ca-file",
        envvar="CONTENTMAP_CA_FILE",
        metavar="FILE",
        help="Additional certificate authorities (PEM).",
        rich_help_panel=MORE,
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        "-k",
        envvar="CONTENTMAP_INSECURE",
        help="Do not verify TLS certificates.",
        rich_help_panel=_NETWORK,
    ),
]
BodyCache = Annotated[
    str | None,
    typer.Option(
        "--body-cache",
        envvar="CONTENTMAP_BODY_CACHE",
        metavar="FOLDER",
        help="Response cache for large files; `off` disables it.",
        rich_help_panel=MORE,
    ),
]

SECRET: Final = frozenset({"header", "user", "proxy"})
"""Options that may hold credentials. They are never recorded with a job."""

LOCAL: Final = frozenset({"body_cache"})
"""Options of the machine that runs the scan. They are not recorded either."""

CRAWL: Final[dict[str, Any]] = {
    "concurrency": Concurrency,
    "max_urls": MaxUrls,
    "max_file_size": MaxFileSize,
    "max_time": MaxTime,
    "domain_time": DomainTime,
    "timeout": Timeout,
    "delay": Delay,
    "probe": ProbeOption,
    "refresh": Refresh,
    "ignore_robots": IgnoreRobots,
    "user_agent": UserAgent,
    "header": Header,
    "user": User,
    "proxy": Proxy,
    "connect_to": ConnectToOption,
    "allow_private": AllowPrivate,
    "allow_net": AllowNet,
    "ca_file": CaFile,
    "insecure": Insecure,
    "body_cache": BodyCache,
    "expect_urls": ExpectUrls,
}
"""The crawl options in the order of the help. Each is a field of `ScanSettings`."""


def _without(*names: str) -> Bundle:
    return Bundle({name: option for name, option in CRAWL.items() if name not in names})


def _of_the_job(bundle: Bundle) -> Bundle:
    """Return the same options without a default: the job has recorded their values."""
    return Bundle({name: changed(option, show_default=False) for name, option in bundle.options.items()})


SCANNED: Final = Bundle(CRAWL)
RESUMED: Final = _of_the_job(
    _without("max_urls", "max_file_size", "probe", "refresh", "ignore_robots", "user_agent")
)
CHECKED: Final = _without("concurrency", "max_time", "refresh", "body_cache", "expect_urls")
ScanCrawl = Annotated[Mapping[str, Any], SCANNED]
ResumedCrawl = Annotated[Mapping[str, Any], RESUMED]
CheckCrawl = Annotated[Mapping[str, Any], CHECKED]


def chosen(format: Format, as_json: bool, allowed: tuple[Format, ...]) -> Format:
    """Return the format that --format and --json select.

    Raises UsageError for a format that is not in `allowed`, and for --json with another format.
    """
    if as_json and format is not allowed[0] and format is not Format.JSON:
        raise UsageError(f"--json and --format {format.value} exclude each other", hint="use one of them")
    wanted = Format.JSON if as_json else format
    if wanted not in allowed:
        raise refusal(wanted, allowed)
    return wanted
