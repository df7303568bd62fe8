"""The manifest: one row per clip of a corpus."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import joblib
import pandas as pd
from tqdm import tqdm

from ser.errors import UserError
from ser.sound import audio

COLUMNS = [
    "corpus", "clip", "speaker", "emotion", "text", "duration", "sample_rate", "sha256", "source_path", "recording",
]  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before it is opened."""

    corpus: str  # by its name in params.yaml
    path: str  # <speaker>/<emotion>/<file> below data/raw, with forward slashes
    speaker: str
    emotion: str  # one of EMOTIONS
    text: str  # what is said; in TESS, the word after "Say the word"
    source_path: str  # where the clip stands at its source


def describe(root: Path, clips: list[Clip]) -> pd.DataFrame:
    """Open every clip below ``root`` once and describe it.

    Returns:
        One row per clip, in the same order, with the columns ``COLUMNS``: duration in seconds, sample rate in Hz,
        ``sha256`` of the file and ``recording``, the sha256 of its samples, which two copies of one recording share.

    Raises:
        UserError: a clip cannot be decoded, or one recording stands under two speakers or emotions.
    """
    jobs = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
        joblib.delayed(_describe)(root, clip) for clip in clips
    )
    table = pd.DataFrame(tqdm(jobs, "checking clips", len(clips), unit="clip"), columns=COLUMNS)
    for _, copies in table[table.duplicated("recording", keep=False)].groupby("recording"):
        if len(copies[["speaker", "emotion"]].drop_duplicates()) > 1:
            raise UserError(
                f"{' and '.join(copies.source_path)}: expected one speaker and one emotion for a recording, "
                "received the same recording twice"
            )
    return table


def _describe(root: Path, clip: Clip) -> tuple:
    path = root / clip.path
    samples, rate = audio.read(path)
    recording = hashlib.sha256(samples.tobytes() + str(rate).encode()).hexdigest()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = clip.corpus, clip.path, clip.speaker, clip.emotion, clip.text
    return *known, round(len(samples) / rate, 6), rate, digest, clip.source_path, recording
