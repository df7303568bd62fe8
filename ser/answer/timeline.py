"""A long recording: silence found, windows slid over what is left, neighbours of one mind merged.

Sound is cut into slots of a quarter of a second. A run of slots with sound, between pauses of half a second or more,
is heard in windows of two seconds, the length of a clip in training; a slot's answer is the mean of the windows over
it. Only the windows' answers are kept, so that an hour needs no more memory than a minute.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

SLOT = 0.25  # seconds
FRAME = 0.032  # seconds, for levels
WINDOW = 8  # slots
HOP = 2  # slots from one window to the next
PAUSE = 2  # silent slots that end a run
SILENCE_DBFS = -66.0  # loudest frame of a slot; the quietest clip of TESS reaches -36
SILENCE_DB = -40.0  # the same, against the loudest slot of the last half minute
MEMORY = 120  # slots

Watch = Callable[[float, np.ndarray], None]


@dataclass(frozen=True)
class Verdict:
    """What one stretch of sound is.

    Attributes:
        label: an emotion, ``unsure`` or ``silence``.
        probabilities: (emotions,); zeros for silence.
        reason: why unsure; None otherwise.
    """

    label: str
    probabilities: np.ndarray
    reason: str | None = None


@dataclass(frozen=True)
class Segment:
    """A part of a long recording.

    Attributes:
        start: seconds.
        end: seconds.
        emotion: an emotion, ``unsure`` or ``silence``.
        probability: of the emotion, or of the likeliest one where unsure; 0 for silence.
    """

    start: float
    end: float
    emotion: str
    probability: float


def level(samples: np.ndarray, frame: int) -> float:
    """Root mean square of the loudest frame in dBFS, without its mean: (samples,) -> dB, -200 for silence."""
    count = max(1, len(samples) // frame)
    frames = samples[: count * frame].reshape(count, -1).astype(np.float64)
    return float(20 * np.log10(max(frames.std(axis=1).max(), 1e-10)))


def slots(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Cut (samples,) blocks of any length into slots; what is left over at the end joins the last one."""
    size = int(SLOT * rate)
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= 2 * size:
            yield held[:size]
            held = held[size:]
    if len(held):
        yield held


class Timeline:
    """Verdicts over a recording, filled slot by slot.

    Args:
        judge: verdict on (samples,) at ``rate`` Hz.
        rate: Hz
        watch: told of every window before it is judged: its start in seconds, (samples,).
    """

    def __init__(self, judge: Callable[[np.ndarray], Verdict], rate: int, watch: Watch | None = None) -> None:
        self.judge, self.rate, self.watch = judge, rate, watch
        self.slot = int(SLOT * rate) / rate  # seconds
        self.sound: list[bool] = []
        self.heard: list[tuple[int, int, Verdict]] = []
        self.seconds = 0.0

    def feed(self, blocks: Iterable[np.ndarray]) -> None:
        """Take in a whole recording: blocks of (samples,) at ``rate`` Hz."""
        window: deque[np.ndarray] = deque(maxlen=WINDOW)
        fresh = pause = 0  # slots since the last window; silent slots in a row
        recent: deque[float] = deque(maxlen=MEMORY)
        for samples in slots(blocks, self.rate):
            self.seconds += len(samples) / self.rate
            recent.append(level(samples, int(FRAME * self.rate)))
            silent = recent[-1] < max(SILENCE_DBFS, max(recent) + SILENCE_DB)
            self.sound.append(not silent)
            pause = pause + 1 if silent else 0
            if silent and not window:
                continue
            window.append(samples)
            fresh += 1
            if pause >= PAUSE:
                self._hear(window, fresh - pause, pause)
                window.clear()
                fresh = 0
            elif len(window) >= WINDOW and fresh >= HOP:
                self._hear(window, fresh, 0)
                fresh = 0
        self._hear(window, fresh - pause, pause)

    def _hear(self, window: deque[np.ndarray], fresh: int, pause: int) -> None:
        """Judge the window without the pause at its end, unless all of it was heard before."""
        parts = list(window)[: len(window) - pause]
        if fresh > 0 and parts:
            end = len(self.sound) - pause
            start, samples = end - len(parts), np.concatenate(parts)
            if self.watch:
                self.watch(start * self.slot, samples)
            self.heard.append((start, end, self.judge(samples)))

    def verdicts(self, decide: Callable[[np.ndarray], Verdict], labels: int) -> list[Verdict]:
        """One verdict per slot: ``decide`` on the mean (emotions,) of the windows over it that are not unsure."""
        total, count = np.zeros((len(self.sound), labels)), np.zeros(len(self.sound), int)
        any_total, any_count = np.zeros_like(total), np.zeros_like(count)
        for start, end, verdict in self.heard:
            any_total[start:end] += verdict.probabilities
            any_count[start:end] += 1
            if verdict.reason is None:
                total[start:end] += verdict.probabilities
                count[start:end] += 1
        unheard = any_total / np.maximum(any_count, 1)[:, None]
        return [
            Verdict("silence", np.zeros(labels)) if not self.sound[i]
            else decide(total[i] / count[i]) if count[i]
            else Verdict("unsure", unheard[i], "no window over it was answered")
            for i in range(len(self.sound))
        ]  # fmt: skip

    def segments(self, verdicts: list[Verdict]) -> tuple[Segment, ...]:
        """Merge neighbouring slots of the same label."""
        changes = [i for i in range(len(verdicts)) if i == 0 or verdicts[i].label != verdicts[i - 1].label]
        parts = []
        for start, end in zip(changes, [*changes[1:], len(verdicts)], strict=True):
            probability = float(_mean(verdicts[start:end]).max())
            first = round(start * self.slot, 3)
            last = round(self.seconds if end == len(verdicts) else end * self.slot, 3)
            parts.append(Segment(first, last, verdicts[start].label, round(probability, 6)))
        return tuple(parts)


def overall(verdicts: list[Verdict], decide: Callable[[np.ndarray], Verdict]) -> Verdict:
    """One verdict on a whole recording: ``decide`` on the mean of what was answered, if that is half of the sound."""
    heard = [verdict for verdict in verdicts if verdict.label != "silence"]
    answered = [verdict for verdict in heard if verdict.label != "unsure"]
    if not heard:
        return verdicts[0]
    if 2 * len(answered) < len(heard):
        share = 1 - len(answered) / len(heard)
        return Verdict("unsure", _mean(heard), f"{share:.0%} of the sound is unsure")
    return decide(_mean(answered))


def _mean(verdicts: list[Verdict]) -> np.ndarray:
    return np.mean([verdict.probabilities for verdict in verdicts], axis=0)
