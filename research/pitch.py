"""How high each voice speaks an emotion, and how high it ends: a table in Markdown.

    python -m research.pitch --emodb FOLDER --ravdess FOLDER

Needs data/ as `dvc repro` leaves it; either folder may be left out. Nothing is trained.
"""

from pathlib import Path

import pandas as pd

from research.run import Others, Part, corpus, tess, without_kept_back
from ser import EMOTIONS, errors, params
from ser.features import column_names

TITLES = {"emodb": "EMO-DB", "ravdess": "RAVDESS"}


def heights(part: Part, features: params.Features) -> pd.DataFrame:
    """What the pitch of each clip does, in semitones.

    Args:
        part: the clips; those without a voiced frame are left out.
        features: section ``features`` of ``params.yaml``, with block ``prosody``.

    Returns:
        A row per clip: ``emotion``; ``height``, its median pitch above the median of its speaker's neutral clips;
        ``ending``, the mean over the last quarter of its voiced frames, above its own median.
    """
    names = column_names(features)
    contour, voiced, level = (names.index(f"prosody_{name}") for name in ("f0_contour", "voiced", "f0_level"))
    rows = []
    for clip, label, speaker in zip(part.clips, part.labels, part.speakers, strict=True):
        if heard := len(tones := clip[clip[:, voiced] > 0, contour]):
            ending = tones[heard - max(heard // 4, 1) :].mean()
            rows.append({"emotion": EMOTIONS[label], "speaker": speaker, "height": clip[0, level], "ending": ending})
    table = pd.DataFrame(rows)
    neutral = table[table.emotion == "neutral"].groupby("speaker").height.median()
    return table.assign(height=table.height - table.speaker.map(neutral))


def medians(parts: dict[str, Part], features: params.Features) -> pd.DataFrame:
    """Height and ending of each emotion, medians over clips: a column per voice or corpus."""
    table = pd.DataFrame(index=pd.Index(EMOTIONS, name="height, ending"))
    for title, part in parts.items():
        of = heights(part, features).groupby("emotion")[["height", "ending"]].median()
        table[title] = (of.height.map("{:+.1f}".format) + ", " + of.ending.map("{:+.1f}".format)).reindex(EMOTIONS)
    return table.fillna("none")


def main() -> None:
    """Measure, print."""
    parser = errors.parser(__doc__)
    for name, title in TITLES.items():
        parser.add_argument(f"--{name}", type=Path, help=f"folder with {title}")
    folders, features = vars(parser.parse_args()), params.load("features")
    nothing = Others({}, features)
    parts = {
        speaker: tess(test, nothing).tests[test] for speaker, test in (("OAF", "speaker_oaf"), ("YAF", "speaker_yaf"))
    }
    for name, title in TITLES.items():
        if folder := folders[name]:
            parts[title] = without_kept_back(name, corpus(name, folder, features))
    print(medians(parts, features).to_markdown(disable_numparse=True))


if __name__ == "__main__":
    errors.run(main)
