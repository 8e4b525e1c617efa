"""Asks for known advisories about everything that requirements/ci.txt locks, with pip-audit.

Exit code 1 for a finding, and for a package that cannot be audited while others can. Where the advisory
service cannot be reached at all it says so in one line and exits with 0: that is no finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements" / "ci.txt"
SECONDS = 300


def main() -> int:
    """Runs pip-audit and judges what it says."""
    words = ("-m", "pip_audit", "-r", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json")
    try:
        ran = subprocess.run(  # noqa: S603 - this interpreter, with words of our own
            [sys.executable, *words], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        packages = json.loads(ran.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("advisories: the service gave no answer; nothing was audited")
        return 0
    return judge(packages)


def judge(packages: list[dict[str, object]]) -> int:
    """The exit code for what pip-audit says of each package."""
    found = [package for package in packages if package.get("vulns")]
    skipped = [package for package in packages if "skip_reason" in package]
    for package in found:
        print(f"advisories: {package['name']} {package['version']}: {package['vulns']}")
    if packages and len(skipped) == len(packages):
        print("advisories: the service cannot be reached from here; nothing was audited")
        return 0
    for package in skipped:
        print(f"advisories: {package['name']} could not be audited: {package['skip_reason']}")
    if not found and not skipped:
        print(f"advisories: none for {len(packages)} packages")
    return 1 if found or skipped else 0


if __name__ == "__main__":
    sys.exit(main())
