"""From a recording to an emotion: ``ser.load().predict(path_or_array, sample_rate)``.

Needs the model file alone. Nothing on this path imports TensorFlow, librosa, pandas, scipy or matplotlib.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from ser.answer.recording import Recording
from ser.answer.timeline import FRAME, SILENCE_DBFS, Segment, Timeline, Verdict, Watch, level, overall
from ser.errors import UserError
from ser.learn.confidence import undecided, unlike
from ser.learn.modelfile import ModelFile
from ser.sound import audio, decode
from ser.sound.features import extract

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED, CLONED = (place / "release" / "model.onnx" for place in (PACKAGE, PACKAGE.parent))
RELEASED = INSTALLED if INSTALLED.exists() else CLONED
TRAINED = Path("models/word/model.onnx")

WHOLE = 3.0  # seconds; what is longer gets a timeline. The longest clip of TESS has 2.98.
CLIPPED = 0.01  # share of samples at the peak; clips of TESS stay far below: 0.0001


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
    """A model, ready to answer. One instance may serve many threads at once.

    Args:
        path: model file; default: the released one, else the one trained here under protocol ``word``.

    Example:
        >>> from ser import load
        >>> load().predict("clip.wav").emotion  # doctest: +SKIP
        'happiness'
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path is not None else default_model()
        self.model = ModelFile(self.path)
        self.labels = self.model.description.labels
        self.rate = self.model.features.sample_rate

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
            recording = Recording(opened, name)
            head = recording.read(int(WHOLE * recording.rate) + 1)
            if len(head) == 0:
                raise UserError(f"{name}: expected audio, received 0 samples")
            if len(head) > WHOLE * recording.rate:
                return self._long(recording.blocks(head, self.rate), watch)
        seconds = len(head) / recording.rate
        # Before resampling, which would make a click of where an offset sets in.
        samples = audio.resample(audio.centred(head), recording.rate, self.rate)
        if len(samples) < self.model.features.n_fft:
            shortest = self.model.features.n_fft / self.rate
            raise UserError(f"{name}: expected at least {shortest:.3f} s (one frame), received {seconds:.3f} s")
        verdict = self.judge(samples)
        if watch and verdict.label != "silence":
            watch(0.0, samples)
        return self._result(verdict, seconds)

    def frames(self, samples: np.ndarray) -> np.ndarray:
        """Features of (samples,) at ``rate`` Hz, as in training: (frames, columns) float32."""
        return extract(audio.centred(samples), self.model.features, self.model.filters)

    def judge(self, samples: np.ndarray) -> Verdict:
        """Answer for one stretch of (samples,) at ``rate`` Hz: silence, unsure and why, or an emotion."""
        nothing = np.zeros(len(self.labels))
        if level(samples, int(FRAME * self.rate)) < SILENCE_DBFS:
            return Verdict("silence", nothing)
        if len(samples) < self.model.features.n_fft:
            return Verdict("unsure", nothing, "shorter than one frame")
        frames = self.frames(samples)
        probabilities = self.model.probabilities(frames[np.newaxis])[0].astype(np.float64)
        distance, limits = self.model.reference.distance(frames), self.model.description
        if not np.isfinite(probabilities).all():
            return Verdict("unsure", np.nan_to_num(probabilities), "beyond what the network computes")
        if reason := unlike(distance, limits.max_distance) or clipped(samples):
            return Verdict("unsure", probabilities, reason)
        return self.decide(probabilities)

    def decide(self, probabilities: np.ndarray) -> Verdict:
        """Name the likeliest of (emotions,), unless none is likely enough."""
        if reason := undecided(probabilities, self.model.description.min_probability):
            return Verdict("unsure", probabilities, reason)
        return Verdict(self.labels[int(probabilities.argmax())], probabilities)

    def _long(self, blocks: Iterable[np.ndarray], watch: Watch | None) -> Result:
        timeline = Timeline(self.judge, self.rate, watch)
        timeline.feed(blocks)
        verdicts = timeline.verdicts(self.decide, len(self.labels))
        return self._result(overall(verdicts, self.decide), timeline.seconds, timeline.segments(verdicts))

    def _result(self, verdict: Verdict, seconds: float, timeline: tuple[Segment, ...] = ()) -> Result:
        values = [round(float(value), 6) for value in verdict.probabilities]
        probabilities = dict(zip(self.labels, values, strict=True))
        return Result(verdict.label, max(values), probabilities, verdict.reason, round(seconds, 3), timeline)


def clipped(samples: np.ndarray) -> str | None:
    """Say that (samples,) were cut off at the peak, as too loud a recording is; None where they were not."""
    level = np.abs(audio.centred(samples))
    share = float((level > 0.999 * level.max()).mean())
    return f"clipped ({share:.0%} of the samples at the peak)" if share > CLIPPED else None


def default_model() -> Path:
    """The model file that is taken where none is named."""
    for path in (RELEASED, TRAINED):
        if path.exists():
            return path
    raise UserError(
        f"expected a model file at {RELEASED} or {TRAINED}, found none: run `dvc repro`, or name one with --model"
    )


def load(path: Path | str | None = None) -> Recogniser:
    """Open a model file; the default is the released model."""
    return Recogniser(path)
