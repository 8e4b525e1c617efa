"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

import typer

from contentmap_cli.commands.interface import answer_format, completion
from contentmap_cli.commands.interface.command_decorator import Bundle, changed
from contentmap_cli.commands.interface.help_pages import MORE
from contentmap_cli.models import Probe
from contentmap_cli.models.statuses import NotifyOn
from contentmap_cli.output.formats import (
    CHANGES_FORMATS,
    CHECK_FORMATS,
    DIFF_FORMATS,
    DOCTOR_FORMATS,
    ENTRY_FORMATS,
    LIST_FORMATS,
    PARSE_FORMATS,
    SCAN_FORMATS,
    Format,
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


chosen = answer_format.chosen
GivenFormat = answer_format.GivenFormat
format_options = answer_format.format_options

MOST_SECONDS = 31_536_000.0
"""One year, the largest number of seconds that an option takes. Infinity has no JSON form."""

_CRAWL = "Crawling"
_NETWORK = "Network"
_SECONDS: Final[dict[str, Any]] = {"metavar": "SECONDS", "min": 0.1, "max": MOST_SECONDS}


def _setting(
    name: str, kind: Any, panel: str, text: str, *, short: str | None = None, **more: Any
) -> tuple[str, Any]:
    """Return the name of a parameter (`max_urls`) and its option, `--max-urls` or CONTENTMAP_MAX_URLS.

    `kind` is the type of the value, `text` the help, `more` are further arguments of `typer.Option`.
    """
    names = [f"--{name.replace('_', '-')}", *([short] if short else [])]
    variable = f"CONTENTMAP_{name.upper()}"
    option = typer.Option(*names, envvar=variable, help=text, rich_help_panel=panel, **more)
    return name, Annotated[kind if kind is bool else kind | None, option]


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
ScanFormat = Annotated[GivenFormat | None, format_options(*SCAN_FORMATS)]
ListFormat = Annotated[GivenFormat | None, format_options(*LIST_FORMATS)]
DoctorFormat = Annotated[GivenFormat | None, format_options(*DOCTOR_FORMATS)]
CheckFormat = Annotated[GivenFormat | None, format_options(*CHECK_FORMATS)]
EntryFormat = Annotated[GivenFormat | None, format_options(*ENTRY_FORMATS)]
DiffFormat = Annotated[GivenFormat | None, format_options(*DIFF_FORMATS)]
ChangesFormat = Annotated[GivenFormat | None, format_options(*CHANGES_FORMATS)]
ParseFormat = Annotated[GivenFormat | None, format_options(*PARSE_FORMATS)]
JsonOption = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
JsonAlone = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Output file: format by suffix; also .gz, .zst."),
]
HtmlOutput = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Output file: .html, also .html.gz, .html.zst."),
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

SECRET: Final = frozenset(
    {"header", "user", "proxy", "cert", "key", "netrc", "netrc_file"}
    | {"signature_key", "signature_agent", "notify", "notify_secret"}
)
"""Options that hold or name credentials. They are never recorded with a job."""

LOCAL: Final = frozenset({"body_cache", "no_proxy", "notify_on"})
"""Options of the machine that runs the scan. They are not recorded either."""

CRAWL: Final[dict[str, Any]] = dict(
    (
        _setting(
            "concurrency",
            int,
            _CRAWL,
            "Number of domains at once.",
            short="-c",
            metavar="N",
            min=1,
            max=5000,
            show_default="100",
        ),
        _setting(
            "max_urls",
            int,
            _CRAWL,
            "Maximum number of URLs per domain.",
            metavar="N",
            min=1,
            show_default="5000000",
        ),
        _setting(
            "max_file_size",
            str,
            MORE,
            "Maximum size of a decompressed file, for example 61MiB or 100MB.",
            metavar="SIZE",
            show_default="50MiB",
        ),
        _setting("max_time", float, MORE, "Time limit of the run; the job can be resumed.", **_SECONDS),
        _setting("domain_time", float, MORE, "Time limit per domain.", **_SECONDS, show_default="900"),
        _setting(
            "domain_wait",
            float,
            MORE,
            "Time limit per domain for waits: shared addresses, Crawl-delay and pauses.",
            **_SECONDS,
            show_default="3600",
        ),
        _setting("timeout", float, _CRAWL, "Request timeout in seconds.", **_SECONDS, show_default="60"),
        _setting(
            "connect_timeout", float, MORE, "Connect timeout in seconds.", **_SECONDS, show_default="10"
        ),
        _setting(
            "per_host",
            int,
            MORE,
            "Maximum number of concurrent connections per host.",
            metavar="N",
            min=1,
            max=100,
            show_default="2",
        ),
        _setting(
            "per_address",
            int,
            MORE,
            "Maximum number of concurrent connections per IP address.",
            metavar="N",
            min=1,
            max=1000,
            show_default="6",
        ),
        _setting(
            "delay", float, _CRAWL, "Minimum delay between requests to a host.", **(_SECONDS | {"min": 0.0})
        ),
        _setting(
            "probe",
            Probe,
            MORE,
            "Request known sitemap paths: auto (if no sitemap lists pages), always or never.",
            metavar="WHEN",
            show_default="auto",
        ),
        _setting(
            "include",
            list[str],
            MORE,
            "Only sitemap files whose URL matches. Repeatable.",
            metavar="GLOB",
        ),
        _setting(
            "exclude",
            list[str],
            MORE,
            "No sitemap files whose URL matches. Repeatable.",
            metavar="GLOB",
        ),
        _setting(
            "lastmod_after", str, MORE, "Only children of an index with a later lastmod.", metavar="WHEN"
        ),
        _setting("refresh", bool, _CRAWL, "Fetch and parse unchanged files again."),
        _setting("ignore_robots", bool, _CRAWL, "Ignore robots.txt. For your own sites only."),
        _setting("user_agent", str, _NETWORK, "User-Agent header.", short="-A", metavar="TEXT"),
        _setting(
            "robots_agent",
            str,
            MORE,
            "Product token to obey in robots.txt.",
            metavar="TOKEN",
            show_default="that of the User-Agent",
        ),
        _setting(
            "header",
            list[str],
            _NETWORK,
            "Request header for the targets. Repeatable.",
            short="-H",
            metavar="NAME:VALUE",
        ),
        _setting(
            "user",
            str,
            _NETWORK,
            "HTTP basic authentication for the targets.",
            short="-u",
            metavar="USER:PASSWORD",
        ),
        _setting(
            "proxy",
            str,
            _NETWORK,
            "HTTP or SOCKS5 proxy.",
            short="-x",
            metavar="URL",
            show_default="environment",
        ),
        _setting("no_proxy", bool, MORE, "Use no proxy, whatever the environment says."),
        _setting(
            "connect_to", list[str], MORE, "HOST:PORT:ADDR:PORT, as in curl. Repeatable.", metavar="MAP"
        ),
        _setting("allow_private", bool, MORE, "Allow private and loopback addresses."),
        _setting(
            "allow_net",
            list[str],
            MORE,
            "Allow the addresses of a private network. Repeatable.",
            metavar="CIDR",
        ),
        _setting("ca_file", str, MORE, "Additional certificate authorities (PEM).", metavar="FILE"),
        _setting(
            "cert",
            str,
            MORE,
            "Client certificate for the targets (PEM).",
            short="-E",
            metavar="FILE[:PASSWORD]",
        ),
        _setting("key", str, MORE, "Private key of the client certificate (PEM).", metavar="FILE"),
        _setting("netrc", bool, MORE, "Credentials of the targets from ~/.netrc, over https.", short="-n"),
        _setting("netrc_file", str, MORE, "Credentials of the targets from a netrc file.", metavar="FILE"),
        _setting(
            "signature_key",
            str,
            MORE,
            "Sign requests (Web Bot Auth) with an Ed25519 key (JWK or PEM).",
            metavar="FILE",
        ),
        _setting("signature_agent", str, MORE, "URL of the key directory of --signature-key.", metavar="URL"),
        _setting("insecure", bool, _NETWORK, "Do not verify TLS certificates.", short="-k"),
        _setting("allow_http", bool, MORE, "Allow http for targets given with https://."),
        _setting(
            "body_cache", str, MORE, "Response cache for large files; `off` disables it.", metavar="FOLDER"
        ),
        _setting(
            "expect_urls",
            str,
            MORE,
            "Expected number of URLs per domain; exit with 3 otherwise.",
            metavar="MIN[:MAX]",
        ),
        _setting(
            "max_drop",
            float,
            MORE,
            "Largest share of a domain's URLs that one scan may remove unconfirmed.",
            metavar="PERCENT",
            min=0.0,
            max=100.0,
        ),
        _setting(
            "notify",
            list[str],
            MORE,
            "Send a notification of the job's end: webhook, or URL of apprise. Repeatable.",
            metavar="TARGET",
        ),
        _setting(
            "notify_on",
            NotifyOn,
            MORE,
            "Notify of failure, change (a failure or any change) or always.",
            metavar="WHEN",
            show_default="change",
        ),
        _setting("notify_secret", str, MORE, "Secret that signs webhooks (whsec_…).", metavar="SECRET"),
    )
)
"""The crawl options in the order of the help. Each is a field of `ScanSettings`."""


def _only(*names: str) -> Bundle:
    return Bundle({name: CRAWL[name] for name in names})


def _without(*names: str) -> Bundle:
    return Bundle({name: option for name, option in CRAWL.items() if name not in names})


def _of_the_job(bundle: Bundle) -> Bundle:
    """Return the same options without a default: the job has recorded their values."""
    return Bundle({name: changed(option, show_default=False) for name, option in bundle.options.items()})


_NOTIFY: Final = ("notify", "notify_on", "notify_secret")
_SELECTING: Final = ("include", "exclude", "lastmod_after")
_OF_SCANS: Final = ("max_drop", *_NOTIFY, *_SELECTING)
"""Options of scans that are recorded only."""
SCANNED: Final = Bundle(CRAWL)
RESUMED: Final = _of_the_job(
    _without(
        *("max_urls", "max_file_size", "probe", "refresh", "ignore_robots", "user_agent", "robots_agent"),
        *_SELECTING,
    )
)
CHECKED: Final = Bundle(
    {
        **_without("concurrency", "max_time", "refresh", "body_cache", "expect_urls", *_OF_SCANS).options,
        "max_time": changed(CRAWL["max_time"], help="Time limit of the command, with --pages."),
    }
).in_more(
    *("max_urls", "max_time", "ignore_robots", "user_agent", "header", "user", "proxy", "insecure"),
)
DOCTORED: Final = _without(
    *("concurrency", "max_time", "refresh", "body_cache", "expect_urls", "max_urls", "domain_time", "probe"),
    *("delay", *_OF_SCANS),
)
WORKED: Final = _only("concurrency", "proxy", "no_proxy", "body_cache", *_NOTIFY)
NOTIFIED: Final = _only("notify", "notify_secret", "ca_file")
ScanCrawl = Annotated[Mapping[str, Any], SCANNED]
ResumedCrawl = Annotated[Mapping[str, Any], RESUMED]
CheckCrawl = Annotated[Mapping[str, Any], CHECKED]
DoctorCrawl = Annotated[Mapping[str, Any], DOCTORED]
NotifyTargets = Annotated[Mapping[str, Any], NOTIFIED]
WorkerCrawl = Annotated[Mapping[str, Any], WORKED]
