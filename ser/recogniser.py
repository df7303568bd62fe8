"""From a recording to an emotion: ``ser.load().predict(path_or_array, sample_rate)``.

Needs the model file alone. Nothing on this path imports TensorFlow, librosa, pandas, scipy or matplotlib (librosa with
``features.deltas`` above 0).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import soxr

from ser import audio, decode, voice
from ser.artifact import Artifact
from ser.errors import UserError
from ser.features import extract
from ser.timeline import FRAME, SILENCE_DB, SILENCE_DBFS, Segment, Timeline, Verdict, Watch, level
from ser.voice import Voice

RELEASED = Path(__file__).resolve().parent.parent / "release" / "model.onnx"
TRAINED = Path("models/word/model.onnx")

# Seconds. What is longer gets a timeline; the longest clip of TESS has 2.98.
WHOLE = 3.0
BLOCK = 3.0
CLIPPED = 0.01  # share of samples at the peak; clips of TESS stay far below: 0.0001
ENOUGH = 10.0  # of sound that says where a voice lies
# Full scale is 1. Float samples far above it are those of integers, of one of these scales; what has a standard
# deviation of 1 stays below LOUDEST.
FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)
LOUDEST = 32.0


@dataclass(frozen=True)
class Result:
    """The answer to one recording.

    Attributes:
        emotion: one of ``EMOTIONS``; ``unsure`` where the recording is unlike the training clips or no emotion
            prevails; ``silence``.
        probability: of the emotion; of the likeliest one where unsure; 0 for silence.
        probabilities: of every emotion, in the order of ``EMOTIONS``; of no meaning where unsure, 0 for silence.
        reason: why unsure; None otherwise.
        duration: seconds.
        timeline: the parts of a recording longer than 3 s; empty for a short one.
    """

    emotion: str
    probability: float
    probabilities: dict[str, float]
    reason: str | None
    duration: float
    timeline: tuple[Segment, ...] = ()


class Recogniser:
    """A model, ready to answer. One instance may serve many threads at once, but ``adapt`` changes it for all of them.

    Args:
        path: model file; default: the released one, else the one trained here under protocol ``word``.

    Example:
        >>> from ser import load
        >>> load().predict("clip.wav").emotion  # doctest: +SKIP
        'happiness'
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path is not None else default_model()
        self.model = Artifact(self.path)
        self.labels = self.model.description.labels
        self.rate = self.model.features.sample_rate
        self.voice: Voice | None = None

    def predict(self, source: object, sample_rate: int | None = None, watch: Watch | None = None) -> Result:
        """Recognise the emotion of a recording.

        Args:
            source: path; seekable binary file object; or array of (samples,) or (samples, channels), float in
                [-1, 1] or integer.
            sample_rate: Hz, of an array.
            watch: told of every stretch that the network hears, for pictures of it: its start in seconds, and
                (samples,) at ``rate`` Hz, of which ``frames`` makes what the network sees.

        Returns:
            The emotion and its probability, and a timeline of a recording longer than 3 s.

        Raises:
            UserError: the source cannot be read, is empty, or holds a value that is not finite.
        """
        name = str(source) if isinstance(source, (str, PathLike)) else str(getattr(source, "name", "recording"))
        with decode.opened(source, sample_rate) as opened:
            sound = _Mono(opened, name)
            head = sound.read(int(WHOLE * sound.rate) + 1)
            if len(head) == 0:
                raise UserError(f"{name}: expected audio, received 0 samples")
            if len(head) > WHOLE * sound.rate:
                return self._long(head, sound, watch)
            seconds = len(head) / sound.rate
            # Before resampling, which would make a click of where an offset sets in.
            samples = audio.resample(audio.centred(head), sound.rate, self.rate)
        if len(samples) < self.model.features.n_fft:
            shortest = self.model.features.n_fft / self.rate
            raise UserError(f"{name}: expected at least {shortest:.3f} s (one frame), received {seconds:.3f} s")
        return self._result(self._second_look(samples, watch), seconds)

    def adapt(self, recordings: Iterable[object]) -> float:
        """Get used to a voice: from now on, its recordings are heard as if a training speaker had spoken.

        Args:
            recordings: unlabelled ones of one speaker, each a path or a binary file object; about as many of every
                emotion that is to be recognised. They may be the ones that are asked about afterwards.

        Returns:
            Seconds of sound in them, silence left out.

        Raises:
            UserError: this is one path instead of several, a recording cannot be read, or there is less sound in them
                than ``ENOUGH`` seconds. An earlier voice is kept then.
        """
        if isinstance(recordings, (str, PathLike)):  # else each of its letters would be a path
            raise UserError(f"expected a list of recordings to adapt to, received {str(recordings)!r}")
        stretches: list[np.ndarray] = []

        def collect(_: float, samples: np.ndarray) -> None:
            if len(samples) >= self.model.features.n_fft:
                stretches.append(self.frames(samples))

        speaker, self.voice = self.voice, None  # these recordings are heard as they are, whoever came before
        try:
            seconds = sum(_sounding(self.predict(recording, watch=collect)) for recording in recordings)
            if seconds < ENOUGH or not stretches:
                received = f"{seconds:.1f} s" if stretches else "silence"
                raise UserError(f"expected at least {ENOUGH:g} s of sound to adapt to, received {received}")
            speaker = voice.fit(stretches)
        finally:
            self.voice = speaker
        return seconds

    def frames(self, samples: np.ndarray) -> np.ndarray:
        """Features of (samples,) at ``rate`` Hz, as in training: (frames, columns) float32."""
        frames = extract(audio.centred(samples), self.model.features, self.model.filters)
        speaker = self.voice  # once: another thread may adapt meanwhile
        return speaker.as_if(self.model.reference.voice, frames) if speaker else frames

    def judge(self, samples: np.ndarray) -> Verdict:
        """Answer for one stretch of (samples,) at ``rate`` Hz: silence, unsure and why, or an emotion."""
        nothing = np.zeros(len(self.labels))
        if level(samples, int(FRAME * self.rate)) < SILENCE_DBFS:
            return Verdict("silence", nothing)
        if len(samples) < self.model.features.n_fft:
            return Verdict("unsure", nothing, "shorter than one frame")
        frames = self.frames(samples)
        probabilities = self.model.probabilities(frames[np.newaxis])[0].astype(np.float64)
        distance, limit = self.model.reference.distance(frames), self.model.description.max_distance
        if not (np.isfinite(probabilities).all() and distance <= limit):
            finite = np.nan_to_num(probabilities)
            return Verdict("unsure", finite, f"unlike the training clips (distance {distance:.1f}, limit {limit:.1f})")
        samples = audio.centred(samples)
        peak = np.abs(samples).max()
        if (share := float((np.abs(samples) > 0.999 * peak).mean())) > CLIPPED:
            return Verdict("unsure", probabilities, f"clipped ({share:.0%} of the samples at the peak)")
        return self.decide(probabilities)

    def decide(self, probabilities: np.ndarray) -> Verdict:
        """Name the likeliest of (emotions,), unless none is likely enough."""
        best, least = float(probabilities.max()), self.model.description.min_probability
        if best < least:
            return Verdict("unsure", probabilities, f"no emotion prevails (likeliest {best:.2f}, limit {least:.2f})")
        return Verdict(self.labels[int(probabilities.argmax())], probabilities)

    def _second_look(self, samples: np.ndarray, watch: Watch | None) -> Verdict:
        """Judge a short clip; if it is refused, once more without the silence at its ends, of which TESS has little."""
        verdict, start = self.judge(samples), 0
        if verdict.reason is not None:
            before, trimmed = _trimmed(samples, int(FRAME * self.rate))
            if len(trimmed) < len(samples) and (second := self.judge(trimmed)).reason is None:
                verdict, start, samples = second, before, trimmed
        if watch and verdict.label != "silence":
            watch(start / self.rate, samples)
        return verdict

    def _long(self, head: np.ndarray, sound: "_Mono", watch: Watch | None) -> Result:
        timeline = Timeline(self.judge, self.rate, watch)
        timeline.feed(self._resampled(head, sound))
        verdicts = timeline.verdicts(self.decide, len(self.labels))
        heard = [verdict for verdict in verdicts if verdict.label != "silence"]
        answered = [verdict for verdict in heard if verdict.label != "unsure"]
        if not heard:
            overall = Verdict("silence", np.zeros(len(self.labels)))
        elif 2 * len(answered) < len(heard):
            mean = np.mean([verdict.probabilities for verdict in heard], axis=0)
            overall = Verdict("unsure", mean, f"{1 - len(answered) / len(heard):.0%} of the sound is unsure")
        else:
            overall = self.decide(np.mean([verdict.probabilities for verdict in answered], axis=0))
        return self._result(overall, timeline.seconds, timeline.segments(verdicts))

    def _resampled(self, head: np.ndarray, sound: "_Mono") -> Iterator[np.ndarray]:
        """The whole recording in blocks of (samples,) at ``rate`` Hz."""
        stream = soxr.ResampleStream(sound.rate, self.rate, 1, dtype="float32", quality="HQ")
        offset = head - audio.centred(head)
        block = head - offset
        while len(block):
            following = sound.read(int(BLOCK * sound.rate)) - offset[0]
            yield stream.resample_chunk(block, last=len(following) == 0) if sound.rate != self.rate else block
            block = following

    def _result(self, verdict: Verdict, seconds: float, timeline: tuple[Segment, ...] = ()) -> Result:
        values = [round(float(value), 6) for value in verdict.probabilities]
        probabilities = dict(zip(self.labels, values, strict=True))
        return Result(verdict.label, max(values), probabilities, verdict.reason, round(seconds, 3), timeline)


def default_model() -> Path:
    """The model file that is taken where none is named."""
    for path in (RELEASED, TRAINED):
        if path.exists():
            return path
    raise UserError(f"expected a model file at {RELEASED.parent.name}/{RELEASED.name} or {TRAINED}, found none: "
                    "run `dvc repro`, or name one with --model")  # fmt: skip


def load(path: Path | str | None = None) -> Recogniser:
    """Open a model file; the default is the released model."""
    return Recogniser(path)


class _Mono:
    """A sound as mono samples, checked, and from its first to its last on one scale."""

    def __init__(self, sound: decode.Sound, name: str) -> None:
        self.sound, self.name, self.rate = sound, name, sound.rate
        # Of the whole sound: a quiet beginning does not tell the scale, and must not count as loud.
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            peak = self._finite(np.array(sound.peak(), np.float32))
        self.scale = next((scale for scale in (1.0, *FULL_SCALES) if peak <= LOUDEST * scale), peak)

    def read(self, count: int) -> np.ndarray:
        """The next samples, (at most count,) float32."""
        return np.ascontiguousarray(self._finite(audio.to_mono(self.sound.read(count) / np.float32(self.scale))))

    def _finite(self, values: np.ndarray) -> np.ndarray:
        if not np.isfinite(values).all():
            raise UserError(f"{self.name}: expected finite samples, received NaN or infinity")
        return values


def _sounding(result: Result) -> float:
    """Seconds that are not silent."""
    whole = [Segment(0.0, result.duration, result.emotion, result.probability)]
    return sum(part.end - part.start for part in result.timeline or whole if part.emotion != "silence")


def _trimmed(samples: np.ndarray, frame: int) -> tuple[int, np.ndarray]:
    """Cut off what is 40 dB below the loudest frame at both ends; say how many samples at the first one."""
    levels = np.array([level(samples[i : i + frame], frame) for i in range(0, len(samples), frame)])
    loud = np.flatnonzero(levels > levels.max() + SILENCE_DB)
    return int(loud[0]) * frame, samples[loud[0] * frame : (loud[-1] + 1) * frame]
