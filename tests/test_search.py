"""The search with a stand-in for `dvc`: what it asks for, how it stops, goes on and refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import Project

pytestmark = pytest.mark.slow

# Records its arguments, and the experiment as DVC does: a commit below refs/exps. The loss is the learning rate.
DVC = """#!{python}
import json, os, signal, subprocess, sys, time
arguments = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if os.environ.get("INTERRUPT"):
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
if os.environ.get("EDIT"):
    text = open("params.yaml").read()
    open("params.yaml", "w").write(text.replace("members: ", "members: 1"))
if os.environ.get("BREAK"):
    sys.exit("no space left")
if os.environ.get("FORGET"):
    sys.exit()
def git(*command, text=None):
    return subprocess.run(["git", *command], input=text, capture_output=True, text=True, check=True).stdout.strip()
lr = next(part.split("=")[1] for part in arguments if part.startswith("train.lr="))
rows = "epoch,loss,val_loss,accuracy,val_accuracy\\n1,1,9,0,0.1\\n2,1,%s,0,0.5\\n3,1,9,0,0.2\\n" % lr
entry = "100644 blob " + git("hash-object", "-w", "--stdin", text=rows) + "\\thistory.csv\\n"
for folder in ("word", "plots"):
    tree = git("mktree", text=entry)
    entry = "040000 tree " + tree + "\\t" + folder + "\\n"
commit = git("commit-tree", git("mktree", text=entry), "-m", "trial")
git("update-ref", "refs/exps/aa/bb/" + arguments[arguments.index("--name") + 1], commit)
"""


class Search:
    """The search in a fresh clone, with the stand-in first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.calls_log = folder / "calls"
        stub = folder / "bin/dvc"
        stub.parent.mkdir()
        stub.write_text(DVC.format(python=sys.executable), encoding="utf-8")
        stub.chmod(0o755)
        self.path = f"{stub.parent}{os.pathsep}{self.project.environment['PATH']}"

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment |= {"PATH": self.path, "CALLS": str(self.calls_log)}
        return self.project.run("python", "-m", "tools.search", *arguments, **environment)

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self.calls_log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_it_stops_and_goes_on(search: Search) -> None:
    first = search.run("word", "--trials", "3")
    assert first.returncode == 0, first.stderr
    stopped = search.run("word", "--trials", "8", INTERRUPT="1")
    assert stopped.returncode == 130
    assert "stopped with 3 trials; the same command goes on" in stopped.stderr and "Traceback" not in stopped.stderr
    assert "The best of 3 trials" in stopped.stdout
    last = search.run("word", "--trials", "8")
    assert last.returncode == 0 and "The best of 8 trials" in last.stdout
    assert len(search.calls()) == 3 + 1 + 5
    # What was chosen first is not chosen again.
    assert len({tuple(call) for call in search.calls()}) == 9
    losses = [float(line.split()[1]) for line in last.stdout.splitlines() if line.startswith("search-word-")]
    assert len(losses) == 8 and losses == sorted(losses)
    assert (search.project.folder / "search/word.png").read_bytes()[:4] == b"\x89PNG"


def test_it_never_touches_the_test_part_nor_the_workspace(search: Search) -> None:
    search.project.folder.joinpath("recordings/anna b").mkdir()
    search.project.folder.joinpath("recordings/anna b/clip.wav").touch()
    search.project.set(corpora=["folder"])
    before = search.project.run("git", "status", "--porcelain").stdout
    assert search.run("word", "--trials", "1").returncode == 0
    assert search.project.run("git", "status", "--porcelain").stdout == before
    (call,) = search.calls()
    assert call[:3] == ["exp", "run", "--temp"] and call[-1] == "train@word"
    assert not [part for part in call if "evaluate" in part or "summarise" in part]
    assert call[call.index("-C") + 1] == "recordings/anna b/"


def test_a_folder_elsewhere_is_one_line(search: Search, tmp_path: Path) -> None:
    search.project.set(corpora=["folder"], folder=str(tmp_path.parent))
    refused = search.run("word", "--trials", "1")
    assert refused.returncode == 1 and not search.calls_log.exists()
    assert "error: folder: expected a folder of this repository, received" in refused.stderr


def test_the_loss_is_that_of_the_epochs_that_are_kept(search: Search) -> None:
    """The curves have val_loss 9, the learning rate, 9."""
    for average, kept in ((0, 1), (0.4, 2)):
        search.project.set(train={"epochs": 5, "average": average})
        shutil.rmtree(search.project.folder / "search", ignore_errors=True)
        result = search.run("word", "--trials", "1")
        lr = float(next(part for part in search.calls()[-1] if part.startswith("train.lr=")).split("=")[1])
        loss = float(result.stdout.split("val_loss ")[1].split()[0])
        assert loss == pytest.approx(lr if kept == 1 else (lr + 9) / 2, abs=1e-4)


def test_it_refuses_to_mix_what_cannot_be_compared(search: Search) -> None:
    assert search.run("word", "--trials", "1").returncode == 0
    search.project.set(features={"n_mfcc": 20})
    refused = search.run("word", "--trials", "2")
    assert refused.returncode == 1
    assert refused.stderr.strip().endswith(
        "error: params.yaml: changed since this search began; undo that, or remove search/word.db"
    )
    (search.project.folder / "search/word.db").unlink()
    anew = search.run("word", "--trials", "1")  # DVC still has the experiment of before
    assert anew.returncode == 0 and "search-word-1" in anew.stdout, anew.stderr
    search.project.set(folder="elsewhere")
    assert search.run("word", "--trials", "2").returncode == 1


def test_it_stops_when_a_setting_changes_between_trials(search: Search) -> None:
    stopped = search.run("word", "--trials", "3", EDIT="1")
    assert stopped.returncode == 1 and len(search.calls()) == 1
    assert "error: params.yaml: changed since this search began" in stopped.stderr


def test_a_failing_trial_ends_it_with_the_reason(search: Search) -> None:
    result = search.run("word", "--trials", "2", BREAK="1")
    assert result.returncode == 1
    assert "search-word-0 failed" in result.stderr and "no space left" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_trial_that_was_not_recorded_gets_no_loss(search: Search) -> None:
    """The curves that are staged are those of another run."""
    result = search.run("word", "--trials", "1", FORGET="1")
    assert result.returncode == 1 and "The best of" not in result.stdout
    assert "error: search-word-0: expected an experiment that DVC recorded, found none" in result.stderr


@pytest.mark.parametrize("count", ["0", "many"])
def test_a_search_of_nothing_is_refused(search: Search, count: str) -> None:
    result = search.run("word", "--trials", count)
    assert result.returncode == 2 and f"expected a number of trials, 1 or more, received {count}" in result.stderr


def test_an_unknown_protocol_is_one_line(search: Search) -> None:
    result = search.run("words")
    assert result.stderr.strip().startswith("error: protocol: expected one of random, word") and result.returncode == 1
