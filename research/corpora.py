"""Corpora with many speakers, to choose recipes on: where a clip's speaker and emotion stand in its name.

EMO-DB: F. Burkhardt et al., Interspeech 2005, CC0. RAVDESS: S. Livingstone and F. Russo, PLoS ONE 13(5), 2018,
doi:10.5281/zenodo.1188976, CC BY-NC-SA 4.0. Boredom and calm are not among the seven emotions and are left out.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ser.corpora import AUDIO_ENDINGS
from ser.errors import UserError


@dataclass(frozen=True)
class Corpus:
    """How a corpus names its clips.

    Attributes:
        pattern: of the file name without its ending, with the groups ``speaker`` and ``emotion``.
        emotions: what the second group means.
    """

    pattern: str
    emotions: dict[str, str]


CORPORA = {
    "emodb": Corpus(
        r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WEAFTN])[a-z]",
        {"W": "anger", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"},
    ),
    "ravdess": Corpus(
        r"03-01-(?P<emotion>0[1345678])-\d\d-\d\d-\d\d-(?P<speaker>\d\d)",
        {"01": "neutral", "03": "happiness", "04": "sadness", "05": "anger", "06": "fear", "07": "disgust",
         "08": "surprise"},
    ),
}  # fmt: skip

# Speakers that no recipe was chosen on: heard once, by `python -m research.run --kept-back`.
KEPT_BACK = {"ravdess": [f"{actor:02}" for actor in range(13, 25)]}


def clips(name: str, folder: Path) -> pd.DataFrame:
    """Clips of a corpus below ``folder``: columns ``path``, ``speaker``, ``emotion``, in the order of their names.

    Raises:
        UserError: there are none.
    """
    corpus, rows = CORPORA[name], []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_ENDINGS and (match := re.fullmatch(corpus.pattern, path.stem)):
            rows.append((path, match["speaker"], corpus.emotions[match["emotion"]]))
    if not rows:
        raise UserError(f"{folder}: expected clips of {name}, found none")
    return pd.DataFrame(rows, columns=["path", "speaker", "emotion"])
