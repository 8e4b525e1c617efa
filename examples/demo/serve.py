"""Serves the simulated internet until it is interrupted, so that one can play with it.

usage: python examples/demo/serve.py [--port N] [--day 1|2] [--quiet]
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from internet.catalogue import build
from internet.server import running

DOMAINS = Path(__file__).with_name("domains.txt")


def show(host: str, path: str, status: int) -> None:
    """One line a request on stderr, escaped: whoever connects chooses the path."""
    sys.stderr.write(
        f"{status} {host.encode('unicode_escape').decode()}{path.encode('unicode_escape').decode()}\n"
    )


def main() -> int:
    """Runs the server; 0 when it was told to stop, 1 when the port is taken."""
    parser = argparse.ArgumentParser(description="Serves the simulated internet of the demo.")
    parser.add_argument(
        "--port", type=int, default=8460, help="on 127.0.0.1; 0 takes any free one (%(default)s)"
    )
    parser.add_argument("--day", type=int, choices=(1, 2), default=1, help="on day 2 a shop has changed")
    parser.add_argument("--quiet", action="store_true", help="do not list the requests")
    arguments = parser.parse_args()
    try:
        with running(arguments.port, None if arguments.quiet else show) as (internet, port):
            internet.day = arguments.day
            print(
                f"{len(build())} sites on 127.0.0.1:{port}; Ctrl-C stops. In another terminal:\n\n"
                f"  contentmap --db demo.db scan -i {DOMAINS} --connect-to ::127.0.0.1:{port}\n\n"
                "The last option sends every name and every address here, those outside the demo included.",
                flush=True,
            )
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"error: port {arguments.port} is taken ({error.strerror})\n\nhint: --port 0", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
