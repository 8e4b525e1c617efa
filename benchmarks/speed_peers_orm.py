"""URLs stored the way people write it: an object of SQLAlchemy's ORM for each, a commit for every thousand.

Part of `speed_peers.py`, in the peers' environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

COMMIT_EVERY = 1_000


class Base(DeclarativeBase):
    """The registry."""


class Url(Base):
    """One URL."""

    __tablename__ = "urls"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    lastmod: Mapped[str | None]


class Store:
    """An SQLite file."""

    def __init__(self, file: Path) -> None:
        engine = create_engine(f"sqlite:///{file}")
        Base.metadata.create_all(engine)
        self._session = Session(engine)
        self._added = 0

    def add(self, url: str, lastmod: Any) -> None:
        """Takes the next URL."""
        self._session.add(Url(url=url, lastmod=None if lastmod is None else str(lastmod)))
        self._added += 1
        if self._added % COMMIT_EVERY == 0:
            self._session.commit()

    def close(self) -> None:
        """Commits the rest."""
        self._session.commit()
        self._session.close()
