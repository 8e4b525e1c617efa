"""Crawl options as the user gave them. A job records them for `resume`."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from contentmap_cli.commands.interface.argument_values import parse_date, parse_size
from contentmap_cli.commands.interface.options import LOCAL, SECRET
from contentmap_cli.commands.settings.config_files import user_folder
from contentmap_cli.commands.settings.expectation import Expectation
from contentmap_cli.crawl.access.certificates import parse_certificate
from contentmap_cli.crawl.access.netrc_file import load_netrc
from contentmap_cli.crawl.access.proxies import Proxies
from contentmap_cli.crawl.access.signatures import load_signer
from contentmap_cli.crawl.options import (
    USER_AGENT,
    CrawlOptions,
    parse_allow_net,
    parse_connect_to,
    parse_header,
    parse_robots_agent,
    parse_user,
    parse_user_agent,
)
from contentmap_cli.crawl.selection import Selection
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Limits, Probe

OFF = "off"


@dataclass(frozen=True)
class ScanSettings:
    """The crawl options of `scan`, `resume` and `check` under their own names; None where none was given."""

    concurrency: int | None = None
    max_urls: int | None = None
    max_file_size: str | None = None
    max_time: float | None = None
    domain_time: float | None = None
    domain_wait: float | None = None
    timeout: float | None = None
    connect_timeout: float | None = None
    per_host: int | None = None
    per_address: int | None = None
    delay: float | None = None
    user_agent: str | None = None
    robots_agent: str | None = None
    header: tuple[str, ...] = ()
    user: str | None = None
    proxy: str | None = None
    no_proxy: bool = False
    connect_to: tuple[str, ...] = ()
    allow_private: bool = False
    allow_net: tuple[str, ...] = ()
    ca_file: str | None = None
    cert: str | None = None
    key: str | None = None
    netrc: bool = False
    netrc_file: str | None = None
    signature_key: str | None = None
    signature_agent: str | None = None
    insecure: bool = False
    allow_http: bool = False
    probe: Probe | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    lastmod_after: str | None = None
    refresh: bool = False
    ignore_robots: bool = False
    expect_urls: str | None = None
    body_cache: str | None = None
    max_drop: float | None = None
    notify: tuple[str, ...] = ()
    notify_on: str | None = None
    notify_secret: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings for option values by parameter name; None for an option that is not given."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if value is not None
        }
        return cls(**given)

    def on_this_machine(self) -> Self:
        """Return the same settings with the default response cache of this machine, and with an age as a
        date-time, which is the same for a job that is resumed later. Raise UsageError for an invalid date."""
        after = self._lastmod_after()
        return replace(
            self,
            body_cache=self.body_cache or default_body_cache(),
            lastmod_after=after.isoformat(timespec="seconds") if after is not None else None,
        )

    def _lastmod_after(self) -> datetime | None:
        return parse_date("--lastmod-after", self.lastmod_after) if self.lastmod_after else None

    def _given(self) -> dict[str, Any]:
        """Return the settings that were given. 0 counts as given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if value is not None and value is not False and value != ()
        }

    def recorded(self) -> dict[str, Any]:
        """Return what the job records: the settings that were given, without secrets."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._given().items()
            if name not in SECRET | LOCAL
        }

    @classmethod
    def from_recorded(cls, recorded: Mapping[str, Any]) -> Self:
        """Return the settings recorded with a job. Unknown names are ignored."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in recorded.items() if name in known}
        if "probe" in values:
            values["probe"] = Probe(values["probe"])
        return cls.of(values)

    def over(self, earlier: Self) -> Self:
        """Return `earlier` updated with these settings."""
        return replace(earlier, **self._given())

    @property
    def expectation(self) -> Expectation | None:
        """Return the expected number of URLs. Raise UsageError for an invalid range."""
        return Expectation.parse(self.expect_urls) if self.expect_urls is not None else None

    def crawl_options(self) -> CrawlOptions:
        """Return the options of the crawler. Raise UsageError for an invalid value."""
        base = Limits()
        timeout = self.timeout or base.request_timeout
        limits = replace(
            base,
            domain_urls=self.max_urls or base.domain_urls,
            body_bytes=_size(self.max_file_size) or base.body_bytes,
            domain_time=self.domain_time or base.domain_time,
            domain_wait=self.domain_wait or base.domain_wait,
            request_timeout=timeout,
            connect_timeout=self.connect_timeout or min(timeout, base.connect_timeout),
            read_timeout=timeout,
            slow_after=max(base.slow_after, timeout / 2) if self.timeout else base.slow_after,
        )
        return CrawlOptions(
            limits=limits,
            allow_private=self.allow_private,
            allow_nets=tuple(parse_allow_net(text) for text in self.allow_net),
            connect_to=tuple(parse_connect_to(text) for text in self.connect_to),
            user_agent=parse_user_agent(self.user_agent) if self.user_agent else USER_AGENT,
            robots_agent=parse_robots_agent(self.robots_agent) if self.robots_agent else None,
            headers=_headers(self.header, self.user),
            user=parse_user(self.user) if self.user is not None else None,
            proxies=Proxies.of("" if self.no_proxy else self.proxy, os.environ),
            delay=self.delay,
            per_host=self.per_host or CrawlOptions.per_host,
            per_address=self.per_address or CrawlOptions.per_address,
            probe=self.probe or Probe.AUTO,
            conditional=not self.refresh,
            obey_robots=not self.ignore_robots,
            selection=Selection.parse(self.include, self.exclude, self._lastmod_after()),
            concurrency=self.concurrency or CrawlOptions.concurrency,
            ca_file=_certificates(self.ca_file),
            verify_tls=not self.insecure,
            certificate=parse_certificate(self.cert, self.key),
            netrc=load_netrc(self.netrc_file, wanted=self.netrc),
            signer=load_signer(self.signature_key, self.signature_agent),
            allow_http=self.allow_http,
            bodies=_folder(self.body_cache),
            max_drop=self.max_drop,
        )


def default_body_cache() -> str:
    """Return the default folder of the response cache, `off` for a user without a home."""
    folder = user_folder("cache")
    return OFF if folder is None else str(folder / "bodies")


def defaults() -> dict[str, Any]:
    """Return the defaults by parameter name. Other settings have no default."""
    limits = Limits()
    return {
        "tenant": "default",
        "log_format": "text",
        "color": "auto",
        "fail_on": "any",
        "notify": [],
        "notify_on": "change",
        "concurrency": CrawlOptions.concurrency,
        "max_urls": limits.domain_urls,
        "max_file_size": "50MiB",
        "domain_time": limits.domain_time,
        "domain_wait": limits.domain_wait,
        "timeout": limits.request_timeout,
        "connect_timeout": limits.connect_timeout,
        "per_host": CrawlOptions.per_host,
        "per_address": CrawlOptions.per_address,
        "probe": Probe.AUTO.value,
        "include": [],
        "exclude": [],
        "refresh": False,
        "ignore_robots": False,
        "allow_private": False,
        "insecure": False,
        "no_proxy": False,
        "netrc": False,
        "allow_http": False,
        "user_agent": USER_AGENT,
        "header": [],
        "connect_to": [],
        "allow_net": [],
    }


def _headers(headers: Sequence[str], user: str | None) -> tuple[tuple[str, str], ...]:
    """Return the request headers of --header. Raise UsageError if --user sets Authorization as well."""
    parsed = tuple(parse_header(text) for text in headers)
    if user is not None and any(name.lower() == "authorization" for name, _ in parsed):
        raise UsageError("--user and --header both set Authorization", hint="use one of them")
    return parsed


def _size(text: str | None) -> int | None:
    return parse_size("--max-file-size", text) if text is not None else None


def _folder(name: str | None) -> Path | None:
    """Return the folder of the response cache, None if it is off. Raise UsageError for an unknown home."""
    if name in (None, "", OFF):
        return None
    try:
        return Path(str(name)).expanduser()
    except RuntimeError:
        raise UsageError(
            f"--body-cache: unknown home directory: {name}", hint="name a folder, or off"
        ) from None


def _certificates(file: str | None) -> str | None:
    """Return the name of a PEM file after loading it. Raise UsageError if it cannot be loaded."""
    if file is not None:
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"--ca-file: cannot load certificates from {file}", hint="name a file in PEM format"
            ) from (error if error.errno and not isinstance(error, ssl.SSLError) else None)
    return file
