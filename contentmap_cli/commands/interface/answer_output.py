"""Output of commands: stdout, or a file that appears only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from contentmap_cli.commands.interface.logging_setup import write_console
from contentmap_cli.commands.interface.process_setup import close_quietly, enable_interrupts
from contentmap_cli.errors import AnswerLost, UsageError
from contentmap_cli.output.suffixes import compression_of

ANOTHER_FILE = "name another file with -o"
_AGAIN = f"free some space, or {ANOTHER_FILE}"


class Stdout(io.TextIOBase):
    """Standard output that ignores write errors, so that a scan continues after `| head` or on a full disk.

    Nothing is written after the first error. `lost` is its reason, None if the reader closed the pipe.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed_by: OSError | None = None

    def write(self, text: str) -> int:
        """Write, unless a write has failed before."""
        if self.closed_by is None:
            try:
                return sys.stdout.write(text)
            except OSError as error:
                self.give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, unless a write has failed before."""
        if self.closed_by is None:
            try:
                sys.stdout.flush()
            except OSError as error:
                self.give_up(error)

    @property
    def buffer(self) -> BinaryIO:
        """A binary stream with the same behaviour."""
        return cast("BinaryIO", _StdoutBytes(self))

    def isatty(self) -> bool:
        """Return whether stdout is a terminal."""
        return sys.stdout.isatty()

    @property
    def lost(self) -> str | None:
        """The reason why output was lost, or None."""
        if self.closed_by is None or self.closed_by.errno == errno.EPIPE:
            return None
        return self.closed_by.strerror or str(self.closed_by)

    def give_up(self, error: OSError) -> None:
        """Stop writing because of `error`."""
        self.closed_by = error
        close_quietly(sys.stdout)


class _StdoutBytes(io.RawIOBase):
    """Binary stream of a `Stdout`, which handles the errors."""

    def __init__(self, text: Stdout) -> None:
        super().__init__()
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._text.closed_by is None:
            try:
                sys.stdout.buffer.write(data)
            except OSError as error:
                self._text.give_up(error)
        return len(data)

    def flush(self) -> None:
        self._text.flush()


@contextlib.contextmanager
def answer_to(path: str | None, *, named: str | None = None, hint: str = ANOTHER_FILE) -> Iterator[TextIO]:
    """Yield a text stream for the output. A file is written under a temporary name and renamed when complete;
    a name that ends in `.gz` or `.zst` is compressed.

    Raise UsageError with `hint` if the file cannot be opened, and AnswerLost, also from a write in the block,
    if it cannot be written. `named` is the name to show, if it differs.
    """
    enable_interrupts()  # an incomplete file is removed
    if path is None or path == "-":
        stdout = Stdout()
        yield cast("TextIO", stdout)
        stdout.flush()
        if stdout.lost:
            raise AnswerLost(f"the answer could not be written: {stdout.lost}", hint=_AGAIN)
        return
    final, named = Path(path), named or path
    if path.endswith("/") and not final.exists():
        raise UsageError(f"cannot write {named}: it is the name of a folder", hint=hint)
    if _is_special(final, named, hint):
        # a device, pipe or terminal: renaming a file over it would replace it
        with _closing(_opened(final, named, hint)) as stream:
            yield stream
        return
    final = final.resolve()  # follow symbolic links
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    stream = _opened(partial, named, hint, compression_of(path))
    try:
        with _closing(stream):
            yield stream
        with _answer_errors(named):
            if final.exists():
                partial.chmod(stat.S_IMODE(final.stat().st_mode))
            partial.replace(final)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def print_line(line: str) -> None:
    """Print a line of output on stdout. Raise AnswerLost if it cannot be written."""
    with answer_to(None) as out:
        out.write(f"{line}\n")


@contextlib.contextmanager
def _answer_errors(named: str) -> Iterator[None]:
    """Raise AnswerLost for an OSError of the block, which must do nothing but write."""
    try:
        yield
    except OSError as error:
        raise AnswerLost(f"{named} could not be written", hint=_AGAIN) from error


@contextlib.contextmanager
def _closing(stream: TextIO) -> Iterator[TextIO]:
    """Close `stream` after the block. An error of the block takes precedence over one of closing."""
    try:
        yield stream
    except BaseException:
        with contextlib.suppress(AnswerLost):
            stream.close()
        raise
    stream.close()


def _is_special(file: Path, named: str, hint: str) -> bool:
    """Return whether `file` exists and is not a regular file. Raise UsageError for an invalid name."""
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"cannot write {named}", hint=hint) from error


def _opened(file: Path, named: str, hint: str, compression: str = "") -> TextIO:
    try:
        raw = _AnswerFile(file, named)
    except OSError as error:
        raise UsageError(f"cannot write {named}", hint=hint) from error
    if compression:
        packed = _Compressed(raw, _gzip() if compression == ".gz" else _zstd())
        return io.TextIOWrapper(cast("BinaryIO", packed), encoding="utf-8", newline="")
    text = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="", line_buffering=raw.isatty())
    return cast("TextIO", text)


class _AnswerFile(io.FileIO):
    """A file whose write errors are AnswerLost: the body of `answer_to` raises OSErrors of other origin, for
    example those of a database connection."""

    def __init__(self, file: Path, named: str) -> None:
        super().__init__(file, "w")
        self._named = named

    def write(self, data: Any) -> int:
        with _answer_errors(self._named):
            return super().write(data)

    def close(self) -> None:
        with _answer_errors(self._named):
            super().close()


class _Compressed(io.BufferedIOBase):
    """A compressed file. Flushing does not end a block: nobody reads the file before it is complete."""

    def __init__(self, raw: io.FileIO, compressor: Any) -> None:
        self._raw = io.BufferedWriter(raw)
        self._compressor = compressor

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._raw.write(self._compressor.compress(data))
        return len(data)

    def close(self) -> None:
        """End the compressed data and close the file, also after a write error."""
        if not self.closed:
            super().close()
            with self._raw:
                self._raw.write(self._compressor.flush())


def _gzip() -> Any:
    """Return a compressor for gzip (RFC 1952) without time and name: equal output gives equal files."""
    from contentmap_cli.sitemap.decode import GZIP_WINDOW, deflate

    return deflate.compressobj(6, wbits=GZIP_WINDOW)


def _zstd() -> Any:
    """Return a compressor for Zstandard with a checksum, as the program `zstd` writes it (RFC 8878)."""
    zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    return zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})


def width_of(stream: TextIO) -> int | None:
    """Return the width of the terminal in columns, None if `stream` is not a terminal."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def has_left(stream: TextIO) -> bool:
    """Return whether the reader of the output has closed it."""
    return isinstance(stream, Stdout) and stream.closed_by is not None


def goes_to_file(stream: TextIO) -> bool:
    """Return whether the output is a file, as opposed to a terminal or a pipe."""
    if not isinstance(stream, Stdout):
        return True
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:
        return True


def say(line: str, *, unless: bool = False) -> None:
    """Print a line on stderr `unless` it is not wanted. Write errors are ignored."""
    if not unless:
        write_console(line)


def redraw(out: TextIO) -> None:
    """Clear the terminal before the output is repeated; do nothing for other streams."""
    if out.isatty():
        out.write("\x1b[H\x1b[2J")
