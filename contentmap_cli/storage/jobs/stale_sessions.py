"""Sessions on a server of runs that were lost sight of: known by their name, ended by whoever takes over.

A process that was stopped in the middle of a transaction keeps its row locks for as long as it sleeps: the
server ends a session that is idle inside a transaction, and one that waits for the rest of a COPY, or for
the second half of a statement that has just been prepared, is not idle to it. So who takes over from a run
whose lease is gone ends its transactions first. PostgreSQL lets a role end its own sessions
(`pg_terminate_backend`); where that right was revoked, nothing is ended, and the server's limits are left.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import bindparam, text

from contentmap_cli.storage.engine import SESSION_NAME
from contentmap_cli.storage.session import GuardedSession

_LONGEST: Final = 63  # bytes of an application_name; the server cuts what is longer
_WAIT_MS: Final = 1000
_THEIRS: Final = """
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND xact_start IS NOT NULL
AND pid <> pg_backend_pid() AND application_name IN :names
"""
_ANY: Final = text(
    f"SELECT 1 {_THEIRS} AND has_function_privilege('pg_terminate_backend(integer, bigint)', 'EXECUTE')"
).bindparams(bindparam("names", expanding=True))
_END: Final = text(f"SELECT pg_terminate_backend(pid, {_WAIT_MS}) {_THEIRS}").bindparams(
    bindparam("names", expanding=True)
)


def session_name(owner: str) -> str:
    """The `application_name` of a run's sessions, ASCII and of 63 characters at most: `contentmap`, and the
    end of its owner's name, where process and random mark are."""
    mark = owner.encode("ascii", "replace").decode()[-(_LONGEST - len(SESSION_NAME) - 1) :]
    return f"{SESSION_NAME} {mark}"


async def end_sessions(session: GuardedSession, owners: Collection[str]) -> int:
    """Ends the transactions that these runs have open on a server, and waits until their locks are gone, a
    second each at most. Returns how many were ended; 0 on SQLite, which has no such thing."""
    if not owners or session.dialect.name != "postgresql":
        return 0
    names = {"names": sorted({session_name(owner) for owner in owners})}
    if not (await session.scalars(_ANY, names)).first():
        return 0
    ended = sum(map(bool, await session.scalars(_END, names)))
    session.note("sessions.ended", sessions=ended)
    return ended
