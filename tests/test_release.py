"""What is made of a finished run: a release and its tag."""

import hashlib
import json
import subprocess

import pytest

from ser import EMOTIONS
from ser.artifact import Artifact
from tests.conftest import ROOT
from tests.test_pipeline import Project
from tools import promote

SMALL = {
    "synthetic_words": 10,
    "protocols": ["word", "speaker_oaf"],
    "train": {"units": 8, "epochs": 2, "control_epochs": 1},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small run on the synthetic corpus, committed as a user would: first the code, then the results."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.set(corpus="synthetic", **SMALL)
    project.run("git", "rm", "--quiet", "-r", "--ignore-unmatch", "release", "metrics", "plots")
    commit(project, "Settings")
    project.dvc("repro")
    commit(project, "Results")
    return project


def commit(project: Project, message: str) -> None:
    assert project.run("git", "add", "--all").returncode == 0
    result = project.run("git", "commit", "--quiet", "--message", message)
    assert result.returncode == 0, result.stdout + result.stderr


def revision(project: Project, name: str) -> str:
    return project.run("git", "rev-parse", "--short=12", name).stdout.strip()


def promoted(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.promote", *arguments)


# --- Release ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not promote.MODEL.exists(), reason="nothing is released")
def test_the_released_model_is_what_its_card_says() -> None:
    card, model = json.loads(promote.CARD.read_text(encoding="utf-8")), Artifact(promote.MODEL)
    assert hashlib.sha256(promote.MODEL.read_bytes()).hexdigest() == card["sha256"]
    assert promote.MODEL.stat().st_size < 1_000_000
    for name in ("labels", "corpus", "protocol", "revision"):
        assert getattr(model.description, name) == card[name], name
    assert model.description.features == card["params"]["features"]
    assert model.description.metrics["test_accuracy"] == card["metrics"]["word"]["accuracy"]


def test_the_corpus_must_be_told_to_be_fine(finished: Project) -> None:
    result = promoted(finished)
    assert result.returncode == 1
    assert "expected a model trained on tess, received one trained on synthetic" in result.stdout
    assert "make promote FORCE=1" in result.stderr
    assert not (finished.folder / "release").exists()


def test_a_release_carries_its_digest_figures_and_revision(finished: Project) -> None:
    result = promoted(finished, "--force")
    assert result.returncode == 0, result.stderr
    card = json.loads((finished.folder / promote.CARD).read_text(encoding="utf-8"))
    model = Artifact(finished.folder / promote.MODEL)
    assert card["sha256"] == hashlib.sha256((finished.folder / promote.MODEL).read_bytes()).hexdigest()
    assert card["revision"] == model.description.revision == revision(finished, "HEAD~1")
    assert card["labels"] == list(EMOTIONS)
    assert card["metrics"] == {name: finished.json(f"{name}.json") for name in SMALL["protocols"]}
    assert {"duration_only", "shuffled_labels"} == card["metrics"]["speaker_oaf"]["control"].keys()
    assert model.description.metrics["test_uar"] == finished.json("word.json")["uar"]
    assert "val_loss" in model.description.metrics


def test_the_printed_commands_make_a_tag_that_dvc_understands(finished: Project) -> None:
    lines = promoted(finished, "--force").stdout.splitlines()
    commands = [line.strip() for line in lines if line.startswith("  git ")]
    assert commands.pop() == "git push --follow-tags"
    for command in commands:
        assert finished.run("sh", "-c", command).returncode == 0, command
    assert "v1.0.0" in finished.run("gto", "show").stdout
    finished.dvc("artifacts", "get", ".", promote.NAME, "--rev", "v1.0.0", "--out", "got.onnx")
    got = finished.folder / "got.onnx"
    assert got.read_bytes() == (finished.folder / promote.MODEL).read_bytes()
    got.unlink()
    assert f"{promote.NAME}@v1.1.0" in promoted(finished, "--force").stdout


def test_worse_figures_are_refused(finished: Project) -> None:
    path = finished.folder / promote.CARD
    card = path.read_text(encoding="utf-8")
    better = json.loads(card)
    better["metrics"]["speaker_oaf"]["uar"] = 1.0
    path.write_text(json.dumps(better), encoding="utf-8")
    try:
        result = promoted(finished)
        assert result.returncode == 1
        assert "objection: speaker_oaf: uar fell from 1.0000 to " in result.stdout
        assert json.loads(path.read_text(encoding="utf-8")) == better
    finally:
        path.write_text(card, encoding="utf-8")


def test_an_unmeasured_protocol_is_worse_and_equal_figures_are_not() -> None:
    figures = {"accuracy": 0.5, "uar": 0.5, "macro_f1": 0.5}
    assert promote.worse({"word": figures}, {}) == []
    assert promote.worse({"word": figures}, {"word": figures}) == []
    assert len(promote.worse({"word": figures}, {"word": figures, "random": figures})) == 1


def test_figures_of_another_model_are_never_released(finished: Project) -> None:
    path = finished.folder / "metrics/word.json"
    content = path.read_text(encoding="utf-8")
    try:
        path.write_text(content.replace('"accuracy": 0', '"accuracy": 1'), encoding="utf-8")
        result = promoted(finished, "--force")
        assert result.returncode == 1
        assert "run `dvc repro`" in result.stderr and "Traceback" not in result.stderr
    finally:
        path.write_text(content, encoding="utf-8")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], "v1.0.0"),
        (["speech-emotion@v1.9.0", "speech-emotion@v1.10.2"], "v1.11.0"),
        (["speech-emotion@v0.1.0", "speech-emotion#prod", "speech-emotion@v9.0.0#1"], "v0.2.0"),
    ],
)
def test_the_next_version(tags: list[str], expected: str) -> None:
    assert promote.next_version(tags) == expected
    assert ROOT.joinpath("dvc.yaml").read_text(encoding="utf-8").count(f"\n  {promote.NAME}:\n") == 1
