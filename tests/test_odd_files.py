"""Odd files: each ends in an answer or in one line, in a program and on the command line."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from ser.answer.recogniser import Recogniser
from ser.errors import UserError
from tests import odd_files
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> tuple[Path, dict[str, str]]:
    """A folder of odd files, and what each has to end in."""
    place = tmp_path_factory.mktemp("odd")
    return place, odd_files.make(place, *soundfile.read(clip))


def test_every_odd_file_ends_well(model: Recogniser, clip: Path, odd: tuple[Path, dict[str, str]]) -> None:
    place, expected = odd
    right = clip.parent.name
    allowed = {
        odd_files.SAME: {right},
        odd_files.SAFE: {right, "unsure", "silence", "error"},
        odd_files.NOTHING: {"unsure", "silence"},
        odd_files.ERROR: {"error"},
    }
    assert len(expected) >= 40
    wrong = {}
    for name, kind in expected.items():
        try:
            answer = model.predict(place / name).emotion
        except UserError as error:
            answer = "error"
            assert "\n" not in str(error).replace(name, ""), error
        if answer not in allowed[kind]:
            wrong[name] = answer
    assert not wrong


def test_the_command_line_survives_all_of_them(folder: Path, odd: tuple[Path, dict[str, str]]) -> None:
    place, expected = odd
    names = [f"./{name}" for name in expected]
    code = "import sys, os; root = os.getcwd(); sys.path.insert(0, root); os.chdir(sys.argv.pop(1)); "
    code += "from ser.answer import command; command.run()"
    line = [sys.executable, "-c", code, str(place), "--json", "--model", str(folder / "model.onnx"), *names]
    run = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60)
    answers = [json.loads(row)["file"] for row in run.stdout.splitlines()]
    failures = run.stderr.splitlines()
    assert run.returncode == 1
    assert answers == [name for name in names if name in answers], "not in the order given"
    assert len(answers) + len(failures) == len(names)
    assert all(row.startswith("error: ") for row in failures), run.stderr


def test_video_is_told_how_to_convert(model: Recogniser, odd: tuple[Path, dict[str, str]]) -> None:
    for name in ("song.m4a", "film called.wav", "film.webm"):
        with pytest.raises(UserError, match=f"ffmpeg -i '?{odd[0] / name}"):
            model.predict(odd[0] / name)
    with pytest.raises(UserError, match=r"received Matroska or WebM; convert it: ffmpeg -i FILE FILE\.wav"):
        model.predict(io.BytesIO((odd[0] / "film.webm").read_bytes()))
