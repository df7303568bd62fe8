"""What training and evaluation read: the clips of a part under a protocol, with their frames and labels."""

from pathlib import Path

import numpy as np
import pandas as pd

from ser import EMOTIONS
from ser.errors import UserError
from ser.files import read_table
from ser.sound import cache


def with_part(splits: Path, protocol: str) -> pd.DataFrame:
    """Read a row per clip with one column more than the manifest has, ``part``: train, val or test under a protocol.

    Raises:
        UserError: the table is missing, or knows no such protocol.
    """
    table = read_table(splits)
    protocols = table.columns[list(table.columns).index("recording") + 1 :]  # the last column of the manifest
    if protocol not in protocols:
        raise UserError(f"expected a protocol of {splits}, one of {', '.join(protocols)}; received {protocol!r}")
    return table.assign(part=table[protocol]).drop(columns=protocols)


def load_part(features: Path, table: pd.DataFrame, part: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Read the cached frames and the labels of one part.

    Args:
        features: folder of shards.
        table: as from ``with_part``.
        part: train, val or test.

    Returns:
        (frames, columns) of every clip, in the table's order, and (clips,) indices into ``EMOTIONS``.

    Raises:
        UserError: a clip is not in the cache, or a shard is damaged.
    """
    rows = table[table.part == part]
    return cache.read(features, rows["clip"]), rows.emotion.map(EMOTIONS.index).to_numpy()


def corpora(table: pd.DataFrame) -> str:
    """Names of the corpora in a table, the one that is tested first: ``tess`` or ``tess + ravdess``."""
    return " + ".join(table.corpus.unique())
