"""`dvc exp run -S` with every key of params.yaml, through train and evaluate; and what a run must not be able to do."""

import csv
import inspect
import re
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ser import EMOTIONS, params
from tests.conftest import ROOT
from tests.project import TINY, Project, ran

pytestmark = pytest.mark.slow

# Another value that a user might choose, where halving a number or taking another of the choices would be none.
OTHERS: dict[str, str] = {
    "corpora": "[folder]",
    "synthetic_words": "11",
    "folder": "elsewhere",
    "protocols": "[random,speaker_yaf]",
    "features.window": "hamming",
    "features.trim_db": "null",
    "features.n_fft": "2048",
    "features.n_mels": "80",
    "features.use": "[mfcc]",
    "split.fold": "1",
    "split.folds": "4",
    "split.val_folds": "3",
    "train.filters": "[]",
}


def other(key: str, value: Any) -> str:
    """Another value of a key, as one writes it after -S."""
    if key in OTHERS:
        return OTHERS[key]
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, (int, float)):
        return str(type(value)(value / 2)) if value else str(type(value)(1))
    raise AssertionError(f"{key}: name another value than {value!r} in OTHERS")


def keys() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
    return flat


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("settings"))
    project.set(corpora=["synthetic"], **TINY | {"synthetic_words": 12})  # enough for each of the splits below
    project.dvc("repro")
    # Recordings of one's own, in two places.
    for place in ("recordings", "elsewhere"):
        for speaker in ("OAF", "YAF"):
            target = project.folder / place / f"my_{speaker}"
            target.parent.mkdir(exist_ok=True)
            project.run("cp", "-r", f"data/raw/{speaker}", str(target))
    (project.folder / ".gitignore").open("a", encoding="utf-8").write("/elsewhere/\n")
    project.dvc("repro")  # the download depends on the recordings
    project.commit("Run the synthetic corpus")
    return project


@pytest.mark.parametrize("key", keys())
def test_every_key_can_be_set(project: Project, key: str) -> None:
    value = other(key, keys()[key])
    try:
        output = project.dvc(
            "exp", "run", "-S", f"{key}={value}", *(["-S", "corpora=[folder]"] if key == "folder" else [])
        )
        stages = ran(output)
        if key.startswith(("features", "split", "train")):
            assert any(stage.startswith("train@") for stage in stages), output
        assert stages[-1] == "summarise" or "is cached" in output, output
        settings = project.run("git", "diff", "--numstat", "params.yaml").stdout.split()
        # The line that was meant (a list has a line for each entry), and no other.
        assert settings and int(settings[0]) <= 4, project.run("git", "diff", "params.yaml").stdout
    finally:
        project.back()


def test_every_key_of_a_section_is_described() -> None:
    """A key without a comment beside it, or one that nothing reads."""
    for section in (params.Features, params.Split, params.Train, params.Params):
        for field in fields(section):
            described = rf"^    {field.name}: .*  # \S"
            assert re.search(described, inspect.getsource(section), re.M), f"{section.__name__}.{field.name}"
    assert typing.get_type_hints(params.Params)["train"] is params.Train


def test_shuffled_labels_teach_nothing(project: Project) -> None:
    """What the network gets right with them is chance, or a leak."""
    table = project.folder / "data/splits.csv"
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rng = np.random.default_rng(0)
    taught = [row for row in rows if row["word"] != "test"]
    for row, emotion in zip(taught, rng.permutation([row["emotion"] for row in taught]), strict=True):
        row["emotion"] = str(emotion)
    try:
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        project.set(train={"epochs": 15, "units": 24, "filters": [8], "shift": 0, "scale": 0})
        for stage in ("train", "evaluate"):
            result = project.run("python", "-m", f"stages.{stage}", "word")
            assert result.returncode == 0, result.stderr
        # 28 clips: chance is 4 of them, its standard deviation under 2; a leak would be far above.
        assert project.json("word.json")["accuracy"] <= 1 / len(EMOTIONS) + 0.25
    finally:
        project.back()


def test_a_network_that_hears_its_padding_is_refused(project: Project) -> None:
    """A student's convolution in the LSTM's place, without the mask."""
    place = project.folder / "ser/learn/network.py"
    code = place.read_text(encoding="utf-8")
    lstm = "    states = lstm(x, mask=ops.greater(own[:, :, 0], 0) if padded else None)  # (batch, time, 2 units)\n"
    assert lstm in code
    try:
        careless = '    states = layers.Conv1D(8, 9, padding="same")(layers.Conv1D(8, 9, padding="same")(x))\n'
        place.write_text(code.replace(lstm, careless), encoding="utf-8")
        output = project.dvc("repro", "train@word", fails=True)
        assert "expected the same probabilities of padded clips and of each clip alone" in output
        careful = '    states = layers.Conv1D(8, 9, padding="same")(layers.Conv1D(8, 9, padding="same")(x) * own)\n'
        place.write_text(code.replace(lstm, careful), encoding="utf-8")
        project.dvc("repro", "train@word")
    finally:
        project.back()


def test_what_a_failed_stage_takes_away_comes_back(project: Project) -> None:
    place = project.folder / "stages/train.py"
    try:
        place.write_text("raise SystemExit('broken')\n", encoding="utf-8")
        project.dvc("repro", fails=True)
        assert not Path(project.folder / "models/word/model.onnx").exists()
    finally:
        project.back()
    assert Path(project.folder / "models/word/model.onnx").exists()
    assert "up to date" in project.dvc("status")
