"""What is made of a finished run: a release with its card and its tag, and pictures as PDF."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ser import EMOTIONS
from ser.learn.modelfile import ModelFile
from tests.conftest import ROOT
from tests.project import TINY, Project
from tools import promote
from tools.card import card

SMALL = TINY | {"protocols": ["word", "speaker_oaf"]}
FIGURES = {"accuracy": 0.5, "uar": 0.5, "macro_f1": 0.5}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small run on the synthetic corpus, committed as a user would: first the code, then the results."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.set(corpora=["synthetic"], **SMALL)
    # Neither the clone's own results nor its releases are meant here.
    for folder in ("release", "metrics", "plots"):
        shutil.rmtree(project.folder / folder, ignore_errors=True)
    project.run("sh", "-c", "git tag | xargs git tag --delete")
    project.commit("Settings")
    project.dvc("repro")
    project.commit("Results")
    return project


@pytest.fixture
def released(finished: Project) -> Project:
    if not (finished.folder / promote.DATA).exists():
        assert promoted(finished, "--force").returncode == 0
    return finished


def promoted(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.promote", *arguments)


def described(**changes: Any) -> dict[str, Any]:
    """A ``release/model.json`` with nothing to object to."""
    good = {
        "corpus": "tess",
        "revision": "0123456789ab",
        "metrics": {"word": FIGURES},
        "params": {"split": {"fold": 0}},
    }
    return good | changes


# --- What lies in git -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (ROOT / promote.MODEL).exists(), reason="nothing is released")
def test_the_released_model_is_what_its_description_says() -> None:
    described, model = json.loads(promote.DATA.read_text(encoding="utf-8")), ModelFile(promote.MODEL)
    assert hashlib.sha256(promote.MODEL.read_bytes()).hexdigest() == described["sha256"]
    assert promote.MODEL.stat().st_size < 2_000_000  # each release stays in git's history for good
    for name in ("labels", "corpus", "protocol", "revision"):
        assert getattr(model.description, name) == described[name], name
    assert model.description.features == described["params"]["features"]
    assert model.description.metrics["test_accuracy"] == described["metrics"]["word"]["accuracy"]


@pytest.mark.skipif(not (ROOT / promote.CARD).exists(), reason="nothing is released")
def test_the_card_is_that_of_the_released_model() -> None:
    assert promote.CARD.read_text(encoding="utf-8") == card(json.loads(promote.DATA.read_text(encoding="utf-8")))


def test_the_artifact_is_declared_as_it_is_released() -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    assert declared[promote.NAME]["path"] == promote.MODEL.as_posix()
    assert declared[promote.NAME]["type"] == "model"


# --- Objections -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "objection"),
    [
        ({"corpus": "synthetic"}, "received one trained on synthetic"),
        ({"revision": "unknown"}, "received revision unknown"),
        ({"revision": "0123456789ab-dirty"}, "received revision 0123456789ab-dirty"),
        ({"metrics": {"word": FIGURES | {"uar": 0.4}}}, "word: uar fell from 0.5000 to 0.4000"),
        ({"metrics": {"random": FIGURES}}, "word: the released model has figures, this one has none"),
        ({"params": {"split": {"fold": 1}}}, "split changed"),
    ],
)
def test_what_is_objected_to(new: dict[str, Any], objection: str) -> None:
    (found,) = promote.objections(described(**new), described())
    assert objection in found


def test_equal_and_better_figures_are_fine_and_so_is_a_first_release() -> None:
    assert promote.objections(described(), described()) == []
    better = {"word": FIGURES | {"accuracy": 0.6}, "random": FIGURES}
    assert promote.objections(described(metrics=better), described()) == []
    assert promote.objections(described(), None) == []


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


# --- The card ---------------------------------------------------------------------------------------------------------


def model_json(**figures: Any) -> dict[str, Any]:
    """A ``release/model.json`` with one speaker protocol."""
    common = {"accuracy_low": 0.4, "accuracy_high": 0.6, "answered": 0.9, "right_if_answered": 0.95, "n_test": 560,
              "control": {"duration_only": 0.3}}  # fmt: skip
    word = FIGURES | common | {"protocol": "word"}
    speaker = word | {"protocol": "speaker_oaf", "n_test": 1400, "answered": 0.136, "right_if_answered": 0.318}
    return described(
        name="speech-emotion", sha256="f" * 64, bytes=1_240_000, protocol="word", labels=list(EMOTIONS),
        metrics={"word": word, "speaker_oaf": speaker | figures},
        params={"features": {"use": ["mfcc", "mel"], "sample_rate": 16_000}},
    )  # fmt: skip


def test_the_metadata_on_top_is_what_hugging_face_reads() -> None:
    _, top, text = card(model_json()).split("---\n", 2)
    metadata = yaml.safe_load(top)
    assert metadata["license"] == "mit" and metadata["language"] == ["en"] and metadata["datasets"] == ["tess"]
    (index,) = metadata["model-index"]
    assert [one["dataset"]["name"] for one in index["results"]] == ["TESS, word", "TESS, speaker_oaf"]
    for result in index["results"]:
        assert {"type", "name"} <= result["task"].keys() and {"type", "name"} <= result["dataset"].keys()
        assert [one["value"] for one in result["metrics"]] == list(FIGURES.values())
    assert text.lstrip().startswith("# ")


def test_the_card_says_what_a_stranger_gets() -> None:
    shown = card(model_json())
    assert "OAF: it answered 13.6% of 1400 clips, and 31.8% of these answers were right" in shown
    assert "$" not in shown  # every gap in the template is filled
    none = model_json(answered=0.0)
    del none["metrics"]["speaker_oaf"]["right_if_answered"]
    assert "OAF: it answered none of 1400 clips" in card(none)


# --- A run, released --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_corpus_must_be_told_to_be_fine(finished: Project) -> None:
    result = promoted(finished)
    assert result.returncode == 1
    assert "expected a model trained on tess, received one trained on synthetic" in result.stdout
    assert "make promote FORCE=1" in result.stderr
    assert not (finished.folder / "release").exists()


@pytest.mark.slow
def test_a_release_carries_its_digest_figures_and_revision(finished: Project) -> None:
    result = promoted(finished, "--force")
    assert result.returncode == 0, result.stderr
    described = json.loads((finished.folder / promote.DATA).read_text(encoding="utf-8"))
    model = ModelFile(finished.folder / promote.MODEL)
    assert described["sha256"] == hashlib.sha256((finished.folder / promote.MODEL).read_bytes()).hexdigest()
    trained_at = finished.run("git", "rev-parse", "--short=12", "HEAD~1").stdout.strip()
    assert described["revision"] == model.description.revision == trained_at
    assert described["labels"] == list(EMOTIONS)
    assert described["metrics"] == {name: finished.json(f"{name}.json") for name in SMALL["protocols"]}
    assert model.description.metrics["test_uar"] == finished.json("word.json")["uar"]
    assert "val_loss" in model.description.metrics
    assert (finished.folder / promote.CARD).read_text(encoding="utf-8") == card(described)


@pytest.mark.slow
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


@pytest.mark.slow
def test_worse_figures_are_refused(released: Project) -> None:
    path = released.folder / promote.DATA
    content = path.read_text(encoding="utf-8")
    better = json.loads(content)
    better["metrics"]["speaker_oaf"]["uar"] = 1.0
    path.write_text(json.dumps(better), encoding="utf-8")
    try:
        result = promoted(released)
        assert result.returncode == 1
        assert "objection: speaker_oaf: uar fell from 1.0000 to " in result.stdout
        assert json.loads(path.read_text(encoding="utf-8")) == better
    finally:
        path.write_text(content, encoding="utf-8")


@pytest.mark.slow
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


@pytest.mark.slow
def test_every_picture_is_drawn_as_pdf_and_git_does_not_see_them(finished: Project) -> None:
    before = finished.run("git", "status", "--porcelain").stdout
    result = finished.run("python", "-m", "tools.figures")
    assert result.returncode == 0, result.stderr
    plots = finished.folder / "plots"
    drawn = {path.with_suffix("").relative_to(plots) for path in plots.rglob("*.pdf")}
    assert drawn == {path.with_suffix("").relative_to(plots) for path in plots.rglob("*.png")}
    assert {Path("summary"), Path("word/confusion"), Path("speaker_oaf/history")} <= drawn
    assert all(path.read_bytes().startswith(b"%PDF") for path in plots.rglob("*.pdf"))
    assert finished.run("git", "status", "--porcelain").stdout == before


@pytest.mark.slow
def test_seeds_of_real_experiments(finished: Project) -> None:
    finished.dvc("exp", "run", "--queue", "-S", "train.seed=1,2", "-S", "protocols=[word]")
    finished.dvc("exp", "run", "--run-all")
    result = finished.run("python", "-m", "tools.seeds")
    assert result.returncode == 0, result.stderr
    assert "2 seeds (1, 2)" in result.stdout and result.stdout.count("| `word` |") == 1
