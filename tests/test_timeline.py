"""Long recordings: slots, windows, pauses, and what becomes of the windows' answers."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser import EMOTIONS
from ser.answer import timeline
from ser.answer.recogniser import Recogniser
from ser.answer.timeline import Segment, Timeline, Verdict, overall

RATE = 1000  # Hz; a slot has 250 samples, a frame 32
FEAR, JOY = Verdict("fear", np.array([0.8, 0.2])), Verdict("joy", np.array([0.1, 0.9]))
SILENCE, UNSURE = Verdict("silence", np.zeros(2)), Verdict("unsure", np.array([0.5, 0.5]), "so to speak")


def decide(mean: np.ndarray) -> Verdict:
    return Verdict("fear" if mean[0] >= mean[1] else "joy", mean)


def square(seconds: float, level: float, rate: int = RATE) -> np.ndarray:
    """A wave of +-1 times the amplitude: every frame has the level, in dBFS, to the last bit."""
    return np.resize([1.0, -1.0], round(seconds * rate)).astype(np.float32) * 10 ** (level / 20)


def windows(levels: list[float], monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The windows that are heard of slots with these levels: first slot, and the one after the last."""
    monkeypatch.setattr(timeline, "level", lambda samples, frame: float(samples[0]))
    heard: list[tuple[int, int]] = []

    def watch(start: float, samples: np.ndarray) -> None:
        first = round(start / 0.25)
        assert [samples[i] for i in range(0, len(samples), 250)] == pytest.approx(levels[first:][: len(samples) // 250])
        heard.append((first, first + len(samples) // 250))

    line = Timeline(lambda samples: FEAR, RATE, watch)
    line.feed([np.repeat(np.array(levels, np.float64), 250)])
    assert len(line.sound) == len(levels)
    assert [(start, end) for start, end, _ in line.heard] == heard
    return heard


# --- From sound to windows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (250, [250]), (499, [499]), (500, [250, 250]), (501, [250, 251]), (1249, [250] * 3 + [499])],
)
@pytest.mark.parametrize("block", [1, 100, 250, 2000])
def test_slots_are_a_quarter_of_a_second_and_the_last_one_takes_the_rest(count: int, sizes: list, block: int) -> None:
    samples = np.arange(count, dtype=np.float32)
    found = [*timeline.slots((samples[i : i + block] for i in range(0, count, block)), RATE)]
    assert [len(one) for one in found] == sizes
    assert np.array_equal(np.concatenate([np.zeros(0), *found]), samples)


@pytest.mark.parametrize(
    ("sound", "expected"),
    [
        # Two seconds, then again every half second, and what was not heard by the end.
        ("########", [(0, 8)]),
        ("#########", [(0, 8), (1, 9)]),
        ("##########", [(0, 8), (2, 10)]),
        ("#############", [(0, 8), (2, 10), (4, 12), (5, 13)]),
        # A run that is shorter is one window, without the silence around it.
        ("...###", [(3, 6)]),
        ("###....", [(0, 3)]),
        ("..#..", [(2, 3)]),
        # A pause of half a second ends it, a shorter one does not.
        ("###.###", [(0, 7)]),
        ("###..###", [(0, 3), (5, 8)]),
        ("#######.", [(0, 8)]),
        ("########..", [(0, 8)]),
        ("########.", [(0, 8)]),
        ("#########..", [(0, 8), (2, 10)]),
        ("######..####..", [(0, 6), (8, 12)]),
        ("........", []),
        ("", []),
    ],
)
def test_windows_are_two_seconds_every_half_second_between_pauses(
    sound: str, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert windows([-20.0 if one == "#" else -100.0 for one in sound], monkeypatch) == expected


@pytest.mark.parametrize(
    ("levels", "sound"),
    [
        ([-66.0, -66.0], [0, 1]),
        ([-66.001, -66.0], [1]),
        ([-66.001, -66.001], []),
        # Beside a loud slot, 40 dB below it and no further.
        ([-10.0, -50.0], [0, 1]),
        ([-10.0, -50.001], [0]),
        ([-50.001, -10.0], [0, 1]),  # nothing was known of the loud one yet
        # For half a minute: 120 slots, its own among them.
        ([-10.0] + 119 * [-60.0], [0]),
        ([-10.0] + 120 * [-60.0], [0, 120]),
    ],
)
def test_silence_is_what_is_quiet_or_much_quieter_than_the_last_half_minute(
    levels: list[float], sound: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "level", lambda samples, frame: float(samples[0]))
    line = Timeline(lambda samples: FEAR, RATE)
    line.feed([np.repeat(np.array(levels, np.float64), 250)])
    assert np.flatnonzero(line.sound).tolist() == sound


def test_the_level_is_that_of_the_loudest_frame_without_an_offset() -> None:
    quiet, loud = square(0.32, -40), square(0.032, -20)
    assert timeline.level(quiet, 32) == pytest.approx(-40, abs=1e-4)
    assert timeline.level(np.concatenate([quiet, loud, quiet]), 32) == pytest.approx(-20, abs=1e-4)
    assert timeline.level(quiet + 0.5, 32) == pytest.approx(-40, abs=1e-2)  # float32 beside 0.5
    assert timeline.level(square(0.01, -30), 32) == pytest.approx(-30, abs=1e-4)  # shorter than a frame
    # What is left over after the last frame does not count.
    assert timeline.level(np.concatenate([quiet, loud[:31]]), 32) == pytest.approx(-40, abs=1e-4)
    assert timeline.level(np.zeros(100), 32) == timeline.level(np.zeros(1), 32) == -200


def test_a_burst_of_one_frame_makes_a_slot_sound() -> None:
    """Frames have 32 ms: over longer ones, this burst would be spread thin."""
    for level, sound in ((-65.9, [True]), (-66.1, [False])):
        line = Timeline(lambda samples: FEAR, RATE)
        line.feed([np.concatenate([square(0.032, level), np.zeros(218, np.float32)])])
        assert line.sound == sound


def test_the_times_of_a_timeline_are_those_of_its_samples() -> None:
    """A quarter of a second at 22,050 Hz is no whole number of samples."""
    line = Timeline(lambda samples: Verdict("fear", np.ones(1)), rate=22_050)
    tone = np.sin(np.arange(22_050)).astype(np.float32)
    line.feed([np.zeros(22_050 * 100, np.float32), tone])
    silence, fear = line.segments(line.verdicts(lambda mean: Verdict("fear", mean), 1))
    assert silence.emotion == "silence" and silence.end == fear.start == pytest.approx(100, abs=0.26)
    assert fear.end == pytest.approx(101, abs=1e-3)
    assert round(fear.start * 22_050) % 5512 == pytest.approx(0, abs=11)  # rounded to milliseconds


# --- From windows to an answer -------------------------------------------------------------------------------------


def line_of(sound: list[bool], *heard: tuple[int, int, Verdict]) -> Timeline:
    """A timeline that has heard."""
    line = Timeline(lambda samples: FEAR, RATE)
    line.sound, line.heard, line.seconds = sound, [*heard], len(sound) * 0.25
    return line


def test_a_slot_is_the_mean_of_the_windows_over_it_that_were_answered() -> None:
    line = line_of([True] * 4 + [False], (0, 3, FEAR), (1, 3, JOY), (2, 4, UNSURE))
    first, second, third, fourth, silent = line.verdicts(decide, 2)
    assert first.probabilities.tolist() == [0.8, 0.2]
    # 0.8 and 0.1, 0.2 and 0.9: the unsure window takes no part
    assert second.probabilities == pytest.approx([0.45, 0.55]) and third.probabilities == pytest.approx([0.45, 0.55])
    assert [one.label for one in (first, second, third)] == ["fear", "joy", "joy"]
    assert fourth.label == "unsure" and fourth.reason and fourth.probabilities.tolist() == [0.5, 0.5]
    assert silent.label == "silence" and silent.probabilities.tolist() == [0, 0] and silent.reason is None


def test_a_slot_that_no_window_answered_has_the_mean_of_what_was_said() -> None:
    other = Verdict("unsure", np.array([0.1, 0.9]), "neither")
    line = line_of([True], (0, 1, UNSURE), (0, 1, other))
    assert line.verdicts(decide, 2)[0].probabilities == pytest.approx([0.3, 0.7])


def test_neighbours_of_one_mind_are_one_segment() -> None:
    line = line_of([True] * 5)
    line.seconds = 1.3456  # the last slot takes what is left over
    sure = Verdict("fear", np.array([0.6, 0.4]))
    found = line.segments([FEAR, sure, SILENCE, UNSURE, UNSURE])
    assert found == (
        Segment(0.0, 0.5, "fear", 0.7), Segment(0.5, 0.75, "silence", 0.0), Segment(0.75, 1.346, "unsure", 0.5),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "label", "probabilities"),
    [
        ([SILENCE, SILENCE], "silence", [0, 0]),
        ([FEAR], "fear", [0.8, 0.2]),
        ([FEAR, UNSURE], "fear", [0.8, 0.2]),  # half of it suffices, and the rest has no voice
        ([FEAR, UNSURE, UNSURE], "unsure", [0.6, 0.4]),
        ([FEAR, UNSURE, SILENCE, SILENCE], "fear", [0.8, 0.2]),  # silence is no sound
        ([FEAR, JOY, JOY, UNSURE], "joy", [1 / 3, 2 / 3]),
        ([SILENCE, UNSURE], "unsure", [0.5, 0.5]),
    ],
)
def test_half_of_the_sound_must_be_answered(verdicts: list[Verdict], label: str, probabilities: list[float]) -> None:
    answer = overall(verdicts, decide)
    assert answer.label == label
    assert answer.probabilities == pytest.approx(probabilities)
    assert (answer.reason is not None) == (label == "unsure")


def test_how_much_is_unsure_is_said() -> None:
    assert overall([FEAR, UNSURE, UNSURE, SILENCE], decide).reason == "67% of the sound is unsure"


# --- With a model --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long(clip: Path) -> tuple[np.ndarray, int]:
    """Speech for about 6 s, silence for 2 s, noise for 4 s."""
    samples, rate = soundfile.read(clip, dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]  # how much silence there is at its ends differs from clip to clip
    noise = np.random.default_rng(0).standard_normal(4 * rate).astype(np.float32) / 10
    return np.concatenate([np.tile(samples, 4), np.zeros(2 * rate, np.float32), noise]), rate


def test_a_long_recording_gets_a_timeline(model: Recogniser, clip: Path, long: tuple[np.ndarray, int]) -> None:
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


def test_a_file_and_an_array_give_the_same_timeline(
    model: Recogniser, long: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "long.wav", *long, subtype="FLOAT")
    assert model.predict(tmp_path / "long.wav") == model.predict(*long)


def test_a_scale_of_their_own_is_kept_from_end_to_end(model: Recogniser, long: tuple[np.ndarray, int]) -> None:
    """Floats in the range of 16-bit integers: what is silent beside the speech stays silent."""
    speech, rate = long
    samples = speech + np.random.default_rng(0).uniform(-5e-5, 5e-5, len(speech))
    usual, scaled = model.predict(samples, rate), model.predict(samples * 32768, rate)
    assert "silence" in {segment.emotion for segment in usual.timeline}
    assert scaled.timeline == usual.timeline and scaled.emotion == usual.emotion


def test_a_long_recording_needs_constant_memory(
    model: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
