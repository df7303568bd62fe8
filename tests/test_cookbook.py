"""The recipes of docs/cookbook.md, in their order and exactly as they are printed."""

import json
import re
from pathlib import Path

import pytest
import soundfile

from tests.conftest import ROOT
from tests.project import TINY, Project

pytestmark = pytest.mark.slow

RECIPES = re.findall(
    r"(?:<!-- skipped: (.*?) -->\n)?```sh\n(.*?)```", (ROOT / "docs/cookbook.md").read_text(encoding="utf-8"), re.S
)
MAX_COLUMNS = 120
# What a shell or a progress bar writes is no table.
TABLE = ("column", "dvc metrics", "dvc params", "dvc dag", "dvc exp show", "dvc exp diff", "dvc stage")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was run and committed, small so that the recipes are quick."""
    project = Project(tmp_path_factory.mktemp("cookbook"))
    project.set(corpora=["synthetic"], **TINY)
    project.dvc("repro")
    project.commit("Run the synthetic corpus")
    return project


@pytest.mark.parametrize(("skipped", "recipe"), RECIPES, ids=[recipe.split("\n")[0] for _, recipe in RECIPES])
def test_recipe(project: Project, skipped: str, recipe: str) -> None:
    if skipped:
        pytest.skip(skipped)
    result = project.run("bash", "-euo", "pipefail", "-c", recipe, COLUMNS=str(MAX_COLUMNS))
    assert result.returncode == 0, result.stdout + result.stderr
    if recipe.startswith(TABLE):
        assert result.stdout.strip() and max(map(len, result.stdout.splitlines())) <= MAX_COLUMNS, result.stdout
        assert "…" not in result.stdout, result.stdout  # a column that did not fit


def test_tables_of_all_protocols_fit(tmp_path: Path) -> None:
    """The recipes above ran with one protocol; these are the committed results."""
    project = Project(tmp_path)
    tables = [
        line for _, recipe in RECIPES for line in recipe.splitlines()
        if re.match(r"column|dvc (metrics|params|dag|stage)", line) and "HEAD~1" not in line
    ]  # fmt: skip
    assert len(tables) >= 5
    for command in tables:
        result = project.run("bash", "-euo", "pipefail", "-c", command, COLUMNS=str(MAX_COLUMNS))
        assert result.returncode == 0, result.stderr
        assert max(map(len, result.stdout.splitlines())) <= MAX_COLUMNS, result.stdout


def test_what_the_recipes_left(project: Project) -> None:
    """Last: the experiments did what the text says of them."""
    assert not project.network_log.exists()
    assert not project.run("git", "status", "--porcelain", "--untracked-files=no").stdout
    branches = project.run("git", "branch", "--format=%(refname:short)").stdout.split()
    assert "try-fast" in branches
    names = project.dvc("exp", "list", "--all-commits", "--name-only").split()
    assert "fast" in names and "less-dropout" not in names
    assert (project.folder.parent / "other/model.onnx").exists()


def test_recordings_of_ones_own_in_a_temporary_experiment(project: Project) -> None:
    """What the cookbook says of `-C`: git ignores recordings, and temporary experiments see what git tracks."""
    for speaker, source in (("anna", "OAF"), ("bob", "YAF")):
        for path in (project.folder / "data/raw" / source).rglob("*.wav"):
            samples, rate = soundfile.read(path)
            own = project.folder / "recordings" / speaker / path.parent.name / path.name
            own.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(own, samples / 2, rate)
    command = ["exp", "run", "--temp", "-S", "corpora=[folder]", "download"]
    assert "found none" in project.dvc(*command, fails=True)
    recordings = ["-C", "recordings/anna", "-C", "recordings/bob"]
    assert "folder: 140 clips, 2 speakers" in project.dvc(*command, *recordings)
    # Beside another corpus, they are trained on and not tested.
    command[4:] = ["corpora=[synthetic,folder]", "--name", "both", *recordings, "evaluate@word"]
    project.dvc(*command)
    name = "metrics/word.json"
    (revision,) = project.run("git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/both").stdout.split()
    both = json.loads(project.run("git", "show", f"{revision}:{name}").stdout)
    assert both["corpus"] == "synthetic + folder" and both["n_test"] == project.json("word.json")["n_test"]
