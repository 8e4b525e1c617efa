"""Credentials from a netrc file, as curl reads it with `--netrc`."""

from __future__ import annotations

import netrc
from pathlib import Path

from contentmap_cli.crawl.access.basic import basic_authorization
from contentmap_cli.errors import UsageError
from contentmap_cli.models.hosts import BadHost, normalise_host


class NetrcFile:
    """The credentials of hosts. A `default` entry is ignored: it would be sent to every site."""

    def __init__(self, logins: dict[str, str]) -> None:
        self._logins = logins

    def __repr__(self) -> str:
        return f"<NetrcFile of {len(self._logins)} hosts>"

    def authorization(self, host: str) -> str | None:
        """Return the value of the Authorization header for a normalised host (RFC 7617, UTF-8)."""
        return self._logins.get(host)


def load_netrc(file: str | None, *, wanted: bool) -> NetrcFile | None:
    """Return the credentials of a file, of `~/.netrc` if only `wanted`. Raise `UsageError`, without them."""
    if file is None and not wanted:
        return None
    name = file or "~/.netrc"
    option = "--netrc-file" if file else "--netrc"
    try:
        path = Path(name).expanduser()
        found = netrc.netrc(path)
    except OSError as error:
        raise UsageError(f"{option}: cannot read {name}", hint="name another with --netrc-file") from error
    except netrc.NetrcParseError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise UsageError(f"{option}: {name} is no valid netrc file{where}", hint="see `man netrc`") from None
    except (RuntimeError, UnicodeDecodeError):
        raise UsageError(f"{option}: cannot read {name}", hint="name another with --netrc-file") from None
    logins = {}
    for host, (login, _, password) in found.hosts.items():
        if host == "default":
            continue
        try:
            name = normalise_host(host)
        except BadHost:
            continue
        logins[name] = basic_authorization(login, password or "")
    return NetrcFile(logins)
