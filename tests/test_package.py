"""`pip install .`: what the wheel holds and asks for, and that the command works from it, without the network."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ser import EMOTIONS
from tests.conftest import ROOT

MODEL = "ser/release/model.onnx"
SETS = {name: ROOT / name for name in ("requirements/predict.txt", "requirements.txt", "requirements/develop.txt")}


def run(*command: object, **options) -> str:
    result = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=300, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this work tree, built in a copy: setuptools leaves what it builds in the folder."""
    place = tmp_path_factory.mktemp("package")
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, run(*listed, cwd=ROOT).split("\0")):
        if (ROOT / name).exists():
            (place / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / "copy" / name)
    options = ("--no-index", "--no-build-isolation", "--no-deps", "--quiet", "--wheel-dir")
    run(sys.executable, "-m", "pip", "wheel", *options, place / "wheels", place / "copy", cwd=place)
    (made,) = (place / "wheels").iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder that it is installed into."""
    target = wheel.parent / "installed"
    options = ("--no-index", "--no-deps", "--quiet", "--target")
    run(sys.executable, "-m", "pip", "install", *options, target, wheel)
    return target


@pytest.fixture(scope="module")
def told(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def command(installed: Path, *given: object) -> str:
    """Run the installed command away from the clone."""
    return run(installed / "bin/speech-emotion", *given, cwd=installed, env=os.environ | {"PYTHONPATH": str(installed)})


def requirements(path: Path) -> dict[str, str]:
    """Names and pinned versions in one of the sets, without those that it includes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.partition("#")[0]) for line in lines if re.match(r"\w", line)]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def test_the_wheel_holds_the_library_and_the_model_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert archive.read(MODEL) == (ROOT / "release/model.onnx").read_bytes()
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ser").rglob("*.py")}
    assert names == modules | {MODEL, "ser/release/model.json"}


def test_what_the_wheel_says_of_itself(told: Message) -> None:
    assert told["License-Expression"] == "MIT" and told["License-File"] == "LICENSE"
    versions = SpecifierSet(told["Requires-Python"])
    assert [minor for minor in range(8, 20) if f"3.{minor}.1" in versions] == [11, 12, 13]


def test_it_asks_for_what_a_prediction_needs(told: Message) -> None:
    asked = [Requirement(line) for line in told.get_all("Requires-Dist", [])]
    ranges = {canonicalize_name(one.name): one.specifier for one in asked if one.marker is None}
    pinned = requirements(SETS["requirements/predict.txt"])
    assert ranges.keys() == pinned.keys()
    assert all(version in ranges[name] for name, version in pinned.items())


def test_the_command_is_there(installed: Path) -> None:
    assert command(installed, "--help").startswith("usage: speech-emotion ")


def test_it_predicts_with_the_model_inside(installed: Path, tmp_path: Path) -> None:
    rate = 16_000
    seconds = np.arange(int(1.5 * rate)) / rate
    # A voice of sorts: the harmonics of a falling pitch, in syllables.
    phase = 2 * np.pi * np.cumsum(180 - 30 * seconds) / rate
    sound = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 20)) * np.abs(np.sin(8 * seconds))
    soundfile.write(tmp_path / "clip.wav", 0.2 * sound, rate)
    answer = json.loads(command(installed, "--json", tmp_path / "clip.wav"))
    assert answer["emotion"] in (*EMOTIONS, "unsure")
    assert list(answer["probabilities"]) == list(EMOTIONS)


def test_the_library_is_the_installed_one(installed: Path) -> None:
    code = "from ser.answer import recogniser; print(recogniser.RELEASED)"
    shown = run(sys.executable, "-c", code, cwd=installed, env=os.environ | {"PYTHONPATH": str(installed)})
    assert Path(shown.strip()) == installed / MODEL


@pytest.mark.parametrize(
    ("folders", "sets"),
    [
        (("ser", "stages", "tools", "demo"), list(SETS)[:2]),
        (("tests", "benchmarks"), list(SETS)),
    ],
)
def test_what_is_imported_is_required(folders: tuple[str, ...], sets: list[str]) -> None:
    """By the set that is meant to suffice: none leans on what another package happens to bring along."""
    imported = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    optional = {"sounddevice"}  # an extra, asked for where it is missing
    own = {"ser", "stages", "tools", "demo", "tests", "benchmarks"}
    # Python 3.11 does not see what a package provides that holds no Python.
    packages = {"parselmouth": ["praat-parselmouth"], **metadata.packages_distributions()}
    needed = imported - own - optional - sys.stdlib_module_names
    names = {name for one in sets for name in requirements(SETS[one])}
    missing = {name for name in needed if not names & {canonicalize_name(one) for one in packages.get(name, [name])}}
    assert not missing
