"""Cache every clip's frames: ``data/features/<speaker>.npz``."""

import joblib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ser import errors, params
from ser.files import read_table
from ser.sound import audio, cache
from ser.sound.features import Filters, column_names, extract, filters
from stages.paths import FEATURES, MANIFEST, RAW


def clip_frames(clip: str, settings: params.Features, constants: Filters) -> np.ndarray:
    """Frames of one clip of ``data/raw``."""
    try:
        samples, rate = audio.read(RAW / clip)
        return extract(audio.resample(samples, rate, settings.sample_rate), settings, constants)
    except errors.UserError as error:
        raise errors.UserError(f"{clip}: {error}") from error


def main() -> None:
    settings = params.load().features
    table, constants = read_table(MANIFEST), filters(settings)
    FEATURES.mkdir(parents=True, exist_ok=True)
    # numpy's FFT and matrix products let go of the GIL: threads share the filter banks and start at once.
    workers = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    # One BLAS thread per worker: more of them fight over the cores.
    with threadpool_limits(1), tqdm(total=len(table), desc="features", unit="clip") as bar:
        for speaker, clips in table.groupby("speaker"):
            frames = []
            for result in workers(joblib.delayed(clip_frames)(clip, settings, constants) for clip in clips["clip"]):
                frames.append(result)
                bar.update()
            cache.write(FEATURES / f"{speaker}.npz", list(clips["clip"]), frames)
    print(f"{len(table)} clips, {len(column_names(settings))} columns, a frame every "
          f"{1000 * settings.hop_length / settings.sample_rate:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    errors.run(main, __doc__)
