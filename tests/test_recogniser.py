"""The answer to one recording: the same frames as in training, what is refused, and what it costs."""

import ast
import io
import re
import shutil
import subprocess
import sys
import tomllib
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
from ser import EMOTIONS
from ser.answer import recogniser
from ser.answer.recogniser import Recogniser
from ser.answer.timeline import Segment
from ser.errors import UserError
from ser.sound.features import filters
from stages import features
from tests.conftest import ROOT


def test_the_result_is_typed_and_adds_up(model: Recogniser, clip: Path) -> None:
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
    model: Recogniser, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    extract = recogniser.extract
    monkeypatch.setattr(recogniser, "extract", lambda *given: seen.append(extract(*given)) or seen[-1])
    samples, rate = soundfile.read(clip, dtype="float32")
    for given in [(clip,), (samples, rate), (samples.astype(np.float64), rate), (io.BytesIO(clip.read_bytes()),)]:
        model.predict(*given)
    monkeypatch.setattr(features, "RAW", clip.parent)
    trained = features.clip_frames(clip.name, model.model.features, filters(model.model.features))
    assert len(seen) == 4
    for frames in seen:
        np.testing.assert_array_equal(frames, trained)


@pytest.mark.parametrize("offset", [0.3, -2.0])
def test_a_constant_offset_is_taken_away_in_training_as_in_prediction(
    model: Recogniser, clip: Path, offset: float, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    samples, rate = soundfile.read(clip, dtype="float32")
    soundfile.write(tmp_path / "offset.wav", samples + offset * samples.std(), rate, subtype="FLOAT")
    seen = []
    extract = recogniser.extract
    monkeypatch.setattr(recogniser, "extract", lambda *given: seen.append(extract(*given)) or seen[-1])
    model.predict(tmp_path / "offset.wav")
    monkeypatch.setattr(features, "RAW", tmp_path)
    trained = features.clip_frames("offset.wav", model.model.features, filters(model.model.features))
    np.testing.assert_array_equal(seen[0], trained)


def test_threads_get_the_answers_that_one_gets(model: Recogniser, folder: Path) -> None:
    paths = sorted((folder / "clips").rglob("*.wav"))[:40]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(model.predict, paths)) == [model.predict(path) for path in paths]


def test_the_level_does_not_matter(model: Recogniser, clip: Path) -> None:
    samples, rate = soundfile.read(clip)
    loud, quiet = model.predict(samples, rate), model.predict(samples / 50, rate)
    assert loud.emotion == quiet.emotion
    assert loud.probability == pytest.approx(quiet.probability, abs=1e-3)


def judging(model: Recogniser, monkeypatch: pytest.MonkeyPatch, answer: list[float], distance: float = 0.0) -> None:
    """Let the network say this of whatever it hears, and let that be so far from the training clips."""
    monkeypatch.setattr(model.model, "probabilities", lambda frames: np.array([answer], np.float32))
    monkeypatch.setattr(type(model.model.reference), "distance", lambda self, frames: distance)


def with_limits(model: Recogniser, monkeypatch: pytest.MonkeyPatch, distance: float, probability: float) -> None:
    limits = replace(model.model.description, max_distance=distance, min_probability=probability)
    monkeypatch.setattr(model.model, "description", limits)


SURE = [0.5, 0.5, 0, 0, 0, 0, 0]
NOISE = (np.random.default_rng(0).standard_normal(160_000) / 10).astype(np.float32)


def test_a_limit_is_kept_by_the_clip_that_reaches_it(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    for distance, probability, reason in [(2.0, 0.5, None), (1.99, 0.5, "unlike"), (2.0, 0.51, "no emotion prevails")]:
        with_limits(model, monkeypatch, distance, probability)
        judging(model, monkeypatch, SURE, distance=2.0)
        verdict = model.judge(NOISE[:16_000])
        assert (verdict.reason or "").startswith(reason or "") and (verdict.reason is None) == (reason is None)
        assert verdict.label == ("unsure" if reason else "anger") and verdict.probabilities.tolist() == SURE


def test_what_the_network_cannot_compute_is_unsure(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(model, monkeypatch, [np.nan] * 7)
    verdict = model.judge(NOISE[:16_000])
    assert verdict.label == "unsure" and verdict.reason and not verdict.probabilities.any()


def test_silence_is_below_a_level(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(model, monkeypatch, [1.0, *[0.0] * 6])
    for level, label in [(-66.0, "anger"), (-66.001, "silence"), (-200.0, "silence")]:
        monkeypatch.setattr(recogniser, "level", lambda samples, frame, level=level: level)
        assert model.judge(NOISE[:16_000]).label == label


def test_the_level_is_heard_in_frames_of_32_ms(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(model, monkeypatch, [1.0, *[0.0] * 6])
    burst = np.zeros(16_000, np.float32)
    for level, silent in [(-65.9, False), (-66.1, True)]:
        burst[:512] = np.resize([1, -1], 512) * 10 ** (level / 20)
        assert (model.judge(burst).label == "silence") == silent


def test_one_frame_is_the_least(model: Recogniser) -> None:
    frame = model.model.features.n_fft
    assert model.predict(NOISE[:frame], model.rate).duration == round(frame / model.rate, 3)
    with pytest.raises(UserError, match=rf"expected at least {frame / model.rate:.3f} s \(one frame\), received"):
        model.predict(NOISE[: frame - 1], model.rate)
    # A part of a long recording may be as short; it has to be answered somehow.
    short = model.judge(NOISE[: frame - 1])
    assert short.label == "unsure" and short.reason == "shorter than one frame"
    assert model.judge(NOISE[:frame]).reason != short.reason


def test_clipped_is_what_has_more_than_a_hundredth_of_its_samples_at_the_peak() -> None:
    samples = NOISE[:1000].copy()
    for count, said in [(0, None), (10, None), (11, "clipped (1% of the samples at the peak)")]:
        samples[:count] = np.resize([1, -1], count)  # both ends of the scale count
        assert recogniser.clipped(samples) == said
    samples[:500] = np.resize([1, -1], 500)
    assert recogniser.clipped(samples) == "clipped (50% of the samples at the peak)"
    # At the peak is what comes within a thousandth of it: a limiter's plateau is not flat to the last bit.
    samples[1:500] *= 0.9995
    assert recogniser.clipped(samples)
    samples[1:500] *= 0.999
    assert not recogniser.clipped(samples)


def test_an_offset_does_not_hide_that_a_recording_was_clipped() -> None:
    """Prediction takes it away; with it, the plateau at the bottom would lie far from the peak."""
    samples = NOISE[:1000].copy()
    samples[::20] = samples.min()
    assert recogniser.clipped(samples) and recogniser.clipped(samples + 7)


def test_a_clipped_recording_is_not_answered(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(model, monkeypatch, [1.0, *[0.0] * 6])
    assert model.judge(NOISE[:16_000]).label == "anger"
    verdict = model.judge(np.clip(NOISE * 10, -1, 1))
    assert verdict.label == "unsure" and "clipped" in (verdict.reason or "") and verdict.probabilities[0] == 1


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_what_is_longer_than_three_seconds_is_heard_in_windows(
    model: Recogniser, rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging(model, monkeypatch, [1.0, *[0.0] * 6])
    for count, expected in [(3 * rate, [3.0]), (3 * rate + 1, [2.0, 2.0, 2.0]), (4 * rate, [2.0] * 5)]:
        heard: list[tuple[float, float]] = []

        def watch(start: float, samples: np.ndarray, heard: list = heard) -> None:
            heard.append((start, len(samples) / 16_000))

        result = model.predict(NOISE[:count], rate, watch=watch)
        # From the beginning, every half second.
        assert heard == [(pytest.approx(i / 2), pytest.approx(one, abs=0.01)) for i, one in enumerate(expected)]
        assert result.duration == pytest.approx(count / rate, abs=1e-3) and result.emotion == "anger"
        assert bool(result.timeline) == (len(expected) > 1)


def test_the_result_is_rounded(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    with_limits(model, monkeypatch, 2.0, 0.5)
    judging(model, monkeypatch, [2 / 3, 1 / 3, 0, 0, 0, 0, 0])
    result = model.predict(NOISE[:12_345], 16_000)
    assert [*result.probabilities.values()][:2] == [0.666667, 0.333333] and result.probability == 0.666667
    assert result.duration == 0.772  # 12,345 samples: 0.7716 s


def test_silence_is_said_and_not_heard(model: Recogniser) -> None:
    heard: list[float] = []
    for seconds in (1, 10):
        nothing = np.zeros(seconds * 16_000)
        result = model.predict(nothing, 16_000, watch=lambda start, samples: heard.append(start))
        assert result.emotion == "silence" and result.probability == 0 and not heard


@pytest.mark.parametrize("seconds", [2.9, 3.0, 3.0001, 3.2, 4.99, 5.01])
def test_no_sample_is_lost_at_the_limits(model: Recogniser, seconds: float) -> None:
    noise = np.random.default_rng(0).standard_normal(int(seconds * 16_000)) / 10
    result = model.predict(noise, 16_000)
    assert result.duration == pytest.approx(seconds, abs=0.001)
    assert bool(result.timeline) == (seconds > 3)


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


def test_the_released_model_is_found_in_a_clone_and_in_an_installed_package(tmp_path: Path) -> None:
    """The installed one first: what lies beside a package is another's."""
    shutil.copytree(ROOT / "ser", tmp_path / "ser", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from ser.answer.recogniser import RELEASED; print(RELEASED)"
    for place in (tmp_path, tmp_path / "ser"):
        (place / "release").mkdir()
        (place / "release" / "model.onnx").touch()
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert run.stdout.strip() == str(place / "release" / "model.onnx"), run.stderr


def test_the_docs_run_in_plain_onnx_runtime(model: Recogniser, clip: Path, tmp_path: Path) -> None:
    """With the one file of this project that they name, and a small model in the released one's place."""
    page = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "InferenceSession" in block)
    shutil.copy(ROOT / "ser" / "sound" / "prosody.py", tmp_path)
    code = code.replace("release/model.onnx", str(model.path)).replace("clip.wav", str(clip))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert run.returncode == 0, run.stderr
    samples, rate = soundfile.read(clip, dtype="float32")
    frames = model.frames(soxr.resample(samples, rate, model.rate))
    expected = model.model.probabilities(frames[np.newaxis])[0]
    answer = ast.literal_eval(run.stdout)
    assert list(answer) == list(EMOTIONS)
    # float32 in one order of summation and in another
    np.testing.assert_allclose(list(answer.values()), expected, atol=1e-4)


def test_nothing_is_imported_but_what_an_installed_package_brings_along(folder: Path, clip: Path) -> None:
    """And ``import ser`` alone takes none of it."""
    code = (
        "import sys; start = set(sys.modules); import ser; light = set(sys.modules); "
        f"ser.load({str(folder / 'model.onnx')!r}).predict({str(clip)!r}); "
        "import ser.answer.command, ser.answer.output; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - start}); "
        "print({'numpy', 'onnxruntime'} & light)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    loaded, early = run.stdout.splitlines()
    assert early == "set()"
    packages = metadata.packages_distributions()
    owners = {name: {canonicalize_name(one) for one in packages[name]} for name in loaded.split() if name in packages}
    assert "onnxruntime" in owners
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    suffice = with_needs([Requirement(one).name for one in declared])
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
