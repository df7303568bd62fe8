"""What GitHub runs, and the demo."""

import re

import pytest
import yaml

from tests.conftest import ROOT
from tests.project import Project

CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
STEPS = [(name, step) for name, job in CI["jobs"].items() for step in job["steps"]]


def test_actions_are_pinned_to_a_commit_and_are_githubs_own() -> None:
    used = [step["uses"] for _, step in STEPS if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used), used


def test_no_job_may_write_and_nothing_of_an_event_reaches_a_shell() -> None:
    assert CI["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in CI[True]  # YAML 1.1 reads the key `on` as true
    assert not any("permissions" in job for job in CI["jobs"].values())
    for _, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")


def test_every_target_of_make_that_it_calls_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {step["run"].split()[1] for _, step in STEPS if step.get("run", "").startswith("make ")}
    assert {"setup", "check", "test", "test-slow"} == targets
    assert all(f"\n{target}: " in makefile for target in targets)


@pytest.mark.slow
def test_the_demo_runs_and_touches_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = Project(tmp_path_factory.mktemp("demo"))
    project.set(synthetic_words=10, protocols=["word"], train={"filters": [4], "units": 8})
    project.commit("Small")
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
    play = "cd .demo && dvc exp run -S train.units=32 && ! git diff --quiet"
    assert project.run("bash", "-c", play).returncode == 0 and made.read_bytes() != before
    back = "cd .demo && git restore --staged --worktree . && dvc checkout && dvc status --quiet"
    result = project.run("bash", "-c", back)
    assert result.returncode == 0 and made.read_bytes() == before, result.stderr
