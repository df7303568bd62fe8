"""Protocols: who is trained on, who is tested on. The way the data was split is half of every result.

``random``          stratified folds over clips; speakers and words are on both sides.
``word``            test words are unseen in training.
``speaker_<name>``  test speaker <name> is unseen in training.

The validation part is always cut out of the training side, by word. Where there are several corpora, the first one is
dealt out; the clips of the others are trained on, so that figures with and without them have the same test part.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ser.errors import UserError
from ser.params import Split

PARTS = ("train", "val", "test")


def protocols(manifest: pd.DataFrame) -> list[str]:
    """The protocols that the first corpus knows."""
    speakers = manifest.speaker[_dealt(manifest)].unique()
    return ["random", "word", *(f"speaker_{name.lower()}" for name in sorted(speakers))]


def split(manifest: pd.DataFrame, protocol: str, params: Split) -> np.ndarray:
    """Give every clip a part under one protocol.

    Args:
        manifest: one row per clip with the columns corpus, speaker, emotion, text and recording.
        protocol: ``random``, ``word`` or ``speaker_<name>``, the name in lower case.
        params: section ``split`` of ``params.yaml``.

    Returns:
        (clips,) array of ``train``, ``val`` and ``test``.

    Raises:
        UserError: the protocol is unknown or the corpus is too small for it.
    """
    dealt = _dealt(manifest)
    test = np.zeros(len(manifest), dtype=bool)
    test[dealt] = _test_clips(manifest[dealt], protocol, params)
    parts = np.where(test, "test", "train")
    side = manifest[dealt & ~test]
    val = _fold(side, _words(side), params.val_folds, 0, params.seed, f"protocol {protocol}, split.val_folds")
    parts[np.flatnonzero(dealt & ~test)[val]] = "val"
    if empty := [part for part in PARTS if part not in parts]:
        raise UserError(f"protocol {protocol}: expected clips in every part, found none in {empty[0]}")
    check(manifest, parts, protocol)
    return parts


def check(manifest: pd.DataFrame, parts: np.ndarray, protocol: str) -> None:
    """Make sure of what the protocol promises: nothing that must be unseen is trained on.

    Raises:
        AssertionError: a recording, a held-out word or the test speaker stands on both sides; with ``python -O``, too.
    """

    def seen(columns: list[str], *names: str) -> set:
        return set(manifest.loc[np.isin(parts, names), columns].itertuples(index=False, name=None))

    text, train = ["corpus", "text"], ("train", "val")  # each corpus has texts, or numbers of texts, of its own
    promised = [(["recording"], train, "test"), (["recording"], ("train",), "val"), (text, ("train",), "val")]
    if protocol == "word":
        promised.append((text, train, "test"))
    if protocol.startswith("speaker_"):
        promised.append((["speaker"], train, "test"))
    for columns, heard, part in promised:
        if shared := seen(columns, *heard) & seen(columns, part):
            raise AssertionError(f"{protocol}: {' '.join(columns)} {' '.join(min(shared))} of {part} is trained on")


def _dealt(manifest: pd.DataFrame) -> np.ndarray:
    """Mask of the first corpus."""
    return (manifest.corpus == manifest.corpus.iloc[0]).to_numpy()


def _test_clips(manifest: pd.DataFrame, protocol: str, params: Split) -> np.ndarray:
    if protocol in ("random", "word"):
        groups = manifest.recording if protocol == "random" else _words(manifest)
        return _fold(manifest, groups, params.folds, params.fold, params.seed, f"protocol {protocol}, split.folds")
    if protocol not in protocols(manifest):
        raise UserError(f"protocols: expected one of {', '.join(protocols(manifest))}; received {protocol!r}")
    test = "speaker_" + manifest.speaker.str.lower() == protocol
    if test.all():
        raise UserError(
            f"{protocol}: expected a corpus of at least two speakers, found only {manifest.speaker.iloc[0]}"
        )
    return test.to_numpy()


def _fold(clips: pd.DataFrame, groups: pd.Series, folds: int, fold: int, seed: int, where: str) -> np.ndarray:
    """Mask of one of ``folds`` folds: groups stay together, speakers and emotions are spread evenly."""
    if groups.nunique() < folds:
        raise UserError(f"{where}: expected {folds} different values of {groups.name}, found {groups.nunique()}")
    strata = clips.speaker + "/" + clips.emotion
    if (most := strata.value_counts().max()) < folds:
        raise UserError(f"{where}: expected at least {folds} clips of a speaker's emotion, found {most} at the most")
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    mask = np.zeros(len(clips), dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of emotions with fewer clips than folds, which are allowed
        mask[list(dealer.split(clips, strata, groups))[fold][1]] = True
    return mask


def _words(clips: pd.DataFrame) -> pd.Series:
    """A group per text; texts that share a recording are one group, so that it cannot stand on both sides."""
    groups = clips.text
    while True:
        merged = groups.groupby(clips.recording).transform("min").groupby(groups).transform("min")
        if merged.equals(groups):
            return groups
        groups = merged
