"""Answers as a person and a program get them: bars, records, the clock and pictures."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ser import EMOTIONS
from ser.answer import output
from ser.answer.recogniser import Result
from ser.answer.timeline import Segment
from ser.errors import UserError

SHORT = Result("anger", 0.5, dict(zip(EMOTIONS, [0.5, 0.25, 0.15, 0.06, 0.04, 0.0, 0.0], strict=True)), None, 1.5)
LONG = replace(SHORT, duration=65.25, timeline=(
    Segment(0, 1, "silence", 0.0), Segment(1, 2.5, "fear", 0.75), Segment(2.5, 65.25, "unsure", 0.3),
))  # fmt: skip


def test_a_person_gets_bars() -> None:
    assert output.text("a.wav", SHORT, False).splitlines() == [
        "a.wav (1.50 s): anger 50%",
        "  anger       50% " + 15 * "█",
        "  disgust     25% " + 8 * "█",  # 7.5, rounded to the even one
        "  fear        15% " + 4 * "█",
        "  happiness    6% " + 2 * "█",
        "  surprise     4% " + 1 * "█",
        "  sadness      0%",
        "  neutral      0%",
    ]


def test_a_person_gets_a_timeline() -> None:
    unsure = replace(LONG, emotion="unsure", reason="no emotion prevails")
    lines = output.text("a.wav", unsure, False).splitlines()
    assert lines[0] == "a.wav (65.25 s): unsure: no emotion prevails"  # the probability would mean nothing
    assert lines[-3:] == [
        "  0:00.00 - 0:01.00  silence",
        "  0:01.00 - 0:02.50  fear 75%",
        "  0:02.50 - 1:05.25  unsure",
    ]
    silence = Result("silence", 0.0, dict.fromkeys(EMOTIONS, 0.0), None, 1.0)
    assert output.text("a.wav", silence, False) == "a.wav (1.00 s): silence"


def test_a_terminal_without_blocks_gets_other_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    output.writer(False, False, list(EMOTIONS))("é.wav", SHORT)
    lines = sys.stdout.buffer.getvalue().decode("ascii").splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("\\xe9.wav (") and lines[1].endswith(" " + 15 * "#")


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_a_terminal_that_wants_them(
    capsys: pytest.CaptureFixture[str], environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.writer(False, False, list(EMOTIONS))("a.wav", SHORT)
    assert ("\x1b[38;5;203manger\x1b[0m" in capsys.readouterr().out.splitlines()[0]) == coloured


def test_a_program_gets_everything(capsys: pytest.CaptureFixture[str]) -> None:
    output.writer(True, False, list(EMOTIONS))("a\nb.wav", LONG)
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    assert answer["file"] == "a\nb.wav" and answer["probabilities"] == LONG.probabilities
    assert [*answer] == ["file", "emotion", "probability", "probabilities", "reason", "duration", "timeline"]
    assert answer["timeline"][1] == {"start": 1, "end": 2.5, "emotion": "fear", "probability": 0.75}


def test_a_table_gets_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    write = output.writer(False, True, list(EMOTIONS))
    assert capsys.readouterr().out.splitlines() == [f"file,emotion,probability,{','.join(EMOTIONS)},duration,reason"]
    write("a\nb.wav", SHORT)
    write("b.wav", replace(SHORT, emotion="unsure", reason="so to speak"))
    assert capsys.readouterr().out.splitlines() == [
        "a\\nb.wav,anger,0.5,0.5,0.25,0.15,0.06,0.04,0.0,0.0,1.5,",
        "b.wav,unsure,0.5,0.5,0.25,0.15,0.06,0.04,0.0,0.0,1.5,so to speak",
    ]


def test_colours_change_nothing_else() -> None:
    plain, coloured = output.text("a\nb.wav", LONG, False), output.text("a\nb.wav", LONG, True)
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", coloured) != coloured
    assert plain.startswith("a\\nb.wav (")


def test_bars_of_no_meaning_say_so() -> None:
    unsure = replace(SHORT, emotion="unsure", reason="unlike")
    assert (
        len(output.text("a.wav", unsure, False).splitlines())
        == len(output.text("a.wav", SHORT, False).splitlines()) + 1
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """What is drawn, before it becomes a file."""
    found: list[Axes] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, path: found.extend(self.axes) or save(self, path))
    return found


def test_a_short_recording_is_drawn_as_bars(tmp_path: Path, drawn: list[Axes]) -> None:
    output.plot(SHORT, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    (axis,) = drawn
    bars = [bar.get_width() for bar in axis.patches if isinstance(bar, Rectangle)]
    assert bars == [*SHORT.probabilities.values()] and axis.get_xlim() == (0, 1)
    assert [label.get_text() for label in axis.get_yticklabels()] == [*EMOTIONS]
    top, bottom = axis.get_ylim()[1], axis.get_ylim()[0]
    assert top < 0 and bottom > len(EMOTIONS) - 1, "the first emotion on top, and none cut off"


def test_a_long_recording_is_drawn_as_a_timeline(tmp_path: Path, drawn: list[Axes]) -> None:
    output.plot(LONG, tmp_path / "picture.png")
    (axis,) = drawn
    (fear,) = [collection.get_paths()[0].get_extents() for collection in axis.collections]
    assert (fear.x0, fear.x1) == (1, 2.5) and fear.y0 < EMOTIONS.index("fear") < fear.y1
    bands = [(band.get_x(), band.get_x() + band.get_width()) for band in axis.patches if isinstance(band, Rectangle)]
    assert bands == [(0, 1), (2.5, 65.25)] and axis.get_xlim() == (0, 65.25)


@pytest.mark.parametrize("name", ["no/picture.png", "picture.nothing"])
def test_a_picture_that_cannot_be_written_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a picture file that can be written"):
        output.plot(SHORT, tmp_path / name)


def test_the_clock() -> None:
    times = {
        0: "0:00.00",
        59.994: "0:59.99",
        59.996: "1:00.00",
        62.5: "1:02.50",
        3599.99: "59:59.99",
        3600: "1:00:00.00",
    }
    assert {seconds: output.clock(seconds) for seconds in times} == times


def test_a_picture_without_matplotlib_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="--plot: expected matplotlib .pip install matplotlib"):
        output.plot(SHORT, tmp_path / "picture.png")
