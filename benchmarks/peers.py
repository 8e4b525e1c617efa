"""Other programs to compare with: a virtual environment of their own, from the package index."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent.parent / "build" / "peers"
"""Where the environment is made unless told otherwise: below a folder that git ignores."""

NODE_PEERS = PEERS.with_name("peers-node")
"""The same for packages of node."""

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


@dataclass(frozen=True, slots=True)
class NodeEnvironment:
    """Packages of node that are ready: the program, the folder they are in, and their versions."""

    node: str
    modules: Path
    versions: dict[str, str]


def node_environment(packages: Sequence[str], folder: Path = NODE_PEERS) -> NodeEnvironment | None:
    """The same for node, from its own package index; None where node and npm are not installed.

    Raises `subprocess.CalledProcessError` where npm fails.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    modules = folder.absolute() / "node_modules"
    missing = [name for name in packages if not (modules / name / "package.json").exists()]
    if missing:
        print(f"installing {', '.join(missing)} in {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *missing]
        subprocess.run(command, check=True, stdout=sys.stderr)
    found = {name: json.loads((modules / name / "package.json").read_text())["version"] for name in packages}
    return NodeEnvironment(node, modules, found)


def _versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    command = [str(python), "-c", _VERSIONS, *packages]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    versions: dict[str, str] = json.loads(answer)
    return versions
