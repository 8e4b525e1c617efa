"""Other programs to compare with: a virtual environment of their own, from the package index."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent.parent / "build" / "peers"
"""Where the environment is made unless told otherwise: below a folder that git ignores."""

_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is ready: its interpreter, and the versions of the packages that were asked for."""

    python: Path
    versions: dict[str, str]


def environment(packages: Sequence[str], folder: Path = PEERS) -> Environment:
    """The environment in `folder`, made if it is not there, with `packages` installed if they are not.

    What is there already is taken as it is; remove the folder for the latest versions. Raises
    `subprocess.CalledProcessError` where pip fails.
    """
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        print(f"making an environment for {', '.join(packages)} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    versions = _versions(python, packages)
    missing = [name for name in packages if name not in versions]
    if missing:
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *missing], check=True, stdout=sys.stderr
        )
        versions = _versions(python, packages)
    return Environment(python, versions)


def _versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    command = [str(python), "-c", _VERSIONS, *packages]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    versions: dict[str, str] = json.loads(answer)
    return versions
