"""Prediction: the answer, the outputs, long recordings, odd files, and what is not imported for it."""

import ast
import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ser
from ser import EMOTIONS, audio, confidence, decode, params, predict, recogniser, report, timeline
from ser.answer.timeline import Segment, Verdict
from ser.errors import UserError
from stages import features as features_stage
from tests import listener, odd_files
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def model(folder: Path) -> ser.Recogniser:
    return ser.load(folder / "model.onnx")


@pytest.fixture(scope="module")
def clip(folder: Path, model: ser.Recogniser) -> Path:
    """The clip that is recognised best."""

    def certainty(path: Path) -> float:
        result = model.predict(path)
        return result.probability if result.emotion == path.parent.name else 0.0

    return max(sorted((folder / "clips").rglob("*.wav")), key=certainty)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> tuple[Path, dict[str, str]]:
    """A folder of odd files, and what each has to end in."""
    place = tmp_path_factory.mktemp("odd")
    return place, odd_files.make(place, *soundfile.read(clip))


def command(folder: Path, *given: str, **options) -> subprocess.CompletedProcess:
    """Run the command line."""
    line = [sys.executable, "-m", "ser.predict", "--model", str(folder / "model.onnx"), *given]
    return subprocess.run(line, capture_output=True, cwd=ROOT, timeout=60, **options)


# --- The answer ----------------------------------------------------------------------------------------------------


def test_the_result_is_typed_and_adds_up(model: ser.Recogniser, clip: Path) -> None:
    result = model.predict(clip)
    assert result.emotion == clip.parent.name
    assert tuple(result.probabilities) == EMOTIONS
    assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert result.probability == max(result.probabilities.values()) == result.probabilities[result.emotion]
    assert result.reason is None and result.timeline == ()
    assert result.duration == round(soundfile.info(clip).duration, 3)
    with pytest.raises(AttributeError):
        result.emotion = "joy"  # type: ignore[misc]


def test_training_file_and_array_give_the_same_frames(
    model: ser.Recogniser, clip: Path, settings: params.Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    extract = recogniser.extract
    monkeypatch.setattr(recogniser, "extract", lambda *given: seen.append(extract(*given)) or seen[-1])
    samples, rate = soundfile.read(clip, dtype="float32")
    for given in [(clip,), (samples, rate), (samples.astype(np.float64), rate), (io.BytesIO(clip.read_bytes()),)]:
        model.predict(*given)
    monkeypatch.setattr(features_stage, "RAW", clip.parent)
    trained = features_stage.clip_frames(clip.name, settings, ser.features.filters(settings))  # type: ignore[attr-defined]
    assert len(seen) == 4
    for frames in seen:
        np.testing.assert_array_equal(frames, trained)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x * 32767).astype(np.int16),
        lambda x: (x * 2147483000).astype(np.int32),
        lambda x: np.round(x * 32767).astype(np.int16)[:, None],
        lambda x: np.stack([x, x]),  # channels first
        lambda x: np.stack([x, -x], axis=1),
        lambda x: x.tolist(),
        lambda x: x[::-1][::-1],  # negative strides
    ],
)
def test_arrays_of_every_kind_are_understood(model: ser.Recogniser, clip: Path, change) -> None:
    samples, rate = soundfile.read(clip)
    assert model.predict(change(samples), rate).emotion == clip.parent.name


@pytest.mark.parametrize(
    "array, rate, message",
    [
        (np.zeros(100), None, "sample_rate"),
        (None, 16_000, "received None"),
        (b"RIFF", None, "received bytes: put them into io.BytesIO"),
        (np.zeros(16_000), 0, "sample_rate"),
        (np.zeros(16_000), -16_000, "sample_rate"),
        (np.zeros(16_000), "16000", "sample_rate"),
        (np.zeros(16_000), float("nan"), "sample_rate"),
        (np.zeros(0), 16_000, "shape"),
        (np.zeros((2, 2, 2)), 16_000, "shape"),
        (np.float32(1), 16_000, "shape"),
        (np.zeros(16_000, complex), 16_000, "complex"),
        (np.zeros(16_000, bool), 16_000, "bool"),
        ([0, 9000] * 8_000, 16_000, "integer of up to 32 bits, received shape .* of int64"),
        (np.array(["a"]), 16_000, "array"),
        ([[1], [1, 2]], 16_000, "array"),
        (np.full(16_000, np.nan), 16_000, "finite"),
        (np.full(16_000, 1e300), 16_000, "finite"),
        (np.ones(10), 16_000, "one frame"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(model: ser.Recogniser, array, rate, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.predict(array, rate)


def test_threads_get_the_answers_that_one_gets(model: ser.Recogniser, folder: Path) -> None:
    paths = sorted((folder / "clips").rglob("*.wav"))[:40]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(model.predict, paths)) == [model.predict(path) for path in paths]


def test_the_times_of_a_timeline_are_those_of_its_samples() -> None:
    """A quarter of a second at 22,050 Hz is no whole number of samples."""
    line = timeline.Timeline(lambda samples: Verdict("fear", np.ones(1)), rate=22_050)
    tone = np.sin(np.arange(22_050)).astype(np.float32)
    line.feed([np.zeros(22_050 * 100, np.float32), tone])
    silence, fear = line.segments(line.verdicts(lambda mean: Verdict("fear", mean), 1))
    assert silence.emotion == "silence" and silence.end == fear.start == pytest.approx(100, abs=0.26)
    assert fear.end == pytest.approx(101, abs=1e-3)
    assert round(fear.start * 22_050) % 5512 == pytest.approx(0, abs=11)  # rounded to milliseconds


def test_the_level_does_not_matter(model: ser.Recogniser, clip: Path) -> None:
    samples, rate = soundfile.read(clip)
    loud, quiet = model.predict(samples, rate), model.predict(samples / 50, rate)
    assert loud.emotion == quiet.emotion
    assert loud.probability == pytest.approx(quiet.probability, abs=1e-3)


def test_a_scale_of_their_own_is_kept_from_end_to_end(model: ser.Recogniser, long: tuple[np.ndarray, int]) -> None:
    """Floats in the range of 16-bit integers: what is silent beside the speech stays silent."""
    speech, rate = long
    samples = speech + np.random.default_rng(0).uniform(-5e-5, 5e-5, len(speech))
    usual, scaled = model.predict(samples, rate), model.predict(samples * 32768, rate)
    assert "silence" in {segment.emotion for segment in usual.timeline}
    assert scaled.timeline == usual.timeline and scaled.emotion == usual.emotion


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(
    ("first", "then", "scale"),
    [(20, 20_000, 2**15), (50, 20_000, 2**15), (20, 30, 1), (2e6, 4e6, 2**23), (1e12, 9, 1e12)],
)
def test_a_quiet_beginning_does_not_count_as_loud(first: float, then: float, scale: float, as_file: bool) -> None:
    samples = np.repeat(np.array([first, -then], np.float32), 10)
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, "FLOAT", format="WAV")
    file.seek(0)
    with decode.opened(file if as_file else samples, 16_000) as sound:
        mono = recogniser._Mono(sound, "sound")
        received = [float(np.abs(mono.read(10)).max()) for _ in range(2)]
        assert len(mono.read(10)) == 0
    assert received == pytest.approx([first / scale, then / scale])


@pytest.mark.parametrize(("format", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_compressed_sound_may_lie_above_full_scale_too(format: str, subtype: str) -> None:
    tone = np.sin(np.arange(16_000 * 3) / 20).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, np.concatenate([20 * tone, 20_000 * tone]), 16_000, subtype, format=format)
    file.seek(0)
    with decode.opened(file) as sound:
        mono = recogniser._Mono(sound, "sound")
        first, then = mono.read(16_000 * 2), mono.read(16_000 * 4)
    assert 1e-4 < np.abs(first).max() < 1e-3 and 0.2 < np.abs(then).max() < 1


@pytest.mark.parametrize("pack", [gzip.open, bz2.open, lzma.open])
def test_a_file_object_may_unpack_what_it_reads(model: ser.Recogniser, clip: Path, tmp_path: Path, pack) -> None:
    with pack(tmp_path / "packed", "wb") as file:
        file.write(clip.read_bytes())
    with pack(tmp_path / "packed", "rb") as file:
        assert model.predict(file) == model.predict(clip)


def test_a_file_object_of_text_is_one_line(model: ser.Recogniser, clip: Path) -> None:
    with clip.open(encoding="latin-1") as file, pytest.raises(UserError, match="received one opened as text"):
        model.predict(file)
    with pytest.raises(UserError, match="file: expected a seekable binary file, received one opened as text"):
        model.predict(io.StringIO("RIFF"))


def test_a_fault_while_a_file_is_open_is_not_the_files(model: ser.Recogniser, clip: Path) -> None:
    def watch(*_: object) -> None:
        raise ValueError("a bug of the caller's")

    with pytest.raises(ValueError, match="a bug of the caller's"):
        model.predict(clip, watch=watch)


def test_a_file_object_is_left_as_it_was(model: ser.Recogniser, clip: Path, tmp_path: Path) -> None:
    """Wherever the caller stood in it; what it says of itself afterwards is true."""
    content = clip.read_bytes()
    for text in (content, content + 20_000 * b" ", b"no sound" * 5000):  # long enough for Python to read ahead
        (tmp_path / "sound").write_bytes(text)
        with tempfile.TemporaryFile() as written, (tmp_path / "sound").open("rb") as opened:
            written.write(text)
            for file in (written, opened, io.BytesIO(text)):
                file.read(100)
                if text.startswith(b"RIFF"):
                    assert model.predict(file) == model.predict(clip)
                else:
                    with pytest.raises(UserError, match="expected audio that libsndfile reads"):
                        model.predict(file)
                file.seek(0)
                assert file.read() == text


def test_a_flac_stream_need_not_say_how_long_it_is(model: ser.Recogniser, clip: Path, tmp_path: Path) -> None:
    """As one that was written into a pipe: its header has 0 for the number of samples."""
    samples, rate = soundfile.read(clip, dtype="int16")
    whole, stream = tmp_path / "whole.flac", tmp_path / "stream.flac"
    for times, seconds in ((1, len(samples) / rate), (5, 5 * len(samples) / rate)):
        soundfile.write(whole, np.tile(samples, times), rate)
        content = bytearray(whole.read_bytes())
        content[21] &= 0xF0  # the lower half of this byte, and the next four, are the number of samples
        content[22:26] = bytes(4)
        stream.write_bytes(content)
        assert model.predict(stream) == model.predict(whole)
        assert model.predict(stream).duration == pytest.approx(seconds, abs=1e-3)
        for one, other in zip(audio.read(stream), audio.read(whole), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("offset", [0.3, -2.0])
def test_a_constant_offset_is_taken_away_in_training_as_in_prediction(
    model: ser.Recogniser, clip: Path, settings: params.Features, offset: float, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    samples, rate = soundfile.read(clip, dtype="float32")
    soundfile.write(tmp_path / "offset.wav", samples + offset * samples.std(), rate, subtype="FLOAT")
    seen = []
    extract = recogniser.extract
    monkeypatch.setattr(recogniser, "extract", lambda *given: seen.append(extract(*given)) or seen[-1])
    model.predict(tmp_path / "offset.wav")
    monkeypatch.setattr(features_stage, "RAW", tmp_path)
    trained = features_stage.clip_frames("offset.wav", settings, ser.features.filters(settings))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(seen[0], trained)


# --- Odd files -----------------------------------------------------------------------------------------------------


def test_every_odd_file_ends_well(model: ser.Recogniser, clip: Path, odd: tuple[Path, dict[str, str]]) -> None:
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
    code += "from ser import predict; predict.run()"
    line = [sys.executable, "-c", code, str(place), "--json", "--model", str(folder / "model.onnx"), *names]
    run = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60)
    answers = [json.loads(row)["file"] for row in run.stdout.splitlines()]
    failures = run.stderr.splitlines()
    assert run.returncode == 1
    assert answers == [name for name in names if name in answers], "not in the order given"
    assert len(answers) + len(failures) == len(names)
    assert all(row.startswith("error: ") for row in failures), run.stderr


def test_what_a_phone_or_a_browser_records_is_not_passed_over_in_a_folder(tmp_path: Path) -> None:
    names = [f"memo{ending}" for ending in predict.ENDINGS if ending in decode.FOREIGN_ENDINGS]
    assert {"memo.m4a", "memo.amr", "memo.3gp", "memo.webm"} <= {*names}
    for name in [*names, "notes.txt"]:
        (tmp_path / name).touch()
    assert [*predict.expand([str(tmp_path)])] == [str(tmp_path / name) for name in sorted(names)]


def test_video_is_told_how_to_convert(model: ser.Recogniser, odd: tuple[Path, dict[str, str]]) -> None:
    for name in ("song.m4a", "film called.wav", "film.webm"):
        with pytest.raises(UserError, match=f"ffmpeg -i '?{odd[0] / name}"):
            model.predict(odd[0] / name)
    with pytest.raises(UserError, match=r"received Matroska or WebM; convert it: ffmpeg -i FILE FILE\.wav"):
        model.predict(io.BytesIO((odd[0] / "film.webm").read_bytes()))


# --- Long recordings -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long(clip: Path) -> tuple[np.ndarray, int]:
    """Speech for about 6 s, silence for 2 s, noise for 4 s."""
    samples, rate = soundfile.read(clip, dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]  # how much silence there is at its ends differs from clip to clip
    noise = np.random.default_rng(0).standard_normal(4 * rate).astype(np.float32) / 10
    return np.concatenate([np.tile(samples, 4), np.zeros(2 * rate, np.float32), noise]), rate


def test_a_long_recording_gets_a_timeline(model: ser.Recogniser, clip: Path, long: tuple[np.ndarray, int]) -> None:
    result = model.predict(*long)
    assert result.duration == pytest.approx(len(long[0]) / long[1], abs=0.01)
    assert result.timeline[0].start == 0 and result.timeline[-1].end == result.duration
    for one, following in zip(result.timeline, result.timeline[1:], strict=False):
        assert one.end == following.start and one.emotion != following.emotion
    time = {
        label: sum(s.end - s.start for s in result.timeline if s.emotion == label) for label in (*EMOTIONS, "silence")
    }
    assert max(EMOTIONS, key=lambda emotion: time[emotion]) == clip.parent.name
    assert time["silence"] == pytest.approx(2, abs=0.75)
    assert result.timeline[-1].emotion == "unsure"


def test_silence_is_said(model: ser.Recogniser) -> None:
    for seconds in (1, 10):
        result = model.predict(np.zeros(seconds * 16_000), 16_000)
        assert result.emotion == "silence" and result.probability == 0


def test_a_file_and_an_array_give_the_same_timeline(
    model: ser.Recogniser, long: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "long.wav", *long, subtype="FLOAT")
    assert model.predict(tmp_path / "long.wav") == model.predict(*long)


@pytest.mark.parametrize("seconds", [2.9, 3.0, 3.0001, 3.2, 4.99, 5.01])
def test_no_sample_is_lost_at_the_limits(model: ser.Recogniser, seconds: float) -> None:
    noise = np.random.default_rng(0).standard_normal(int(seconds * 16_000)) / 10
    result = model.predict(noise, 16_000)
    assert result.duration == pytest.approx(seconds, abs=0.001)
    assert bool(result.timeline) == (seconds > 3)


def test_a_long_recording_needs_constant_memory(
    model: ser.Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight minutes need hardly more than one; to keep their samples would take 3.8 MB a minute."""
    judged = Verdict("unsure", np.full(len(model.labels), 1 / len(model.labels)), "not asked")
    monkeypatch.setattr(model, "judge", lambda samples: judged)
    peaks = []
    for minutes in (1, 8):
        noise = np.random.default_rng(0).standard_normal(minutes * 60 * model.rate) / 10
        soundfile.write(tmp_path / "long.wav", noise, model.rate)
        del noise
        tracemalloc.start()
        model.predict(tmp_path / "long.wav")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1e6, peaks


# --- Confidence ----------------------------------------------------------------------------------------------------


def test_the_temperature_that_was_put_in_is_found() -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.standard_normal((4000, 7))
    labels = np.array([random.choice(7, p=row) for row in np.exp(confidence.log_softmax(logits))])
    for temperature in (0.5, 1, 3):
        too_sure = np.exp(confidence.log_softmax(logits * temperature))
        assert confidence.fit_temperature(too_sure, labels) == pytest.approx(temperature, rel=0.1)


def test_a_perfect_validation_part_gives_no_certainty() -> None:
    labels = np.arange(70) % 7
    temperature = confidence.fit_temperature(np.eye(7)[labels] * 0.93 + 0.01, labels)
    assert 0.6 < temperature < 1  # without the clip that is shared by all emotions, as sure as can be: 0.25
    assert confidence.fit_temperature(np.eye(7)[labels], labels) > 5  # as sure as a float can be: far too sure


def test_the_distance_is_one_for_what_it_was_fitted_on() -> None:
    random = np.random.default_rng(0)
    clips = [random.standard_normal((50, 1)) @ np.ones((1, 6)) + random.standard_normal((50, 6)) for _ in range(200)]
    reference = confidence.fit_reference(clips)
    distances = [reference.distance(clip) for clip in clips]
    assert np.sqrt(np.mean(np.square(distances))) == pytest.approx(1, abs=0.05)
    assert reference.distance(clips[0] + 10) > 5 * max(distances)


def test_limits_accept_what_they_say(model: ser.Recogniser) -> None:
    random = np.random.default_rng(0)
    clips = [random.standard_normal((30, 6)) for _ in range(400)]
    reference = confidence.fit_reference(clips[:200])
    probabilities = random.dirichlet(np.ones(7), 200)
    distance, probability = confidence.limits(reference, clips[200:], probabilities)
    accepted = np.array([reference.distance(clip) <= distance for clip in clips[200:]])
    assert 0.98 <= (accepted & (probabilities.max(axis=1) >= probability)).mean() <= 1


def test_a_limit_is_not_rounded_past_the_clip_that_it_comes_from() -> None:
    random = np.random.default_rng(0)
    for clips in (60, 61, 62, 63, 64):  # few: the limits are those of the clips at the ends
        frames = [random.standard_normal((30, 6)) for _ in range(clips)]
        reference = confidence.fit_reference(frames)
        probabilities = random.dirichlet(np.full(7, 5), clips)  # none as likely as 0.5, where the limit ends
        distance, probability = confidence.limits(reference, frames, probabilities)
        assert max(map(reference.distance, frames)) <= distance <= max(map(reference.distance, frames)) + 1e-4
        assert probabilities.max(axis=1).min() - 1e-4 <= probability <= probabilities.max(axis=1).min()


# --- The model file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_what_is_no_model_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="model.onnx"):
        ser.load(path)


def test_the_released_model_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recogniser, "RELEASED", tmp_path / "release" / "model.onnx")
    with pytest.raises(UserError, match=r"dvc repro.*--model"):
        recogniser.default_model()
    for path in (recogniser.TRAINED, recogniser.RELEASED):
        path.parent.mkdir(parents=True)
        path.touch()
        assert recogniser.default_model() == path


def test_the_docs_run_in_plain_onnx_runtime(clip: Path, tmp_path: Path) -> None:
    """With the released model, and the one file of this project that they name."""
    page = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "InferenceSession" in block)
    assert len(code.splitlines()) == 1 + 14, "fourteen lines, and what they import"
    shutil.copy(ROOT / "ser" / "prosody.py", tmp_path)
    code = code.replace("release/model.onnx", str(ROOT / "release" / "model.onnx")).replace("clip.wav", str(clip))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert run.returncode == 0, run.stderr
    released = ser.load(ROOT / "release" / "model.onnx")
    samples, rate = soundfile.read(clip, dtype="float32")
    frames = released.frames(soxr.resample(samples, rate, released.rate))
    expected = released.model.probabilities(frames[np.newaxis])[0]
    answer = ast.literal_eval(run.stdout)
    assert list(answer) == list(EMOTIONS)
    np.testing.assert_allclose(list(answer.values()), expected, atol=1e-4)


# --- The command line ----------------------------------------------------------------------------------------------


def test_text_json_and_csv_say_the_same(folder: Path, clip: Path) -> None:
    people = command(folder, str(clip)).stdout.decode()
    program = json.loads(command(folder, "--json", str(clip)).stdout)
    table = list(csv.DictReader(io.StringIO(command(folder, "--csv", str(clip)).stdout.decode())))
    assert people.splitlines()[0].startswith(f"{clip} (") and clip.parent.name in people.splitlines()[0]
    assert [line.split()[0] for line in people.splitlines()[1:]] == list(EMOTIONS)
    assert "\x1b" not in people
    assert program["file"] == table[0]["file"] == str(clip)
    assert program["emotion"] == table[0]["emotion"] == clip.parent.name
    assert program["probabilities"] == {emotion: float(table[0][emotion]) for emotion in EMOTIONS}


def test_folders_patterns_and_pipes(folder: Path, clip: Path) -> None:
    speakers = folder / "clips"
    everything = [json.loads(row)["file"] for row in command(folder, "--json", str(speakers)).stdout.splitlines()]
    assert everything == sorted(map(str, speakers.rglob("*.wav")))
    pattern = command(folder, "--json", str(speakers / "*" / "anger" / "*.wav"))
    assert len(pattern.stdout.splitlines()) == 2 * listener.WORDS
    pipe = command(folder, "--json", "-", input=clip.read_bytes())
    assert json.loads(pipe.stdout)["emotion"] == clip.parent.name


@pytest.mark.parametrize("given", ["nothing*.wav", "missing.wav", "{empty}", "-"])
def test_what_finds_nothing_is_an_error(folder: Path, given: str, tmp_path: Path) -> None:
    run = command(folder, given.format(empty=tmp_path), stdin=subprocess.DEVNULL)
    assert run.returncode == 1 and not run.stdout
    assert len(run.stderr.splitlines()) == 1 and run.stderr.startswith(b"error: ")


def test_good_answers_come_in_spite_of_bad_files(folder: Path, clip: Path) -> None:
    run = command(folder, "--json", str(clip), "missing.wav", "-", str(clip), input=b"no sound" * 5000)
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


def test_links_are_followed_but_not_in_circles(clip: Path, tmp_path: Path) -> None:
    recordings, elsewhere = tmp_path / "recordings", tmp_path / "elsewhere"
    for place in (recordings / "anna", elsewhere):
        place.mkdir(parents=True)
    shutil.copy(clip, elsewhere / "clip.wav")
    (recordings / "bob").symlink_to(elsewhere)
    (recordings / "anna" / "one.wav").symlink_to(clip)
    (elsewhere / "back").symlink_to(recordings)
    found = [str(recordings / "anna" / "one.wav"), str(recordings / "bob" / "clip.wav")]
    assert [*predict.expand([str(recordings)])] == found


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
    found, refused = predict.expand([str(tmp_path)])
    assert found == str(tmp_path / "a" / "clip.wav")
    assert str(refused) == f"{tmp_path / 'locked'}: expected a readable folder, received: Permission denied"
    with pytest.raises(UserError, match="locked: expected a readable folder"):
        list(predict.checked(str(tmp_path)))


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
    run = command(folder, *(part.format(clips=tmp_path) for part in given))
    assert run.returncode and not run.stdout and message in run.stderr


def test_a_reader_that_leaves_is_no_error_message(folder: Path) -> None:
    line = f"{sys.executable} -m ser.predict --model {folder}/model.onnx {folder}/clips | head -n 1"
    run = subprocess.run(line, shell=True, capture_output=True, cwd=ROOT, timeout=60)
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


def test_the_bars_are_coloured_on_request_only(model: ser.Recogniser, clip: Path) -> None:
    result = model.predict(clip)
    plain, coloured = report.text("a\nb.wav", result, False), report.text("a\nb.wav", result, True)
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", coloured) != coloured
    assert plain.startswith("a\\nb.wav (") and "means little" not in plain
    assert "means little" in report.text("a.wav", replace(result, emotion="unsure", reason="unlike"), False)


def test_plots(model: ser.Recogniser, clip: Path, long: tuple[np.ndarray, int], tmp_path: Path) -> None:
    for result in (model.predict(clip), model.predict(*long)):
        report.plot(result, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError):
        report.plot(result, tmp_path / "no" / "picture.png")


def test_the_clock() -> None:
    assert [report.clock(seconds) for seconds in (0, 62.5, 3723.25)] == ["0:00.00", "1:02.50", "1:02:03.25"]


def test_a_picture_without_matplotlib_is_one_line(
    model: ser.Recogniser, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="--plot: expected matplotlib .pip install matplotlib"):
        report.plot(model.predict(clip), tmp_path / "picture.png")


def test_a_missing_microphone_is_one_line(model: ser.Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="pip install sounddevice"):
        predict.microphone(model, 1)


def test_the_microphone_is_asked_for_its_rate(
    model: ser.Recogniser, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert predict.microphone(model, 2).emotion == clip.parent.name


# --- What it costs -------------------------------------------------------------------------------------------------


def test_nothing_heavy_is_imported(folder: Path, clip: Path) -> None:
    """Six packages and their own needs suffice, as docs/predict.md says, and ``import ser`` alone takes none."""
    code = (
        "import sys; start = set(sys.modules); import ser; light = set(sys.modules); "
        f"ser.load({str(folder / 'model.onnx')!r}).predict({str(clip)!r}); import ser.predict, ser.report; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - start}); "
        "print({'numpy', 'onnxruntime'} & light)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    loaded, early = run.stdout.splitlines()
    documented = re.search(r"pip install -c constraints.txt (.+)", (ROOT / "docs/predict.md").read_text("utf-8"))
    assert documented and early == "set()"
    packages = metadata.packages_distributions()
    owners = {name: {canonicalize_name(one) for one in packages[name]} for name in loaded.split() if name in packages}
    assert "onnxruntime" in owners
    suffice = with_needs(documented[1].split())
    assert not {name for name, names in owners.items() if not names & suffice}


def with_needs(names: list[str]) -> set[str]:
    """Distributions, and all that they require, directly or not."""
    found: set[str] = set()
    ahead = [canonicalize_name(name) for name in names]
    while ahead:
        if (name := ahead.pop()) not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or ())
            ahead += [canonicalize_name(need.name) for need in needs
                      if not need.marker or need.marker.evaluate({"extra": ""})]  # fmt: skip
    return found


def test_helpers_are_what_the_library_exports() -> None:
    assert ser.Segment is Segment and ser.load is recogniser.load
    with pytest.raises(AttributeError, match="nothing"):
        _ = ser.nothing  # type: ignore[attr-defined]
