"""The manifest: one row per clip of a corpus."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from ser import audio
from ser.errors import UserError

COLUMNS = [
    "corpus", "clip", "speaker", "emotion", "text", "duration", "sample_rate", "sha256", "source_path", "recording",
]  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before it is opened.

    Attributes:
        corpus: which one it belongs to, by its name in ``params.yaml``.
        path: ``<speaker>/<emotion>/<file>`` below the corpus, with forward slashes.
        speaker: who speaks.
        emotion: one of ``EMOTIONS``.
        text: what is said; in TESS, the word after "Say the word".
        source_path: where the clip stands at its source.
    """

    corpus: str
    path: str
    speaker: str
    emotion: str
    text: str
    source_path: str


def describe(root: Path, clips: list[Clip]) -> pd.DataFrame:
    """Open every clip once and describe it.

    Args:
        root: folder that holds the clips.
        clips: what ``corpora.obtain`` returned.

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


def read(path: Path) -> pd.DataFrame:
    """Read a manifest as it was written: a word such as "null" stays a word, a speaker "03" keeps its zero.

    Raises:
        UserError: there is none.
    """
    if not path.exists():
        raise UserError(f"{path}: expected the data of a run, found none; run `dvc repro`")
    return pd.read_csv(path, dtype={"speaker": str, "text": str}, keep_default_na=False)


def with_part(path: Path, splits: Path, protocol: str) -> pd.DataFrame:
    """Read a manifest with one column more, ``part``: train, val or test under a protocol.

    Args:
        path: of the manifest.
        splits: a row per clip: ``clip``, and its part under each protocol.
        protocol: one of them.

    Raises:
        UserError: there is no manifest or no splits, they have other clips, or there is no such protocol.
    """
    table = read(path)
    if not splits.exists():
        raise UserError(f"{splits}: expected the parts of a run, found none; run `dvc repro split`")
    parts = pd.read_csv(splits)
    if set(table["clip"]) != set(parts["clip"]):
        raise UserError(f"expected the same clips in {path} and {splits}, received others: run `dvc repro split`")
    if protocol not in (known := parts.columns.drop("clip")):
        raise UserError(f"expected a protocol of {splits}, one of {', '.join(known)}; received {protocol!r}")
    part = parts[["clip", protocol]].rename(columns={protocol: "part"})
    return table.merge(part, on="clip", validate="one_to_one")


def title(table: pd.DataFrame) -> str:
    """Names of the corpora in a manifest, the one that is tested first: ``tess`` or ``tess + ravdess``."""
    return " + ".join(table.corpus.unique())


def _describe(root: Path, clip: Clip) -> tuple:
    path = root / clip.path
    samples, rate = audio.read(path)
    recording = hashlib.sha256(np.ascontiguousarray(samples).tobytes() + str(rate).encode()).hexdigest()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    duration = round(len(samples) / rate, 6)
    known = clip.corpus, clip.path, clip.speaker, clip.emotion, clip.text
    return *known, duration, rate, digest, clip.source_path, recording
