"""The image of examples/workers, made and run without a container engine.

The step of its Dockerfile makes a fresh environment. Then a worker runs as process 1 of a namespace of its
own, without rights, on a read-only root.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from queue_trial import QueueTrial
from scraping import answer, free_port
from trial import wait_until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "examples" / "workers" / "Dockerfile").read_text(encoding="utf-8")
NOBODY = 65534
TEMPORARY = "/var/tmp"  # noqa: S108 - in a namespace of the test's own


def copied(folder: Path) -> None:
    """What `COPY . /src` takes, by the ignore file."""
    ignored = (ROOT / "examples" / "workers" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    for name in re.findall(r"^!(\S+)$", ignored, re.M):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)


@pytest.mark.campaign
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_the_image_runs_a_worker(trial: QueueTrial, tmp_path: Path) -> None:
    """It works, answers the health check, and ends in good order by the signal of `docker stop`."""
    copied(tmp_path / "src")
    (build,) = re.findall(r"^RUN (python -m venv .*)$", DOCKERFILE, re.M)
    steps = build.replace("/opt/contentmap", str(tmp_path / "opt")).replace("/src", str(tmp_path / "src"))
    subprocess.run(["sh", "-ec", steps.replace("python -m", "python3 -m", 1)], check=True, timeout=300)
    shutil.rmtree(tmp_path / "src")
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    (command,) = re.findall(r'^CMD (\["worker".*\])$', DOCKERFILE, re.M)
    words = [word.strip('"') for word in command.strip("[]").split(", ")]
    port = free_port()
    words[-1] = f"127.0.0.1:{port}"
    trial.enqueue()
    # a namespace of mounts with a read-only root and one temporary folder, and of processes
    inside = (
        f"mount --make-rprivate / && mount -t tmpfs tmpfs {TEMPORARY} && mount -o remount,bind,ro / && cd / "
        f"&& exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs "
        f"{shlex.join([str(tmp_path / 'opt' / 'bin' / 'contentmap'), *words])}"
    )
    worker = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside],
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": TEMPORARY,
            "CONTENTMAP_DATABASE_URL": trial.contentmap.database,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: answer(port, "/health")[0] == 200)
        wait_until(lambda: trial.ask("SELECT count(*) FROM domain_scans WHERE finished_at IS NULL") == [(0,)])
        (first,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        _, said = worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert worker.returncode == 0, said
    assert "worker ended: 12 domains" in said
    trial.check_finished()
