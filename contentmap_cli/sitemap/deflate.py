"""The library that makes and undoes gzip (RFC 1952): zlib-ng, which does what zlib does in half the time.

It takes and refuses the same bytes, says the same of them, and gives as much before damage; a test holds the
two against each other. Its output is not the same bytes as zlib's, and any reader undoes it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

try:
    from zlib_ng import zlib_ng as library
except ImportError:  # installed without it, or with one that was built for another machine
    import zlib as library  # type: ignore[no-redef]

LIBRARY: Final[ModuleType] = library
"""With the interface of the standard library's `zlib`."""

GZIP_WINDOW: Final = 31  # the largest window, with a gzip header and trailer
