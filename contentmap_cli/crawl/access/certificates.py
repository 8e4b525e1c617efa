"""Client certificates in PEM, as `--cert` and `--key` of curl, and why that of a server is not trusted."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from contentmap_cli.errors import UsageError

NAME_MISMATCH = 62
"""The verify error of OpenSSL for a certificate of another name."""


def untrusted_because(error: object) -> str:
    """Return the reason of a certificate error, with its cause if that is an underscore in the host name.

    OpenSSL compares a wildcard with letters, digits and hyphens only, as in host names (RFC 952); browsers
    accept underscores.
    """
    reason = getattr(error, "verify_message", "") or "it cannot be verified"
    if getattr(error, "verify_code", None) == NAME_MISMATCH and "_" in reason:
        return f"{reason.rstrip('.')} (a wildcard does not cover a name with an underscore)"
    return reason


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate and its private key, which is in the same file if `key` is None."""

    file: str
    key: str | None = None
    password: str | None = field(default=None, repr=False)

    def load(self, context: ssl.SSLContext) -> None:
        """Add the certificate to a context. Raise `OSError` or `ssl.SSLError`."""
        # without a password, OpenSSL would ask for one on the terminal
        context.load_cert_chain(self.file, self.key, password=self.password or "")


def parse_certificate(cert: str | None, key: str | None) -> ClientCertificate | None:
    """Return the certificate after loading it. Raise `UsageError`, which does not quote the password.

    A colon in the name of the file is written `\\:`, unless the whole text names a file.
    """
    if cert is None:
        if key is not None:
            raise UsageError("--key requires --cert", hint="name the certificate with --cert FILE")
        return None
    file, password = cert, None
    if not _is_file(cert):
        found = re.fullmatch(r"((?:[^:\\]|\\.)*):(.*)", cert, re.DOTALL)
        if found is not None:
            file, password = found[1].replace("\\:", ":").replace("\\\\", "\\"), found[2]
    certificate = ClientCertificate(_expanded(file), _expanded(key) if key is not None else None, password)
    try:
        certificate.load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except (OSError, ssl.SSLError) as error:
        named = file if key is None else f"{file} and {key}"
        raise UsageError(
            f"--cert: cannot load the certificate and its key from {named}",
            hint="name files in PEM format; a password follows the file and a colon",
        ) from (error if error.errno and not isinstance(error, ssl.SSLError) else None)
    return certificate


def _expanded(file: str) -> str:
    try:
        return str(Path(file).expanduser())
    except RuntimeError:
        return file


def _is_file(text: str) -> bool:
    try:
        return Path(_expanded(text)).is_file()
    except (OSError, ValueError):
        return False
