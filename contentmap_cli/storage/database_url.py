"""Parse the database address of the user: a file, a URL, or what libpq takes."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from contentmap_cli.errors import UsageError

LEAST_CONNECTIONS: Final = 5
"""Of `pool_size`: two of the pool, the watchdog's, and for a worker those of the queue and the host slots."""

_HINT: Final = "use a file name, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_SECRET: Final = ("password", "sslpassword")
_SCHEMA: Final = ("schema", "search_path", "currentSchema")
_DRIVER: Final = (
    *("host", "port", "dbname", "user", "password", "passfile", "service", "options", "application_name"),
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("target_session_attrs", "krbsrvname", "gsslib"),
)
_IGNORED: Final = (
    *("channel_binding", "client_encoding", "fallback_application_name", "gssencmode", "sslcompression"),
    *("sslsni", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    "tcp_user_timeout",
)
"""Parameters that the driver handles or does not need."""
_KNOWN: Final = frozenset((*_DRIVER, *_IGNORED, *_SCHEMA, "connect_timeout", "pool_size"))
_VARIABLES: Final = {
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "application_name": "PGAPPNAME",
}
"""The libpq variables that the driver does not read."""
_FILES: Final = {
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
}

_URL: Final = re.compile(
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>[^@/?#]*)(?:/(?P<dbname>[^@/?#]*))?(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(r"(\[[^\]]+\]|[^:\[\]]*)(?::(\d*))?")
_KEYWORD: Final = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)")
_MISSPELT: Final = re.compile(r"[\w+.-]*(?:postgres|pgsql|psql|sqlite)[\w+.-]*(?::|//)", re.IGNORECASE)
_PATH: Final = ("/", "./", "../", "~")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is. `shown` is the address without its passwords, as an option can be given it."""

    shown: str
    path: Path | None = None  # of an SQLite file, None for a server
    read_only: bool = False
    immutable: bool = False  # nothing writes to the file: it is read without locks
    must_exist: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of a server: libpq's parameters and our own."""

    @property
    def has_secret(self) -> bool:
        """Whether the address holds a password."""
        return any(name in self.parameters for name in _SECRET)

    @property
    def pool_size(self) -> int | None:
        """The most connections that the process may hold."""
        return int(self.parameters["pool_size"]) if "pool_size" in self.parameters else None

    @property
    def search_path(self) -> str | None:
        """The value of `SET search_path`, None where the server's own is used."""
        named = next((self.parameters[name] for name in _SCHEMA if name in self.parameters), None)
        if named is None:
            return None
        return ", ".join('"' + name.strip().strip('"').replace('"', '""') + '"' for name in named.split(","))

    def connect_arguments(self, name: str, timeout: float) -> dict[str, Any]:
        """Return the arguments of asyncpg's `connect`. The server shows the session as `name`.

        Raise UsageError for a service that is not defined, and for a certificate that cannot be loaded.
        """
        given = dict(self.parameters)
        service = given.pop("service", os.environ.get("PGSERVICE"))
        if service:
            given = _of_service(service) | given
        for parameter, variable in _VARIABLES.items():
            if os.environ.get(variable):
                given.setdefault(parameter, os.environ[variable])
        _load_certificates(given)
        if not (given.get("user") or os.environ.get("PGUSER")):
            given["user"] = _user_name()
        waits = _whole("connect_timeout", given["connect_timeout"]) if "connect_timeout" in given else 0
        settings = {"application_name": given.pop("application_name", name)}
        driver = {key: value for key, value in given.items() if key in _DRIVER and value}
        # the driver takes host:port, and an IPv6 address in brackets
        if "host" in driver:
            driver["host"] = ",".join(_bracketed(host) for host in driver["host"].split(","))
        return {
            "dsn": f"postgresql://?{urlencode(driver)}",
            "timeout": float(waits or timeout),
            "server_settings": settings,
        }

    def sqlite_uri(self, *, writable: bool) -> str:
        """Return the URI that SQLite opens the file by.

        A file in a folder that cannot be written is read as one that nothing changes: SQLite would have to
        create an index of the write-ahead log there.
        """
        assert self.path is not None  # noqa: S101 - the caller has a file
        name = quote(os.fsencode(self.path))
        mode = "rwc" if writable and not self.must_exist else "rw"
        if self.read_only or not (writable or os.access(self.path, os.W_OK)):
            mode = "ro"
        if self.immutable or (not writable and self._is_archived()):
            mode += "&immutable=1"
        return f"file:{'//' if name.startswith('/') else ''}{name}?mode={mode}"

    def _is_archived(self) -> bool:
        """Return whether no process has the file open, or could open it to write, as far as can be seen."""
        log = Path(f"{self.path}-wal")
        try:
            busy = Path(f"{self.path}-shm").exists() or (log.exists() and log.stat().st_size > 0)
        except OSError:
            return False  # opening it reports the error
        return not busy and not os.access(log.parent, os.W_OK)


def parse_database_address(text: str) -> DatabaseAddress:
    """Return the address that `text` is: a URL, libpq's `keyword=value` words, or the name of a SQLite file.

    Raises UsageError for another kind of database or an invalid address. Its message never repeats the text,
    which may hold a password.
    """
    text = text.strip()
    if not text:
        raise UsageError("the database address is empty", hint=_HINT)
    scheme, colon, rest = text.partition("://")
    backend = scheme.partition("+")[0].lower()
    if colon and backend in ("postgresql", "postgres"):
        return _server(_of_url(rest), rest.partition("?")[2])
    if colon and backend == "sqlite":
        return _of_sqlite_url(rest)
    if text.startswith("file:"):
        name, _, query = text.removeprefix("file:").removeprefix("//localhost").partition("?")
        return _file(unquote(name.removeprefix("//") if name.startswith("///") else name), query)
    if words := _keywords(text):
        return _server(words, text)
    if colon and re.fullmatch(r"[a-z][\w-]*", backend):
        raise UsageError(f"{backend[:40]!r} is not a database ContentMap knows", hint=_HINT)
    if text != ":memory:" and _is_no_file(text):
        raise UsageError("the database address cannot be read", hint=_HINT)
    return _file(text, "")


def _is_no_file(text: str) -> bool:
    """Return whether a text without a scheme is rather an address with a slip in it than a file's name."""
    odd = "=?" if text.startswith(_PATH) else "=?:@"
    return any(sign in text for sign in odd) or _MISSPELT.match(text) is not None


def _of_sqlite_url(rest: str) -> DatabaseAddress:
    name, _, query = rest.partition("?")
    if name and not name.startswith("/"):
        raise UsageError("an address of SQLite has three slashes", hint="use sqlite:///FILE")
    return _file(name[1:].removeprefix("file:"), query)


def _file(name: str, query: str) -> DatabaseAddress:
    options = dict(_pairs(query))
    mode, immutable = options.pop("mode", "rwc"), options.pop("immutable", "0").lower()
    options.pop("uri", None)
    if mode == "memory" or name in ("", ":memory:"):
        raise UsageError("an in-memory database is gone when the command ends", hint="name a file with --db")
    if options or mode not in ("ro", "rw", "rwc"):
        raise UsageError(
            "the address of the SQLite file has an option ContentMap does not know",
            hint="it knows mode=ro, mode=rw and immutable=1",
        )
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~user without a home directory on this machine
        raise UsageError(
            f"no home is known for the database file {name}", hint="name the file with its whole path"
        ) from None
    if not path.is_absolute():
        try:
            Path.cwd()
        except OSError:
            raise UsageError(
                f"no folder for the database file {name}: the working directory was deleted",
                hint="name the file with its whole path",
            ) from None
    unchanged = immutable in ("1", "true", "yes", "on")
    shown = f"sqlite:///{path}?{query}" if query else str(path)
    if not query and _is_no_file(shown):
        shown = f"sqlite:///{path}"
    return DatabaseAddress(
        shown, path, read_only=unchanged or mode == "ro", immutable=unchanged, must_exist=mode == "rw"
    )


def _keywords(text: str) -> dict[str, str]:
    """Return the parameters of a text of `keyword=value` words, none for any other text (libpq, 34.1.1)."""
    found, end = {}, 0
    while match := _KEYWORD.match(text, end):
        value = match[3] if match[2] is None else match[2]
        found[match[1]] = re.sub(r"\\(.)", r"\1", value)
        end = match.end()
    return found if end == len(text) else {}


def _pairs(query: str) -> list[tuple[str, str]]:
    """Return the names and values of a query. A plus sign is no space (libpq, SQLite)."""
    words = (word.partition("=") for word in query.split("&") if word)
    return [(unquote(name), unquote(value)) for name, _, value in words]


def _of_url(rest: str) -> dict[str, str]:
    """Return the parameters of a URL after its scheme (libpq, 34.1.1.2)."""
    match = _URL.fullmatch(rest)
    hosts = [_HOST.fullmatch(each) for each in match["hosts"].split(",")] if match else [None]
    query = (match and match["query"]) or ""
    # to libpq an @ before the first slash ends a password, in which a ? has to be encoded here
    in_password = "@" in rest.partition("/")[0].partition("?")[2]
    if (
        match is None
        or None in hosts
        or in_password
        or any("=" not in word for word in query.split("&") if word)
    ):
        raise UsageError(
            "the database address cannot be read",
            hint=f"{_HINT}; in a password write / as %2F, : as %3A, @ as %40, ? as %3F, # as %23",
        )
    found = {name: unquote(match[name]) for name in ("user", "password", "dbname") if match[name]}
    named = [(unquote(host[1]), host[2] or "") for host in hosts if host is not None]
    if match["hosts"]:
        found["host"] = ",".join(host for host, _ in named)
        if any(port for _, port in named):
            found["port"] = ",".join(port or "5432" for _, port in named)
    for name, value in _pairs(query):
        found["sslmode" if name == "ssl" else name] = "require" if (name, value) == ("ssl", "true") else value
    return found


def _server(found: dict[str, str], text: str) -> DatabaseAddress:
    """Return the address of a server. `text` is what gave parameters by name: a URL's query, or all words."""
    found = {("dbname" if name == "database" else name): value for name, value in found.items()}
    # an unknown name may be a part of a password with a character that was not encoded or quoted
    _check_parameters(found, nameable="@" not in text and "password" not in text)
    parameters = {name: value for name, value in found.items() if value}
    given = {name: value for name, value in parameters.items() if name not in ("user", "password", "dbname")}
    hosts, ports = given.pop("host", ""), given.pop("port", "")
    if hosts.startswith("/"):
        given = {"host": hosts} | ({"port": ports} if ports else {}) | given
        hosts = ports = ""
    names = hosts.split(",")
    numbers = ports.split(",") if "," in ports else [ports] * len(names)
    where = ",".join(
        f"{_bracketed(host)}:{port}" if port else _bracketed(host)
        for host, port in zip(names, numbers, strict=False)
    )
    who = quote(parameters.get("user", ""), safe="") + (":***" if "password" in parameters else "")
    query = "&".join(
        f"{name}={'***' if name in _SECRET else quote(value, safe='/,:')}" for name, value in given.items()
    )
    shown = f"postgresql://{who}{'@' if who else ''}{where}/{quote(parameters.get('dbname', ''), safe='')}"
    return DatabaseAddress(f"{shown}{'?' if query else ''}{query}", parameters=parameters)


def _check_parameters(given: Mapping[str, str], *, nameable: bool = True) -> None:
    """Raise UsageError, which has the name of an unknown parameter only if it is `nameable`."""
    unknown = [name for name in given if name not in _KNOWN]
    if "hostaddr" in unknown:
        raise UsageError("the database address has hostaddr", hint="give the address as host")
    if unknown:
        named = f": {unknown[0]}" if nameable and re.fullmatch("[A-Za-z_]{1,30}", unknown[0]) else ""
        raise UsageError(
            f"the database address has an option ContentMap does not know{named}",
            hint=f"it knows {', '.join(sorted(_KNOWN.difference(_IGNORED)))}",
        )
    for name in ("host", "dbname"):  # these are shown, and libpq takes an address for a dbname
        value = given.get(name, "")
        if not value.startswith("/") and re.search("://|[@=]", value):
            raise UsageError(
                f"the database address has a {name} that is an address",
                hint="give the URL alone, or host, user, password and dbname as words of their own",
            )
    ports = [port for port in given.get("port", "").split(",") if port]
    if any(not 0 < _whole("port", port) < 65536 for port in ports):
        raise UsageError("the database address has a port that cannot be", hint=_HINT)
    if given.get("connect_timeout"):
        _whole("connect_timeout", given["connect_timeout"])
    if given.get("pool_size") and _whole("pool_size", given["pool_size"]) < LEAST_CONNECTIONS:
        raise UsageError(
            "the database address has a pool_size that is too small", hint=f"use {LEAST_CONNECTIONS} or more"
        )


def _whole(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UsageError(f"the database address has a {name} that is no number", hint=f"{name}=10")
    return int(text)


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith(("[", "/")) else host


def _of_service(name: str) -> dict[str, str]:
    """Return the parameters of a connection service (libpq, 34.17)."""
    files = [os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf"]
    if os.environ.get("PGSYSCONFDIR"):
        files.append(f"{os.environ['PGSYSCONFDIR']}/pg_service.conf")
    for file in files:
        services = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
        try:
            services.read(os.path.expanduser(file), encoding="utf-8")  # noqa: PTH111 - no error without a home
        except (configparser.Error, UnicodeDecodeError):
            raise UsageError(f"the file of connection services cannot be read: {file}", hint=_HINT) from None
        if services.has_section(name):
            found = dict(services[name])
            _check_parameters(found)
            return found
    raise UsageError(
        f"no connection service {name[:40]!r} is defined in {' or '.join(files)}",
        hint="name the file with PGSERVICEFILE",
    )


def _load_certificates(given: dict[str, str]) -> None:
    """Raise UsageError for certificates and keys that cannot be loaded: the driver's error has no file."""
    import ssl

    named = {name: given.get(name) or os.environ.get(variable) for name, variable in _FILES.items()}
    if named["sslrootcert"] == "system":  # the certificates of the operating system
        paths = ssl.get_default_verify_paths()
        given |= {"sslrootcert": paths.cafile or paths.openssl_cafile, "sslmode": "verify-full"}
        named["sslrootcert"] = given["sslrootcert"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, file in named.items():
        try:
            if file and name == "sslcert" and named["sslkey"]:
                context.load_cert_chain(file, named["sslkey"], lambda: given.get("sslpassword", ""))
            elif file and name in ("sslrootcert", "sslcrl"):
                context.load_verify_locations(file)
        except OSError as error:  # of ssl as well
            raise UsageError(
                f"cannot load the {name} of the database address: {file}",
                hint="name a file in PEM format that you may read",
            ) from (error if not isinstance(error, ssl.SSLError) else None)


def _user_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise UsageError(
            "the database address has no user, and this process has no user name",
            hint="use postgresql://USER@HOST/DATABASE",
        ) from None
