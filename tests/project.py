"""The project as its users have it: a fresh clone, with the network blocked."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

# Imported by every Python that the tests start: whoever reaches for the network leaves a trace and fails.
NO_NETWORK = """
import os, socket
def refuse(address):
    with open(os.environ["NETWORK_LOG"], "a") as log:
        log.write(f"{address}\\n")
    raise OSError(f"the network is blocked: {address}")
def guarded(connect):
    def guard(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address)
        return connect(self, address)
    return guard
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
socket.getaddrinfo = lambda host, *rest, **options: refuse(host)  # a name, where nothing answers for it
"""

# The quickest run there is: a minute or less.
TINY: dict[str, Any] = {
    "synthetic_words": 10,
    "protocols": ["word"],
    "train": {"filters": [4], "units": 8, "epochs": 2},
}


class Project:
    """A fresh clone of the work tree, with the network blocked."""

    def __init__(self, folder: Path, origin: Path = ROOT) -> None:
        self.folder = folder / "clone"
        self.network_log = folder / "network.log"
        blocker = folder / "blocker"
        blocker.mkdir()
        (blocker / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("SER_DATA_DIR", "VIRTUAL_ENV")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(blocker),
            "NETWORK_LOG": str(self.network_log),
            "GIT_AUTHOR_NAME": "tester", "GIT_AUTHOR_EMAIL": "tester@example.org",
            "GIT_COMMITTER_NAME": "tester", "GIT_COMMITTER_EMAIL": "tester@example.org",
        }  # fmt: skip
        subprocess.run(["git", "clone", "--quiet", str(origin), str(self.folder)], check=True)
        if origin == ROOT:
            self._copy_uncommitted()

    def _copy_uncommitted(self) -> None:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for name in filter(None, listing.split("\0")):
            source, target = ROOT / name, self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():
                shutil.copyfile(source, target)
            else:
                target.unlink(missing_ok=True)

    def clone(self, folder: Path) -> "Project":
        """What somebody else gets who clones this project: its commits."""
        folder.mkdir()
        return Project(folder, self.folder)

    def commit(self, message: str) -> None:
        for command in (("add", "--all"), ("commit", "--quiet", "--message", message)):
            result = self.run("git", *command)
            assert result.returncode == 0, result.stderr

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, timeout=3600
        )

    def dvc(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        result = self.run("dvc", *arguments, **environment)
        output = result.stdout + result.stderr
        assert (result.returncode != 0) == fails, output
        return output

    def set(self, **changes: object) -> None:
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in changes.items():
            content[key] = content[key] | value if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def back(self) -> None:
        """To the last commit, as the cookbook says."""
        # An index without file times first: where a run fails at once, DVC's stash can leave one that takes a changed
        # file of the same size for the committed one.
        for command in (("read-tree", "HEAD"), ("restore", "--staged", "--worktree", ".")):
            assert self.run("git", *command).returncode == 0
        self.dvc("checkout", "--force")  # what a test made by hand goes, too

    def json(self, name: str) -> dict:
        return json.loads((self.folder / "metrics" / name).read_text(encoding="utf-8"))


def ran(output: str) -> list[str]:
    """Stages that a `dvc repro` ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
