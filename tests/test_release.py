"""What is made of a finished run: a release and its tag, a report."""

import base64
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from ser import EMOTIONS
from ser.errors import UserError
from tests.conftest import ROOT
from tests.project import TINY, Project
from tools import promote, report

pytestmark = pytest.mark.slow

SMALL = TINY | {"protocols": ["word", "speaker_oaf"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small run on the synthetic corpus, committed as a user would: first the code, then the results."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.set(corpora=["synthetic"], **SMALL)
    # Neither the clone's own results nor its releases are meant here.
    for folder in ("release", "metrics", "plots"):
        shutil.rmtree(project.folder / folder, ignore_errors=True)
    project.run("sh", "-c", "git tag | xargs git tag --delete")
    commit(project, "Settings")
    project.dvc("repro")
    commit(project, "Results")
    return project


@pytest.fixture
def released(finished: Project) -> Project:
    if not (finished.folder / promote.CARD).exists():
        assert promoted(finished, "--force").returncode == 0
    return finished


def commit(project: Project, message: str) -> None:
    assert project.run("git", "add", "--all").returncode == 0
    result = project.run("git", "commit", "--quiet", "--message", message)
    assert result.returncode == 0, result.stdout + result.stderr


def revision(project: Project, name: str) -> str:
    return project.run("git", "rev-parse", "--short=12", name).stdout.strip()


def promoted(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.promote", *arguments)


# --- Release ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (ROOT / promote.MODEL).exists(), reason="nothing is released")
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


def test_worse_figures_are_refused(released: Project) -> None:
    path = released.folder / promote.CARD
    card = path.read_text(encoding="utf-8")
    better = json.loads(card)
    better["metrics"]["speaker_oaf"]["uar"] = 1.0
    better["params"]["split"]["fold"] = 4
    path.write_text(json.dumps(better), encoding="utf-8")
    try:
        result = promoted(released)
        assert result.returncode == 1
        assert "objection: speaker_oaf: uar fell from 1.0000 to " in result.stdout
        assert "objection: split changed" in result.stdout
        assert json.loads(path.read_text(encoding="utf-8")) == better
    finally:
        path.write_text(card, encoding="utf-8")


def test_a_model_of_code_that_is_no_commit_is_objected_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert promote.objections_to_revision("0123456789ab") == []
    assert "received revision unknown; commit" in promote.objections_to_revision("unknown")[0]
    model = SimpleNamespace(description=SimpleNamespace(revision="0123456789ab-dirty"))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["promote"])
    monkeypatch.setattr(promote, "check_that_results_are_current", lambda: None)
    monkeypatch.setattr(promote, "read", lambda path: {"corpus": "tess"})
    monkeypatch.setattr(promote, "CARD", Path("no card"))
    monkeypatch.setattr(promote, "Artifact", lambda path: model)
    with pytest.raises(UserError, match="left as it was"):
        promote.main()
    assert capsys.readouterr().out.count("objection: ") == 1
    assert "received revision 0123456789ab-dirty; commit" in promote.objections_to_revision("0123456789ab-dirty")[0]


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


def test_the_artifact_is_declared_as_it_is_released() -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    assert declared[promote.NAME]["path"] == promote.MODEL.as_posix()
    assert declared[promote.NAME]["type"] == "model"


# --- Report ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Elements of a page, and the text that it shows."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def sources(self, tag: str) -> list[str]:
        return [attributes["src"] or "" for name, attributes in self.elements if name == tag and "src" in attributes]


def page(project: Project) -> Page:
    result = project.run("python", "-m", "tools.report")
    assert result.returncode == 0, result.stderr
    return Page((project.folder / "report.html").read_text(encoding="utf-8"))


def test_the_report_is_one_file_that_loads_nothing(finished: Project) -> None:
    shown = page(finished)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in shown.elements}
    for tag, attributes in shown.elements:
        for name in ("src", "srcset", "poster", "data", "action", "background"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
        assert (attributes.get("href") or "#").startswith("#"), tag
    content = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in content and not re.search(r"url\(", content)
    assert "report.html" not in finished.run("git", "status", "--porcelain").stdout


def test_the_report_holds_all_figures_and_pictures(finished: Project) -> None:
    shown = page(finished)
    for name in SMALL["protocols"]:
        figures = finished.json(f"{name}.json")
        for value in [figures[key] for key in ("accuracy", "uar", "macro_f1")] + list(figures["control"].values()):
            assert f"{100 * value:.1f} %" in shown.text, (name, value)
        assert f"{100 * figures['accuracy_low']:.1f}–{100 * figures['accuracy_high']:.1f}" in shown.text
        assert f"{figures['log_loss']:.3f}" in shown.text and f"{figures['ece']:.3f}" in shown.text
        for recall in figures["recall"].values():
            assert f"{100 * recall:.1f} %" in shown.text
    assert len(shown.sources("img")) == len(list((finished.folder / "plots").rglob("*.png")))
    assert (finished.folder / "params.yaml").read_text(encoding="utf-8") in shown.text
    assert "Synthesised speech." in shown.text and "140 clips" in shown.text
    assert revision(finished, "HEAD") in shown.text


def test_misheard_clips_can_be_heard_and_are_not_missed(finished: Project) -> None:
    players = page(finished).sources("audio")
    misheard = pd.read_csv(finished.folder / "plots/word/misheard.csv")
    assert len(players) >= min(report.PLAYERS, misheard.groupby(["actual", "predicted"]).ngroups) > 0
    assert all(player.startswith("data:audio/flac;base64,ZkxhQ") for player in players)  # "fLaC"
    data, aside = finished.folder / "data", finished.folder / "aside"
    data.rename(aside)
    try:
        shown = page(finished)
        assert not shown.sources("audio")
        assert "The audio is not at hand" in shown.text and "The manifest is not at hand" in shown.text
    finally:
        aside.rename(data)


def test_the_sound_of_a_float_file_is_heard(tmp_path: Path) -> None:
    samples = 0.5 * np.sin(np.arange(8000))
    soundfile.write(tmp_path / "float.wav", samples, 16_000, subtype="FLOAT")
    uri = report.sound(tmp_path / "float.wav")
    assert uri
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert rate == 16_000
    np.testing.assert_allclose(heard, samples, atol=1e-4)


def test_the_report_compares_with_the_last_other_figures(finished: Project) -> None:
    path = finished.folder / "metrics/word.json"
    content, params = path.read_text(encoding="utf-8"), (finished.folder / "params.yaml").read_text(encoding="utf-8")
    figures = json.loads(content)
    title = "Tested & <b>found</b> better"
    try:
        path.write_text(json.dumps(figures | {"uar": 0.75, "log_loss": 9.0}), encoding="utf-8")
        finished.set(train={"dropout": 0.125})
        finished.run("git", "commit", "--quiet", "--all", "--message", title)
        text = page(finished).text
        assert f"{0.75 - figures['uar']:+.4f} better" in text
        assert f"{9 - figures['log_loss']:+.4f} worse" in text
        assert "Parameters changed since the run: train.dropout." in text
        assert "train.dropout0.50.125" in text.replace("\n", "")
        assert html.escape(title) in (finished.folder / "report.html").read_text(encoding="utf-8")
    finally:
        path.write_text(content, encoding="utf-8")
        (finished.folder / "params.yaml").write_text(params, encoding="utf-8")
        finished.run("git", "commit", "--quiet", "--all", "--message", "Back")


def test_no_results_are_one_line(finished: Project) -> None:
    path = finished.folder / "metrics/word.json"
    content = path.read_text(encoding="utf-8")
    path.unlink()
    try:
        result = finished.run("python", "-m", "tools.report")
        assert result.returncode == 1
        assert result.stderr.strip() == ("error: metrics/word.json: expected the results of a run; run `dvc repro`")
    finally:
        path.write_text(content, encoding="utf-8")
