"""Links within the README and docs/ lead to a file and a heading, figures are the committed ones; --help helps."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Every program of the repository. (tools/plots_page.py and tools/comment.py are parts of `make`.)
PROGRAMS = ["demo", "ser.predict"] + [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for folder in ("stages", "tools", "research", "benchmarks")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8") and path.stem not in ("plots_page", "comment")
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page: lower case, hyphens for blanks, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/results.md"], ids=lambda page: page.name)
def test_figures_are_the_committed_ones(page: Path) -> None:
    """Not those of the work tree: an experiment may have left its own there."""
    figures = {}
    for name in ("random", "word", "speaker_oaf", "speaker_yaf"):
        content = subprocess.check_output(["git", "show", f"HEAD:metrics/{name}.json"], cwd=ROOT)
        figures[name] = json.loads(content)
    rows = page.read_text(encoding="utf-8").splitlines()
    for name, one in figures.items():
        (row,) = (row for row in rows if re.match(rf"\| `{name}` .*\d\.\d{{4}} to \d", row))
        interval = f"| {one['accuracy_low']:.4f} to {one['accuracy_high']:.4f} | {one['uar']:.4f} |"
        assert f"| {one['accuracy']:.4f} {interval}" in row and f"| {one['control']['duration_only']:.4f} |" in row
    (mean,) = (row for row in rows if row.startswith("| mean of both directions"))
    both = (figures["speaker_oaf"]["accuracy"] + figures["speaker_yaf"]["accuracy"]) / 2
    assert f"| {both:.4f} |" in mean


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_explains_and_does_nothing_else(program: str, tmp_path: Path) -> None:
    """In an empty folder, where all work would fail."""
    command = [sys.executable, "-m", program, "--help"]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"usage: python -m {program} [")
    assert len(result.stdout.splitlines()) > 2 and not list(tmp_path.iterdir())
