"""The pipeline as its users run it: `dvc repro` in a fresh clone, on the synthetic corpus, with the network blocked."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from ser import EMOTIONS
from tests.project import Project, ran

SMALL = {
    "corpora": ["synthetic"],
    "synthetic_words": 10,
    "protocols": ["word", "speaker_oaf"],
    # What is made to carry over to other voices needs more than a hundred clips.
    "train": {
        "filters": [8],
        "units": 24,
        "epochs": 12,
        "batch_size": 16,
        "lr": 0.01,
        "shift": 0,
        "scale": 0,
        "mask": 0,
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.set(**SMALL)
    output = project.dvc("repro")
    assert set(ran(output)) == {
        "download", "features", "split", "train@word", "train@speaker_oaf", "evaluate@word", "evaluate@speaker_oaf",
        "summarise",
    }  # fmt: skip
    assert "Warning" not in output
    project.commit("Run the synthetic corpus")
    return project


def test_the_run_needs_no_network(project: Project) -> None:
    assert not project.network_log.exists(), project.network_log.read_text()


@pytest.mark.parametrize("attempt", [
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    "import urllib.request; urllib.request.urlopen('http://example.invalid')",
    "import socket; socket.socket().connect(('127.0.0.1', 9))",
    "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
])  # fmt: skip
def test_the_block_itself_works(tmp_path: Path, project: Project, attempt: str) -> None:
    log = tmp_path / "log"
    result = project.run(sys.executable, "-c", attempt, NETWORK_LOG=str(log))
    assert "the network is blocked" in result.stderr and log.exists()


def test_metrics_keep_the_contract(project: Project) -> None:
    for protocol in SMALL["protocols"]:
        figures = project.json(f"{protocol}.json")
        assert (figures.pop("corpus"), figures.pop("protocol")) == ("synthetic", protocol)
        assert (figures.pop("n_test"), figures.pop("n_train")) == {"word": (28, 112), "speaker_oaf": (70, 70)}[protocol]
        assert list(figures.pop("recall")) == list(EMOTIONS)
        assert 0 < figures.pop("control").pop("duration_only") < 1
        assert figures.pop("log_loss") > 0
        assert figures.pop("right_if_answered", 0.5) <= 1
        names = {"accuracy", "uar", "macro_f1", "ece", "accuracy_low", "accuracy_high", "answered"}
        assert figures.keys() == names and all(0 <= value <= 1 for value in figures.values())
        assert figures["accuracy_low"] <= figures["accuracy"] <= figures["accuracy_high"]


def test_the_network_learns_and_the_corpus_is_not_trivial(project: Project) -> None:
    assert 0.4 < project.json("word.json")["accuracy"] < 1.0


def test_the_summary_holds_what_was_run_and_nothing_else(project: Project) -> None:
    summary = project.json("summary.json")
    # One speaker direction is no mean; `random` was not run, though its committed file is still there.
    assert summary.keys() == {"corpus", "word_accuracy", "word_uar", "speaker_oaf_accuracy", "speaker_oaf_uar"}
    assert summary["corpus"] == "synthetic"
    assert summary["word_accuracy"] == project.json("word.json")["accuracy"]
    assert pd.read_csv(project.folder / "plots/summary.csv").protocol.tolist() == SMALL["protocols"]


def test_the_tables_agree_with_the_metrics(project: Project) -> None:
    folder, figures = project.folder / "plots/word", project.json("word.json")
    answers = pd.read_csv(folder / "confusion.csv")
    assert (answers.actual == answers.predicted).mean() == pytest.approx(figures["accuracy"], abs=1e-6)
    report = pd.read_csv(folder / "per_class.csv", index_col="emotion")
    assert report.recall.to_dict() == pytest.approx(figures["recall"])
    curve = pd.read_csv(folder / "risk_coverage.csv")
    assert curve.risk.iloc[-1] == pytest.approx(1 - figures["accuracy"], abs=1e-6) and curve.coverage.iloc[-1] == 1
    assert len(pd.read_csv(folder / "history.csv")) == SMALL["train"]["epochs"]
    clips = pd.read_csv(project.folder / "data/predictions/word/clips.csv")
    assert clips[list(EMOTIONS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    assert (clips[list(EMOTIONS)].idxmax(axis=1) == clips.predicted).all()


def test_every_picture_is_drawn(project: Project) -> None:
    names = ("history", "confusion", "reliability", "risk_coverage")
    for name in [*(f"{protocol}/{name}" for protocol in SMALL["protocols"] for name in names), "summary"]:
        assert (project.folder / f"plots/{name}.png").read_bytes()[:4] == b"\x89PNG", name


def test_a_second_run_does_nothing(project: Project) -> None:
    assert "up to date" in project.dvc("repro")
    with (project.folder / "recordings/README.md").open("a", encoding="utf-8") as page:
        page.write("A word more is no new recording.\n")
    # Nor does what cannot change a result: how answers are given, errors worded, files named.
    for room in ("ser/answer/recogniser.py", "ser/errors.py", "ser/files.py", "ser/params.py"):
        with (project.folder / room).open("a", encoding="utf-8") as module:
            module.write('"""A word more."""\n')
    assert "up to date" in project.dvc("status")
    project.run("git", "restore", ".")


def test_the_manifest_names_the_corpus(project: Project) -> None:
    table = pd.read_csv(project.folder / "data/manifest.csv")
    assert set(table.corpus) == {"synthetic"} and len(table) == 140


@pytest.mark.parametrize(("setting", "message"), [
    ("train.units=-1", "params.yaml: train.units: expected greater than or equal to 1, received -1"),
    ("features.n_mfcc=65", "params.yaml: features: expected n_mfcc <= n_mels = 64, received 65"),
    ("corpora=synthetic", "params.yaml: corpora: expected a valid list, received 'synthetic'"),
])  # fmt: skip
def test_a_bad_setting_is_one_line_before_anything_is_computed(project: Project, setting: str, message: str) -> None:
    """Whatever stage reads it, and though the data would have to be made anew."""
    try:
        output = project.dvc("exp", "run", "-S", setting, "-S", "synthetic_words=11", fails=True)
        assert message in output and "Traceback" not in output
        assert ran(output) == ["download"]  # which refuses it
        assert len(pd.read_csv(project.folder / "data/manifest.csv")) == 140
    finally:
        project.back()
    assert "up to date" in project.dvc("status")


def test_one_speaker_cannot_be_held_out(project: Project) -> None:
    manifest = project.folder / "data/manifest.csv"
    content, splits = manifest.read_bytes(), (project.folder / "data/splits.csv").read_bytes()
    try:
        table = pd.read_csv(manifest)
        table[table.speaker == "OAF"].to_csv(manifest, index=False)
        result = project.run("python", "-m", "stages.split")
        assert result.returncode == 1
        assert result.stderr.strip() == (
            "error: speaker_oaf: expected a corpus of at least two speakers, found only OAF"
        )
        assert (project.folder / "data/splits.csv").read_bytes() == splits
    finally:
        manifest.write_bytes(content)


def test_what_a_parameter_feeds_is_rerun_and_nothing_else_and_back_is_cached(project: Project) -> None:
    """Last, since it changes the project."""
    first = project.json("word.json")
    output = project.dvc("exp", "run", "-S", "train.units=8", "-S", "protocols=[word]")
    # The splits do not depend on which protocols are asked for: the stage runs, its result stays.
    assert ran(output) == ["split", "train@word", "evaluate@word", "summarise"]
    assert project.json("summary.json").keys() == {"corpus", "word_accuracy", "word_uar"}
    assert project.json("word.json") != first
    project.set(**SMALL)
    output = project.dvc("repro")
    assert "Stage 'train@word' is cached" in output and not [stage for stage in ran(output) if "train" in stage]
    assert project.json("word.json") == first
    project.set(features={"n_mfcc": 20})
    changed = ran(project.dvc("repro", "--dry"))
    assert changed[0] == "features" and "download" not in changed


def test_the_same_settings_give_the_same_model_bit_for_bit(project: Project) -> None:
    path = project.folder / "data/predictions/word/clips.csv"
    project.set(**SMALL, features={"n_mfcc": 40})
    project.dvc("repro")
    before = path.read_bytes()
    project.dvc("repro", "--force", "--no-run-cache", "--single-item", "train@word")
    project.dvc("repro")
    assert path.read_bytes() == before


def test_json_is_readable_by_anyone(project: Project) -> None:
    """NaN and Infinity are no JSON."""

    def refuse(name: str) -> float:
        raise ValueError(name)

    for path in project.folder.glob("metrics/*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
