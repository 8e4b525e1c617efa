"""Where a value comes from: flag, environment, the working directory's file, the user's file, default."""

from __future__ import annotations

import json
import pwd
import re
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from web_sites import good_site, serving

from contentmap_cli.commands.app import app
from contentmap_cli.commands.database.connection import database_address, default_file
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.commands.interface.options import CRAWL
from contentmap_cli.commands.resume import RECORDED
from contentmap_cli.commands.settings.config_files import SETTINGS, user_file
from contentmap_cli.commands.settings.crawl_settings import ScanSettings, default_body_cache, defaults
from contentmap_cli.crawl.crawler import Crawler
from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Probe

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "contentmap.toml"
assert app


def _settings(said: Any) -> dict[str, tuple[Any, str, str | None]]:
    assert said.code == 0, said.err
    return {row["name"]: (row["value"], row["source"], row["place"]) for row in said.json["settings"]}


def test_layers_stand_in_their_order(on_sqlite: Any) -> None:
    """Flag over environment over the folder's file over the user's file over the default, each named."""
    user = on_sqlite.folder / ".config" / "contentmap" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("concurrency = 1\ndelay = 1\ntimeout = 1\ndomain-time = 1\n")
    (on_sqlite.folder / "contentmap.toml").write_text("# ours\nconcurrency = 2\ndelay = 2\ntimeout = 2\n")
    on_sqlite.environment |= {"CONTENTMAP_CONCURRENCY": "3", "CONTENTMAP_DELAY": "3"}
    found = _settings(on_sqlite("config", "--json", "--concurrency", "4"))
    assert found["concurrency"] == (4, "flag", None)
    assert found["delay"] == (3, "environment", "CONTENTMAP_DELAY")
    assert found["timeout"] == (2, "file", "contentmap.toml:4")
    assert found["domain-time"] == (1, "file", f"{user}:4")
    assert found["max-urls"] == (5_000_000, "default", None)


def test_a_projects_file_speaks_and_config_names_another(on_sqlite: Any) -> None:
    """[tool.contentmap] is heard, --config replaces it before and after the command's name."""
    project = '[tool.other]\ntimeout = "no"\n[tool.contentmap]\ntimeout = 9\nallow_net = ["10.0.0.0/8"]\n'
    (on_sqlite.folder / "pyproject.toml").write_text(project)
    (on_sqlite.folder / "other.toml").write_text("max-urls = 12\n")
    found = _settings(on_sqlite("config", "--json"))
    assert found["timeout"] == (9, "file", "pyproject.toml:4")
    assert found["allow-net"] == (["10.0.0.0/8"], "file", "pyproject.toml:5")
    for words in (("config", "--config", "other.toml"), ("--config", "other.toml", "config")):
        found = _settings(on_sqlite(*words, "--json"))
        assert (found["max-urls"][0], found["timeout"][1]) == (12, "default")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("timeuot = 1", "contentmap.toml:2: timeuot is not a setting", "did you mean timeout?"),
        ("zzz = 1", "zzz is not a setting", "contentmap config"),
        ('timeout = "x"', "contentmap.toml:2: timeout requires a number, not text", "timeout = 30.0"),
        ("concurrency = true", "requires a whole number, not true or false", "concurrency = 100"),
        ("concurrency = 0", "concurrency is out of range", "from 1 to 5000"),
        ("timeout = nan", "timeout is out of range", "from 0.1"),
        ('probe = "often"', "probe is not one of auto, always, never", 'probe = "auto"'),
        ('header = "A: b"', "header requires a list of texts", 'header = ["'),
        ("max-urls = 1\nmax_urls = 2", "max-urls is set twice", "remove one"),
        ("[scan]\ntimeout = 1", "contentmap.toml:2: scan is not a setting", "hint"),
        ("timeout = ", "contentmap.toml is not TOML", "(at line 2"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(on_sqlite: Any, text: str, message: str, hint: str) -> None:
    """Exit 2, the file and the line, what is wrong and what to write instead; nothing runs."""
    (on_sqlite.folder / "contentmap.toml").write_text(f"# settings\n{text}\n")
    said = on_sqlite("scan", "a.test", "--json")
    assert said.code == 2
    assert message in said.err, said.err
    assert hint in said.err
    assert json.loads(said.err.splitlines()[-1])["error"]["code"] == "usage"
    assert not Path(on_sqlite.database).exists()
    assert on_sqlite("scan", "--help").code == 0


@pytest.mark.parametrize("name", ["none.toml", "~nobody-here/none.toml"])
def test_a_missing_file_is_refused(on_sqlite: Any, name: str) -> None:
    """A file that was named must be there, and so must the home it lies in."""
    for words in (("status", "--config", name), ("--config", name, "status")):
        said = on_sqlite(*words)
        assert (said.code, f"cannot read the settings file {name}" in said.err) == (2, True), said.err


def test_secrets_are_not_shown(on_sqlite: Any) -> None:
    """Neither the database's password nor a proxy's nor a header's value."""
    on_sqlite.environment |= {
        "CONTENTMAP_DATABASE_URL": "postgresql://user:geheim@db.test/map?password=geheim",
        "CONTENTMAP_HEADER": "X-Key: geheim one\nX-Other: geheim",
        "CONTENTMAP_PROXY": "http://user:geheim@proxy.test:3128",
    }
    on_sqlite.words = lambda *arguments, fault=None: [*type(on_sqlite).words(on_sqlite)[:3], *arguments]
    for words in (("config",), ("config", "--json")):
        said = on_sqlite(*words)
        assert said.code == 0, said.err
        assert "geheim" not in said.out + said.err
    assert _settings(on_sqlite("config", "--json"))["header"][0] == ["X-Key: ***", "X-Other: ***"]


def test_a_flag_before_the_name_outranks_the_environment(on_sqlite: Any) -> None:
    """--db and --tenant may stand before the command's name, whatever is exported."""
    on_sqlite.environment |= {"CONTENTMAP_DATABASE_URL": "elsewhere.db", "CONTENTMAP_TENANT": "other"}
    found = _settings(on_sqlite("--tenant", "mine", "config", "--json"))
    assert found["tenant"] == ("mine", "flag", None)
    assert found["db"] == (on_sqlite.database, "flag", None)


def test_a_scan_and_its_resume_hear_the_settings(on_sqlite: Any) -> None:
    """The file leads a scan; what the job has recorded holds at its resume, whatever the file says then."""
    file = on_sqlite.folder / "contentmap.toml"
    with serving(good_site("a.test", 5) | good_site("b.test", 5)) as sites:
        file.write_text(f'connect-to = ["{sites.connect_to}"]\nmax-urls = 2\nfail-on = "never"\n')
        said = on_sqlite("scan", "http://a.test", "--format", "ndjson")
        assert (said.code, said.lines[0]["urls"], said.lines[0]["outcome"]) == (0, 2, "partial")
        file.write_text('connect-to = ["::127.0.0.1:1"]\nheader = ["X-Key: a b"]\n')
        again = on_sqlite("resume", said.lines[-1]["job_id"], "--failed", "--format", "ndjson")
    assert (again.lines[0]["urls"], again.lines[0]["outcome"]) == (2, "partial"), again.err


def test_resume_hears_flags_alone_for_what_is_recorded() -> None:
    """Of the crawl's settings only those that are never recorded reach a resume from elsewhere."""
    own = {field.name for field in fields(ScanSettings)}
    assert own == CRAWL.keys()
    assert own >= RECORDED
    assert not {"header", "proxy"} & RECORDED
    assert own <= SETTINGS.keys()


def test_nothing_said_leaves_what_is_recorded_and_no_delay_is_a_delay() -> None:
    """What was said goes over what a job has recorded: 0 seconds were said, a switch that is off was not."""
    job = ScanSettings(delay=5.0, refresh=True, allow_net=("10.0.0.0/8",), probe=Probe.NEVER)
    recorded = ScanSettings.from_recorded(json.loads(json.dumps(job.recorded())))
    assert recorded == job
    nothing = dict.fromkeys(CRAWL) | {"refresh": False, "insecure": False, "allow_private": False}
    nothing["allow_http"] = False
    assert ScanSettings.of(nothing).over(recorded) == job
    assert ScanSettings.of(nothing | {"delay": 0.0}).over(recorded).delay == 0.0
    assert ScanSettings(delay=0.0, header=("A: b",), proxy="http://p.test").recorded() == {"delay": 0.0}


def test_the_example_is_true(on_sqlite: Any) -> None:
    """examples/contentmap.toml holds every setting, each commented out, with its real default."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    said = dict(match.groups() for line in lines if (match := re.match(r"#([a-z][a-z-]*) = (.*)", line)))
    assert list(said) == [setting.key for setting in SETTINGS.values()]
    assert all(line.startswith("#") or not line for line in lines)
    (on_sqlite.folder / "all.toml").write_text("\n".join(f"{key} = {value}" for key, value in said.items()))
    found = _settings(on_sqlite("config", "--config", "all.toml", "--json"))
    for name, value in defaults().items():
        if value not in ([], ""):
            key = name.replace("_", "-")
            assert found[key][:2] == (value, "file")


def test_every_setting_is_documented() -> None:
    """docs/configuration.md has a row for each setting with its variable, and no other."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| `(CONTENTMAP_[A-Z_]+)` \|", text, re.M)
    assert rows == [(setting.key, setting.variable) for setting in SETTINGS.values()]


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user in no list of users: no settings file, no cache, and a database by name only."""

    def unknown(_: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert (user_file(), default_file(), default_body_cache()) == (None, None, "off")
    with pytest.raises(UsageError, match="no home folder"):
        database_address(GlobalOptions())


async def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl refuses to start, and names the variable."""

    def nowhere() -> None:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(UsageError) as caught:
        async with Crawler(CrawlOptions()):
            pass
    assert "TMPDIR" in str(caught.value.hint)
