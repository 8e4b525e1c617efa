"""The examples for cron, systemd, a build server and other programs do what they say."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from program import MEASURED
from web_sites import good_site, serving, urlset

EXAMPLES = Path(__file__).parents[2] / "examples"
NIGHTLY = EXAMPLES / "nightly" / "contentmap-nightly"
COMMAND = Path(sysconfig.get_path("scripts")) / "contentmap"


def _run(tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CONTENTMAP_DATABASE_URL": str(tmp_path / "map.db"),
        **MEASURED,
        **variables,
    }
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)


@pytest.mark.campaign
def test_a_night_without_trouble_says_nothing(tmp_path: Path) -> None:
    """No mail where all is well; one with exit code, answer and reasons where something is wrong."""
    targets = tmp_path / "domains.txt"
    targets.write_text("http://a.test\n")
    pages: dict[str, Any] = good_site("a.test")
    with serving(pages) as sites:
        settings = {"CONTENTMAP_TARGETS": str(targets), "CONTENTMAP_CONNECT_TO": sites.connect_to}
        fine = _run(tmp_path, str(NIGHTLY), **settings)
        assert (fine.returncode, fine.stdout, fine.stderr) == (0, "", "")
        pages["a.test/sitemap.xml"] = 410
        bad = _run(tmp_path, str(NIGHTLY), **settings)
    assert bad.returncode == 4 and bad.stderr == ""
    assert bad.stdout.startswith(f"contentmap scan -i {targets} ended with 4\n")
    assert bad.stdout.count("http_410") >= 2
    missing = _run(tmp_path, str(NIGHTLY), CONTENTMAP_TARGETS="/no/such/file")
    assert missing.returncode == 2 and "hint:" in missing.stdout


def test_the_crontab_runs_that_script() -> None:
    """Each line is a comment, a variable or five fields and a command without `%`, which cron would take for
    a line's end."""
    lines = (EXAMPLES / "nightly" / "contentmap.crontab").read_text().splitlines()
    work = [line for line in lines if line and not line.startswith("#")]
    jobs = [line for line in work if not re.match(r"[A-Z_]+=", line)]
    assert len(jobs) == 1 and "%" not in jobs[0]
    assert re.fullmatch(r"(?:[\d*/,-]+ ){5}contentmap-nightly", jobs[0])
    assert NIGHTLY.stat().st_mode & 0o111


def test_the_units_are_understood() -> None:
    """Timer and service are read by systemd itself where it is there, and start the script."""
    folder = EXAMPLES / "nightly"
    service = configparser.RawConfigParser(strict=False)
    service.read(folder / "contentmap.service")
    assert Path(service["Service"]["ExecStart"]).name == NIGHTLY.name
    assert service["Unit"]["OnFailure"] == "contentmap-mail@%n.service"
    if shutil.which("systemd-analyze"):
        schedule = re.search(r"OnCalendar=(.+)", (folder / "contentmap.timer").read_text())
        assert schedule is not None
        subprocess.run(["systemd-analyze", "calendar", schedule[1]], check=True, capture_output=True)
        units = [str(file) for file in sorted(folder.iterdir()) if file.suffix in (".service", ".timer")]
        ran = subprocess.run(
            ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
        )
        # the script is not installed on the machine of whoever runs the tests, nor a mail program
        told = [line for line in ran.stderr.splitlines() if "example" in line or "contentmap" in line]
        assert [line for line in told if "is not executable" not in line] == []


@pytest.mark.campaign
def test_the_workflow_runs_commands_that_there_are(tmp_path: Path) -> None:
    """Its commands are run as they stand, with a site in good order and with one that is not."""
    source = (EXAMPLES / "github" / "sitemaps.yml").read_text()
    check, report = re.findall(r"run: (contentmap check .+)", source)
    good = {
        "a.test/robots.txt": "Sitemap: http://a.test/sitemap.xml",
        "a.test/sitemap.xml": urlset("http://a.test/x"),
    }
    bad = good | {"a.test/sitemap.xml": urlset("http://elsewhere.test/x", "http://a.test/x" + "y" * 2100)}
    for pages, code in ((good, 0), (bad, 3)):
        with serving(dict(pages)) as sites:
            settings = {"SITE": "http://a.test", "CONTENTMAP_CONNECT_TO": sites.connect_to}
            checked = _run(tmp_path, "sh", "-c", check, **settings)
            assert checked.returncode == code, checked.stdout + checked.stderr
            assert ("::error" in checked.stdout) == bool(code)
            assert _run(tmp_path, "sh", "-c", report, **settings).returncode == 0
        found = json.loads((tmp_path / "sitemaps.sarif").read_text())
        assert bool(found["runs"][0]["results"]) >= bool(code)


@pytest.fixture
def feed(tmp_path: Path) -> Any:
    """The script on a state file, with a command that appends what it gets; `fail` makes that fail."""

    def run(fail: str = "false") -> subprocess.CompletedProcess[str]:
        script = str(EXAMPLES / "feed" / "new_urls.py")
        command = ("sh", "-c", f"cat >> got.txt; ! {fail}")
        return _run(tmp_path, sys.executable, script, "a.test", str(tmp_path / "state"), "--", *command)

    return run


@pytest.mark.campaign
def test_new_urls_are_handed_on_once(feed: Any, tmp_path: Path) -> None:
    """Only what is new since last time; all of it again where the command failed; an error is passed on."""
    got = tmp_path / "got.txt"
    pages: dict[str, Any] = good_site("a.test", 2)
    with serving(pages) as sites:
        words = ("contentmap", "scan", "http://a.test", "-q", "--connect-to", sites.connect_to)
        assert feed().returncode == 6  # nothing was scanned yet
        _run(tmp_path, *words)
        assert feed(fail="true").returncode == 1
        got.unlink()
        assert feed().returncode == 0
        assert sorted(got.read_text().split()) == ["http://a.test/page-0", "http://a.test/page-1"]
        got.unlink()
        assert feed().returncode == 0 and not got.exists()
        pages |= good_site("a.test", 3)
        _run(tmp_path, *words)
        assert feed().returncode == 0
        assert got.read_text() == "http://a.test/page-2\n"
