"""The feature cache: one npz per speaker, ragged clips end to end.

Arrays of a shard: ``frames`` (total_frames, columns) float32, ``offsets`` (clips + 1,) int64 and ``clips`` (clips,)
strings; clip i has the frames ``offsets[i]:offsets[i + 1]``. Nothing is pickled, and equal content gives equal bytes.
"""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ser.errors import UserError


def write(path: Path, clips: list[str], frames: list[np.ndarray]) -> None:
    """Write the (frames, columns) arrays of a speaker's clips."""
    offsets = np.cumsum([0, *map(len, frames)], dtype=np.int64)
    np.savez_compressed(path, frames=np.concatenate(frames), offsets=offsets, clips=np.array(clips))


def read(folder: Path, clips: Iterable[str]) -> list[np.ndarray]:
    """Read the frames of the clips that are asked for, in that order, one shard in memory at a time.

    Args:
        folder: ``data/features``
        clips: names as in the manifest, ``<speaker>/<emotion>/<file>``.

    Returns:
        One (frames, columns) float32 array per clip.

    Raises:
        UserError: a clip is not in the cache, or a shard is damaged.
    """
    names = list(clips)
    frames: dict[str, np.ndarray] = {}
    for speaker in sorted({name.partition("/")[0] for name in names}):
        wanted = {name for name in names if name.startswith(f"{speaker}/")}
        frames |= _read_shard(folder / f"{speaker}.npz", wanted)
    return [frames[name] for name in names]


def _read_shard(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    if not path.exists():
        raise UserError(f"{path}: expected the features of {len(wanted)} clips, found no file; run: dvc repro features")
    try:
        with np.load(path, allow_pickle=False) as shard:
            # An item access decodes the whole array: take each out once.
            everything, offsets, clips = shard["frames"], shard["offsets"], shard["clips"].tolist()
    except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: expected features, received a damaged file; run: dvc repro -f features") from error
    # Copies, so that the shard itself can go.
    found = {clip: everything[offsets[i] : offsets[i + 1]].copy() for i, clip in enumerate(clips) if clip in wanted}
    if missing := wanted - found.keys():
        raise UserError(f"{path}: expected the clip {min(missing)}, found {len(clips)} others; run: dvc repro features")
    return found
