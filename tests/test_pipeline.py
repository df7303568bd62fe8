"""The pipeline as its users run it: `dvc repro` in a fresh clone, on the synthetic corpus, with the network blocked."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import onnx
import pandas as pd
import pytest
import yaml

from ser import EMOTIONS
from ser.params import BLOCKS
from tests.conftest import ROOT
from tests.project import Project, ran

DVC_YAML = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = {name: stage.get("do", stage) for name, stage in DVC_YAML["stages"].items()}
# Prosody alone needs more than a hundred clips, and the expert has never heard such voices: it would be most of a small
# network's answer, and mostly wrong.
AS_SPOKEN = {"shift": 0, "shift_pitch": 0, "scale": 0}
HEARS_ALL = AS_SPOKEN | {"members": 1, "units": 24, "epochs": 10, "use": list(BLOCKS), "expert": False}
SMALL = {"synthetic_words": 10, "protocols": ["word", "speaker_oaf"], "train": HEARS_ALL}

# --- Declared dependencies -------------------------------------------------------------------------------------------


def imported_names(module: Path) -> set[str]:
    """What a module imports anywhere, inside functions too, but not for type checking only."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    checking = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for statement in branch.body
        for node in ast.walk(statement)
    }
    names = set()
    for node in ast.walk(tree):
        if node in checking:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def local_imports(module: Path) -> set[Path]:
    """The local ones of them, as files."""
    found = set()
    for name in imported_names(module):
        path = ROOT / name.replace(".", "/")
        if path.with_suffix(".py").exists():
            found |= {path.with_suffix(".py"), path.parent / "__init__.py"}
        elif (path / "__init__.py").exists():
            found.add(path / "__init__.py")
    return found


def closure(module: Path) -> set[Path]:
    """A module, its package, and all that it imports, directly or not."""
    seen, ahead = set(), {module, module.parent / "__init__.py"}
    while ahead:
        seen |= ahead
        ahead = set().union(*map(local_imports, ahead)) - seen
    return seen


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_all_that_it_imports(name: str) -> None:
    module = ROOT / (STAGES[name]["cmd"].split()[2].replace(".", "/") + ".py")
    expected = {path.relative_to(ROOT).as_posix() for path in closure(module)}
    assert {dep for dep in STAGES[name]["deps"] if dep.endswith(".py")} == expected


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_tracks_the_params_that_it_reads(name: str) -> None:
    module = ROOT / (STAGES[name]["cmd"].split()[2].replace(".", "/") + ".py")
    sections = {
        node.args[0].value
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "params.load"
    }
    keys = {"corpora": ["corpora", "folder", "synthetic_words"]}
    expected = sorted(key for section in sections for key in keys.get(section, [section]))
    assert sorted(STAGES[name].get("params", [])) == expected


def test_only_train_imports_tensorflow() -> None:
    for name, stage in STAGES.items():
        modules = [ROOT / dep for dep in stage["deps"] if dep.endswith(".py")]
        assert any("tensorflow" in imported_names(module) for module in modules) == (name == "train"), name


def test_outputs_survive_a_failed_run() -> None:
    for name, stage in STAGES.items():
        for out in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
            assert next(iter(out.values())).get("persist") is True, f"{name}: {out}"


# --- A whole run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.set(corpora=["synthetic"], **SMALL)
    output = project.dvc("repro")
    assert set(ran(output)) == {
        "download", "features", "split", "train@word", "train@speaker_oaf", "evaluate@word", "evaluate@speaker_oaf",
        "summarise",
    }  # fmt: skip
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
        assert figures.pop("n_test") == {"word": 28, "speaker_oaf": 70}[protocol]
        assert list(figures.pop("recall")) == list(EMOTIONS)
        assert set(figures.pop("control")) == {"duration_only", "shuffled_labels"}
        assert figures.pop("log_loss") > 0
        matched = figures.pop("length_matched")
        assert 0 < matched["chance"] <= 0.5 and 0 <= matched["accuracy"] <= 1
        names = {"accuracy", "uar", "macro_f1", "ece", "accuracy_low", "accuracy_high"}
        assert figures.keys() == names and all(0 <= value <= 1 for value in figures.values())
        assert figures["accuracy_low"] <= figures["accuracy"] <= figures["accuracy_high"]


def test_the_network_learns_and_the_corpus_is_not_trivial(project: Project) -> None:
    accuracy = project.json("word.json")["accuracy"]
    assert 0.4 < accuracy < 1.0


def test_the_keras_file_loads_without_this_project(project: Project, tmp_path: Path) -> None:
    code = "import sys, keras; print(keras.models.load_model(sys.argv[1]).output_shape)"
    path = str(project.folder / "models/word/model.keras")
    result = subprocess.run([sys.executable, "-c", code, path], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.strip() == "(None, 7)", result.stderr


def test_the_summary_holds_what_was_run_and_nothing_else(project: Project) -> None:
    summary = project.json("summary.json")
    # One speaker direction is no headline; `random` was not run, though its committed file is still there.
    assert summary.keys() == {"corpus", "word", "control"}
    assert summary["corpus"] == "synthetic"
    assert summary["word"]["accuracy"] == project.json("word.json")["accuracy"]
    assert pd.read_csv(project.folder / "plots/summary.csv").protocol.tolist() == SMALL["protocols"]


def test_the_tables_agree_with_the_metrics(project: Project) -> None:
    folder, figures = project.folder / "plots/word", project.json("word.json")
    answers = pd.read_csv(folder / "confusion.csv")
    assert (answers.actual == answers.predicted).mean() == pytest.approx(figures["accuracy"], abs=1e-6)
    misheard = pd.read_csv(folder / "misheard.csv")
    assert len(misheard) == (answers.actual != answers.predicted).sum()
    assert (misheard.actual != misheard.predicted).all()
    report = pd.read_csv(folder / "per_class.csv", index_col="emotion")
    assert report.recall.to_dict() == pytest.approx(figures["recall"])
    assert list(pd.read_csv(folder / "history.csv")) == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy"]
    predictions = pd.read_csv(project.folder / "data/predictions/word.csv")
    assert predictions[list(EMOTIONS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def test_every_picture_is_drawn(project: Project) -> None:
    pictures = [f"{p}/{name}.png" for p in SMALL["protocols"] for name in ("history", "confusion", "reliability")]
    for name in [*pictures, "summary.png"]:
        assert (project.folder / "plots" / name).read_bytes()[:4] == b"\x89PNG", name


def test_a_second_run_does_nothing(project: Project) -> None:
    assert "up to date" in project.dvc("repro")
    with (project.folder / "recordings/README.md").open("a", encoding="utf-8") as page:
        page.write("A word more is no new recording.\n")
    assert "up to date" in project.dvc("status")


def test_the_manifest_names_the_corpus(project: Project) -> None:
    table = pd.read_csv(project.folder / "data/manifest.csv")
    assert set(table.corpus) == {"synthetic"} and len(table) == 140


def test_a_bad_parameter_is_one_line_and_loses_nothing(project: Project) -> None:
    before = {path: path.read_bytes() for path in project.folder.glob("models/*/*")}
    params = (project.folder / "params.yaml").read_text(encoding="utf-8")
    try:
        project.set(train={"units": -1})
        output = project.dvc("repro", fails=True)
        assert "train.units: expected greater than or equal to 1, received -1" in output
        assert "Traceback" not in output
        assert {path: path.read_bytes() for path in project.folder.glob("models/*/*")} == before
    finally:
        (project.folder / "params.yaml").write_text(params, encoding="utf-8")


def test_one_speaker_cannot_be_held_out(project: Project, tmp_path: Path) -> None:
    params = (project.folder / "params.yaml").read_text(encoding="utf-8")
    manifest = project.folder / "data/manifest.csv"
    content = manifest.read_text(encoding="utf-8")
    try:
        table = pd.read_csv(manifest)
        table[table.speaker == "OAF"].to_csv(manifest, index=False)
        result = project.run("python", "-m", "stages.split")
        assert result.returncode == 1
        assert result.stderr.strip() == (
            "error: protocol speaker_oaf: expected a corpus of at least two speakers, found only OAF"
        )
    finally:
        manifest.write_text(content, encoding="utf-8")
        (project.folder / "params.yaml").write_text(params, encoding="utf-8")


def experts(project: Project) -> dict[str, set[str]]:
    """The corpora whose expert has a say in each exported file, by its description and by its layers."""
    found = {}
    for name in ("model", "control"):
        path = project.folder / "models/word" / f"{name}.onnx"
        found[name] = set(Artifact(path).description.expert)
        assert any("/expert" in node.name for node in onnx.load(path).graph.node) == bool(found[name])
    return found


def test_what_a_parameter_feeds_is_rerun_and_nothing_else(project: Project) -> None:
    """Last, since it changes the project: a changed train.* trains and evaluates, one protocol alone, bit for bit."""
    first = (project.folder / "metrics/word.json").read_bytes()
    assert experts(project) == {"model": set(), "control": set()}
    project.set(train={"expert": True}, protocols=["word"])
    # The splits do not depend on which protocols are asked for: the stage runs, its result stays.
    assert ran(project.dvc("repro")) == ["split", "train@word", "evaluate@word", "summarise"]
    assert project.json("summary.json").keys() == {"corpus", "word", "control"}
    assert (project.folder / "metrics/word.json").read_bytes() != first
    assert experts(project) == {"model": {"emodb", "ravdess"}, "control": set()}
    project.set(train={"expert": False})
    output = project.dvc("repro", "--no-run-cache")
    assert ran(output) == ["train@word", "evaluate@word", "summarise"]
    assert (project.folder / "metrics/word.json").read_bytes() == first
    # The control alone: what the model answers stays the same, and the summary has the new figure nevertheless.
    project.set(train={"control_epochs": 1})
    assert ran(project.dvc("repro")) == ["train@word", "evaluate@word", "summarise"]
    control = project.json("word.json")["control"]
    assert control != json.loads(first)["control"] and project.json("summary.json")["control"] == control
    project.set(train={"control_epochs": yaml.safe_load((ROOT / "params.yaml").read_text())["train"]["control_epochs"]})
    project.dvc("repro")
    dry = project.dvc("repro", "--dry")
    assert not ran(dry)
    project.set(features={"n_mfcc": 20})
    changed = ran(project.dvc("repro", "--dry"))
    assert changed[0] == "features" and "download" not in changed
