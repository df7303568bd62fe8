"""README and docs/ name what is there: links, headings, files, programs, settings; --help of every program helps."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from ser import params
from ser.errors import UserError
from ser.sound.features import column_names
from tests.conftest import ROOT

# Every program of the repository. (tools/plots_page.py is a part of `make setup`.)
PROGRAMS = ["demo", "ser.predict"] + [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for folder in ("stages", "tools", "benchmarks")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8") and path.stem != "plots_page"
]
PAGES = [ROOT / "README.md", ROOT / "recordings/README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Folders of which a clone has everything that is named; what lies in the others, a run makes.
FOLDERS = "ser|stages|demo|tools|benchmarks|docs|tests|release|recordings"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page: lower case, hyphens for blanks, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings(content: dict, prefix: str = "") -> set[str]:
    """Every key of ``params.yaml``, with dots."""
    keys = set()
    for name, value in content.items():
        keys |= settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return keys


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@each_page
def test_what_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    for program in re.findall(r"python -m ([\w.]+)", text):
        assert program in PROGRAMS, program
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"(?:`|^ *)make ([a-z-]+)", text, re.M)) <= set(targets)
    known = settings(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    assert set(re.findall(r"-S '?([\w.]+)=", text)) <= known


@each_page
def test_no_figure_is_left_to_be_filled_in(page: Path) -> None:
    assert not re.findall(r"FIGURE_\w+", page.read_text(encoding="utf-8"))


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "line"), [("GRU", "    lstm = .*\n"), ("Conv1D", "    lstm = .*\n    states = .*\n")]
)
def test_networks_to_try_do_not_hear_the_padding(layer: str, line: str) -> None:
    """As docs/from-clip-to-emotion.md prints them; the convolution without `own` is refused."""
    from ser.learn import fitting

    page = (ROOT / "docs/from-clip-to-emotion.md").read_text(encoding="utf-8")
    block = next(block for block in re.findall(r"```python\n(.*?)```", page, re.S) if f"layers.{layer}(" in block)
    source = (ROOT / "ser/learn/network.py").read_text(encoding="utf-8")
    settings = params.load()
    names = column_names(settings.features)
    random = np.random.default_rng(0)
    clips = [random.normal(size=(length, len(names))).astype(np.float32) for length in (20, 33, 60)]

    def answers(block: str) -> tuple[np.ndarray, np.ndarray]:
        changed, count = re.subn(line, lambda _: block, source)
        assert count == 1
        module = ModuleType("network")
        exec(compile(changed, "network.py", "exec"), module.__dict__)
        mean, std = np.zeros(len(names), np.float32), np.ones(len(names), np.float32)
        padded, alone = (module.build(names, mean, std, settings.train, padded=one) for one in (True, False))
        # As after training: a new layer's bias is 0, and would hide that it hears the padding.
        weights = [one + 0.1 * random.random(one.shape) * (one.ndim == 1) for one in padded.get_weights()]
        padded.set_weights(weights)
        alone.set_weights(weights)
        return fitting.predict(padded, clips, 3), np.concatenate([alone(clip[None]) for clip in clips])

    fitting.check_agreement(*answers(block))
    if "own" in block:
        with pytest.raises(UserError, match="padding"):
            fitting.check_agreement(*answers("".join(one for one in block.splitlines(True) if "own" not in one)))
