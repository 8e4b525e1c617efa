"""`contentmap`, and `python -m contentmap_cli`."""

from __future__ import annotations

from contentmap_cli.commands.app import main

if __name__ == "__main__":
    main()
