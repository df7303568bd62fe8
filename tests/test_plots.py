"""What `dvc plots show` draws: every chart with its titles, and all of them without a network."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ser import EMOTIONS
from tests.conftest import ROOT
from tests.project import Project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("plots"))
    made = project.run("python", "tools/plots_page.py")  # as `make setup` does
    assert made.returncode == 0, made.stderr
    return project


def dom(page: Path, profile: Path) -> str:
    """The page as Chromium has it once its scripts have run; every name but the page's own is unknown to it."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_every_chart_is_drawn_without_a_network(project: Project, tmp_path: Path) -> None:
    # A fresh clone has nothing but git's files, the last results among them.
    project.dvc("plots", "show", "-o", str(tmp_path / "page"))
    page = tmp_path / "page/index.html"
    content = page.read_text(encoding="utf-8")
    assert "<script src" not in content
    expected = content.count("vegaEmbed('#")
    assert expected > 1
    drawn = dom(page, tmp_path / "profile")
    assert drawn.count('class="marks"') == expected
    assert not project.network_log.exists()


def test_every_chart_says_what_it_shows(project: Project) -> None:
    charts = json.loads(project.dvc("plots", "show", "--json"))["data"]
    drawn = {name: items[0]["content"] for name, items in charts.items() if items and items[0]["type"] == "vega"}
    assert drawn.keys() > {"plots/summary.csv", "plots/word/history.csv", "plots/word/confusion.csv"}
    for name, chart in drawn.items():
        assert len(chart["title"]["text"]) > 10, name
        for titles in axes(chart):
            assert all(titles.values()), f"{name}: {titles}"


def axes(chart: dict) -> list[dict[str, str]]:
    """Titles of the axes of a chart and of the charts inside; a layer without an own title shares the others'."""
    views = [chart, *chart.get("hconcat", []), *([chart["spec"]] if "spec" in chart else [])]
    views += [layer for view in list(views) for layer in view.get("layer", [])]
    found = [{axis: view["encoding"][axis].get("title") for axis in ("x", "y")}
             for view in views if {"x", "y"} <= view.get("encoding", {}).keys()]  # fmt: skip
    return [titles for titles in found if any(titles.values())] or [{"x": "", "y": ""}]


def test_a_confusion_matrix_has_shares_of_the_actual_emotion() -> None:
    content = json.loads((ROOT / ".dvc/plots/confusion.json").read_text(encoding="utf-8"))
    totals = content["spec"]["transform"][1]
    assert totals["joinaggregate"][0] == {"op": "sum", "field": "clips", "as": "row"}
    assert totals["groupby"] == ["rev", "actual"]
    assert [content["spec"]["encoding"][axis]["field"] for axis in ("x", "y")] == ["predicted", "actual"]
    for axis in ("x", "y"):
        assert content["spec"]["encoding"][axis]["scale"]["domain"] == list(EMOTIONS)


def test_train_and_validation_share_a_chart() -> None:
    history = json.loads((ROOT / ".dvc/plots/history.json").read_text(encoding="utf-8"))
    folds = [view["transform"][0]["fold"] for view in history["hconcat"]]
    assert folds == [["loss", "val_loss"], ["accuracy", "val_accuracy"]]
