"""Fit data/expert.json anew: the linear classifier on statistics of a clip that has a say beside the LSTM.

    python -m research.expert --emodb FOLDER --ravdess FOLDER

Each clip is played slower and faster, too, as a larger and a smaller person would have said it. RAVDESS's actors 13 to
24 are left out: they are kept back for a check. Takes a minute. Afterwards, `dvc repro`.
"""

from pathlib import Path

from research.run import COPIES, corpus, without_kept_back
from ser import corpora, errors, expert, params


def main() -> None:
    """Fit, write."""
    parser = errors.parser(__doc__)
    for name, declared in corpora.CORPORA.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER", help=f"where {declared.title} lies")
    folders = {name: folder for name, folder in vars(parser.parse_args()).items() if folder}
    if not folders:
        raise errors.UserError("expected the folder of a corpus or more, received none")
    features = params.load("features")
    parts = {name: without_kept_back(name, corpus(name, folder, features, COPIES)) for name, folder in folders.items()}
    made = expert.fit({name: (part.clips, part.labels, part.speakers) for name, part in parts.items()}, features)
    made.save(expert.EXPERT)
    clips = ", ".join(f"{len(part.clips) // len(COPIES)} clips of {name}" for name, part in parts.items())
    print(f"{expert.EXPERT}: {len(made.weights)} statistics, fitted to {clips}")


if __name__ == "__main__":
    errors.run(main)
