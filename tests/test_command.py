"""The command line: files, folders, patterns and pipes in; text, JSON and CSV out; exit statuses."""

import argparse
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser import EMOTIONS
from ser.answer import command
from ser.answer.recogniser import Recogniser
from ser.errors import UserError
from ser.sound import decode
from tests import listener
from tests.conftest import ROOT


def predict(folder: Path, *given: str, **options) -> subprocess.CompletedProcess:
    """Run it in a process of its own."""
    line = [sys.executable, "-m", "ser.predict", "--model", str(folder / "model.onnx"), *given]
    return subprocess.run(line, capture_output=True, cwd=ROOT, timeout=60, **options)


def test_text_json_and_csv_say_the_same(folder: Path, clip: Path) -> None:
    people = predict(folder, str(clip)).stdout.decode()
    program = json.loads(predict(folder, "--json", str(clip)).stdout)
    table = list(csv.DictReader(io.StringIO(predict(folder, "--csv", str(clip)).stdout.decode())))
    assert people.splitlines()[0].startswith(f"{clip} (") and clip.parent.name in people.splitlines()[0]
    assert [line.split()[0] for line in people.splitlines()[1:]] == list(EMOTIONS)
    assert "\x1b" not in people
    assert program["file"] == table[0]["file"] == str(clip)
    assert program["emotion"] == table[0]["emotion"] == clip.parent.name
    assert program["probabilities"] == {emotion: float(table[0][emotion]) for emotion in EMOTIONS}


def test_folders_patterns_and_pipes(folder: Path, clip: Path) -> None:
    speakers = folder / "clips"
    everything = [json.loads(row)["file"] for row in predict(folder, "--json", str(speakers)).stdout.splitlines()]
    assert everything == sorted(map(str, speakers.rglob("*.wav")))
    pattern = predict(folder, "--json", str(speakers / "*" / "anger" / "*.wav"))
    assert len(pattern.stdout.splitlines()) == 2 * listener.WORDS
    pipe = predict(folder, "--json", "-", input=clip.read_bytes())
    assert json.loads(pipe.stdout)["emotion"] == clip.parent.name


@pytest.mark.parametrize("given", ["nothing*.wav", "missing.wav", "{empty}", "-"])
def test_what_finds_nothing_is_an_error(folder: Path, given: str, tmp_path: Path) -> None:
    run = predict(folder, given.format(empty=tmp_path), stdin=subprocess.DEVNULL)
    assert run.returncode == 1 and not run.stdout
    assert len(run.stderr.splitlines()) == 1 and run.stderr.startswith(b"error: ")


def test_good_answers_come_in_spite_of_bad_files(folder: Path, clip: Path) -> None:
    run = predict(folder, "--json", str(clip), "missing.wav", "-", str(clip), input=b"no sound" * 5000)
    assert run.returncode == 1 and len(run.stdout.splitlines()) == 2
    first, second = run.stderr.splitlines()
    assert first.startswith(b"error: missing.wav: ") and second.startswith(b"error: standard input: expected audio")


def test_closed_streams_are_no_traceback(folder: Path, clip: Path) -> None:
    line = f"{sys.executable} -m ser.predict --csv --model {folder / 'model.onnx'}"
    run = subprocess.run(["bash", "-c", f"{line} - <&-"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 1 and run.stderr.strip().endswith("expected a recording, received a closed one")
    run = subprocess.run(["bash", "-c", f"{line} {clip} 2>&-"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0 and f",{clip.parent.name}," in run.stdout
    run = subprocess.run(["bash", "-c", f"{line} missing.wav 2>&-"], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1 and len(run.stdout.splitlines()) == 1  # the header


def test_what_a_phone_or_a_browser_records_is_not_passed_over_in_a_folder(tmp_path: Path) -> None:
    names = [f"memo{ending}" for ending in command.ENDINGS if ending in decode.FOREIGN_ENDINGS]
    assert {"memo.m4a", "memo.amr", "memo.3gp", "memo.webm"} <= {*names}
    for name in [*names, "notes.txt"]:
        (tmp_path / name).touch()
    assert [*command.expand([str(tmp_path)])] == [str(tmp_path / name) for name in sorted(names)]


def test_links_are_followed_but_not_in_circles(clip: Path, tmp_path: Path) -> None:
    recordings, elsewhere = tmp_path / "recordings", tmp_path / "elsewhere"
    for place in (recordings / "anna", elsewhere):
        place.mkdir(parents=True)
    shutil.copy(clip, elsewhere / "clip.wav")
    (recordings / "bob").symlink_to(elsewhere)
    (recordings / "anna" / "one.wav").symlink_to(clip)
    (elsewhere / "back").symlink_to(recordings)
    found = [str(recordings / "anna" / "one.wav"), str(recordings / "bob" / "clip.wav")]
    assert [*command.expand([str(recordings)])] == found


def test_a_folder_that_cannot_be_read_is_named(
    folder: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("a", "locked"):
        (tmp_path / name).mkdir()
        shutil.copy(clip, tmp_path / name / "clip.wav")
    scan = os.scandir

    def scandir(path: str):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found, refused = command.expand([str(tmp_path)])
    assert found == str(tmp_path / "a" / "clip.wav")
    assert str(refused) == f"{tmp_path / 'locked'}: expected a readable folder, received: Permission denied"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--mic", "abc"], b"argument --mic: expected 0.1 to 3600 seconds, received abc"),
        (["--plot", "answer.png", "{clips}"], b"error: --plot: expected one recording, received 2"),
    ],
)
def test_a_bad_option_is_named_before_anything_is_answered(
    folder: Path, clip: Path, given: list[str], message: bytes, tmp_path: Path
) -> None:
    for name in "ab":
        shutil.copy(clip, tmp_path / f"{name}.wav")
    run = predict(folder, *(part.format(clips=tmp_path) for part in given))
    assert run.returncode and not run.stdout and message in run.stderr


def test_a_reader_that_leaves_is_no_error_message(folder: Path) -> None:
    line = f"{sys.executable} -m ser.predict --model {folder}/model.onnx {folder}/clips | head -n 1"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, cwd=ROOT, timeout=60)
    assert run.returncode == 1
    assert len(run.stdout.splitlines()) == 1 and not run.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_at_once(folder: Path, clip: Path) -> None:
    line = [sys.executable, "-m", "ser.predict", "--json", "--model", str(folder / "model.onnx"), *[str(clip)] * 2000]

    run = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert run.stdout is not None
    run.stdout.readline()
    run.send_signal(signal.SIGINT)
    answers, errors = run.communicate(timeout=120)
    assert len(answers.splitlines()) < 1000, "of 2000: it went on"
    assert run.returncode == 130 and errors.strip() == b"interrupted"


def test_a_pipe_of_the_shell_is_read(folder: Path, clip: Path) -> None:
    line = f"{sys.executable} -m ser.predict --csv --model {folder / 'model.onnx'} <(cat {clip})"
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0, run.stderr
    assert f",{clip.parent.name}," in run.stdout.splitlines()[1]


def test_a_missing_microphone_is_one_line(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="pip install sounddevice"):
        command.microphone(model, 1)


def test_the_microphone_is_asked_for_its_rate(model: Recogniser, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, rate = soundfile.read(clip, dtype="float32")

    class Device:
        PortAudioError = OSError

        @staticmethod
        def query_devices(kind: str) -> dict:
            return {"default_samplerate": float(rate)}

        @staticmethod
        def rec(count: int, **options) -> np.ndarray:
            assert count == 2 * rate and options["blocking"]
            return samples[:, None]

    monkeypatch.setitem(sys.modules, "sounddevice", Device)
    assert command.microphone(model, 2).emotion == clip.parent.name


# --- Within --------------------------------------------------------------------------------------------------------


def test_the_help_shows_the_command_that_was_typed(tmp_path: Path) -> None:
    """As a module, and as the script that an installed package has."""
    script = tmp_path / "speech-emotion"
    script.write_text("from ser.answer.command import run\nrun()\n", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for line, name in [(["-m", "ser.predict"], "python -m ser.predict"), ([str(script)], "speech-emotion")]:
        run = subprocess.run([sys.executable, *line, "--help"], capture_output=True, text=True, env=environment)
        assert run.returncode == 0 and run.stdout.startswith(f"usage: {name} [-h]"), run.stderr


def test_a_folder_means_the_recordings_below_it_in_order(tmp_path: Path) -> None:
    for name in ("b.WAV", "a.flac", "notes.txt", ".hidden.wav", "below/z.mp3", "below/deeper/y.ogg", ".hidden/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(tmp_path / name) for name in ("a.flac", "b.WAV", "below/z.mp3", "below/deeper/y.ogg")]
    assert [*command.expand([str(tmp_path)])] == found
    # Patterns: files whatever their ending, and folders.
    assert [*command.expand([str(tmp_path / "*.txt"), "x.wav"])] == [str(tmp_path / "notes.txt"), "x.wav"]
    assert [*command.expand([str(tmp_path / "b*")])] == [str(tmp_path / name) for name in
                                                         ("b.WAV", "below/z.mp3", "below/deeper/y.ogg")]  # fmt: skip
    assert [*command.expand([str(tmp_path / "**" / "*.ogg")])] == [str(tmp_path / "below/deeper/y.ogg")]


def test_a_file_may_be_called_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "take [1].wav").touch()
    (tmp_path / "take 1.wav").touch()
    assert [*command.expand([str(tmp_path / "take [1].wav")])] == [str(tmp_path / "take [1].wav")]
    (nothing,) = command.expand([str(tmp_path / "other [1].wav")])
    assert isinstance(nothing, UserError)


def test_answers_come_in_order_and_few_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    taken: list[str] = []
    first = threading.Event()

    class Slow:
        """The first clip takes longest."""

        @staticmethod
        def predict(clip: str) -> str:
            if clip == "0":
                assert first.wait(60)
            if clip == "3":
                raise UserError("not this one")
            return f"answer {clip}"

    def clips() -> Iterator[str | UserError]:
        yield UserError("not found")
        for i in range(100):
            taken.append(str(i))
            if i == 8:  # the eight before it are under way, and the one that is taken now makes nine
                threading.Timer(0.2, first.set).start()
            yield str(i)

    found = command.answers(Slow(), clips())  # type: ignore[arg-type]
    assert str(next(found)[1]) == "not found"
    assert next(found) == ("0", "answer 0")
    assert len(taken) == 9
    rest = [*found]
    assert [name for name, _ in rest] == [str(i) for i in range(1, 100)]
    assert [str(answer) for _, answer in rest][:4] == ["answer 1", "answer 2", "not this one", "answer 4"]


@pytest.mark.parametrize(("text", "value"), [("0.1", 0.1), ("3600", 3600), ("0.09", None), ("3601", None), ("", None)])
def test_a_recording_has_a_tenth_of_a_second_to_an_hour(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(argparse.ArgumentTypeError, match=f"expected 0.1 to 3600 seconds, received {text}"):
            command._seconds(text)
    else:
        assert command._seconds(text) == value


@pytest.mark.parametrize("given", [[], ["--json", "--csv", "x.wav"], ["--nothing", "x.wav"]])
def test_a_wrong_option_has_a_status_of_its_own(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["speech-emotion", *given])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 2


def test_main_answers_the_microphone_first_and_draws_the_only_answer(
    folder: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "microphone", lambda recogniser, seconds: recogniser.predict(str(clip)))
    model, picture = ["--model", str(folder / "model.onnx")], str(tmp_path / "answer.png")
    monkeypatch.setattr(sys, "argv", ["x", "--mic", "2", "--json", *model, str(clip)])
    command.main()
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first.pop("file"), second.pop("file")) == ("microphone", str(clip)) and first == second
    for given in (["--mic", "2"], [str(clip)]):
        monkeypatch.setattr(sys, "argv", ["x", *given, *model, "--plot", picture])
        command.main()
        assert Path(picture).read_bytes().startswith(b"\x89PNG")
        Path(picture).unlink()
    for given in (["--mic", "2", str(clip)], [str(clip), str(clip)]):
        monkeypatch.setattr(sys, "argv", ["x", *given, *model, "--plot", picture])
        with pytest.raises(UserError, match="--plot: expected one recording, received 2"):
            command.main()


def test_main_fails_in_the_end_if_one_recording_failed(
    folder: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--csv", "--model", str(folder / "model.onnx"), "no\x1b.wav", str(clip)])
    with pytest.raises(SystemExit) as end:
        command.main()
    out, err = capsys.readouterr()
    assert end.value.code == 1 and len(out.splitlines()) == 2
    assert err.startswith("error: no\\x1b.wav: expected a readable file") and len(err.splitlines()) == 1
