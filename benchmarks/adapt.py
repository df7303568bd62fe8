"""What `ser.predict --adapt` does for speakers that a model has not seen. The table of docs/predict.md.

    python -m benchmarks.adapt --model FILE NAME=FOLDER ...

NAME is a corpus of ``ser.corpora.CORPORA``, and FOLDER where its clips lie; one that the model's expert was fitted to
is refused: train one without (`dvc exp run -S train.expert=false -S 'protocols=[word]'`). Every speaker is adapted to
alone, by clips whose emotion nobody looks at; all of the speaker's clips are asked about.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import recall_score
from tqdm import tqdm

from ser import Recogniser, corpora, errors, load

LITTLE = 30.0  # seconds
Clips = list[tuple[Path, str]]  # with their emotions


def speakers(name: str, folder: Path) -> list[Clips]:
    """Clips of each speaker of a corpus.

    Raises:
        UserError: there is none.
    """
    found: defaultdict[str, Clips] = defaultdict(list)
    for path, clip in corpora.clips_in(name, folder):
        found[clip.speaker].append((path, clip.emotion))
    if not found:
        raise errors.UserError(f"{folder}: expected clips of {name}, found none")
    return list(found.values())


def little(recogniser: Recogniser, clips: Clips, seed: int) -> list[Path]:
    """Clips drawn at random until they last long enough."""
    chosen, seconds = [], 0.0
    for i in np.random.default_rng(seed).permutation(len(clips)):
        if seconds < LITTLE:
            chosen.append(clips[i][0])
            seconds += recogniser.predict(clips[i][0]).duration
    return chosen


def row(recogniser: Recogniser, name: str, people: list[Clips], adapted_to: str) -> dict[str, str]:
    """One way to adapt, all speakers of a corpus."""
    said = []
    for seed, clips in enumerate(tqdm(people, desc=f"{name}, {adapted_to}", unit="speaker")):
        recogniser.voice = None
        if adapted_to == "all clips":
            recogniser.adapt(path for path, _ in clips)
        elif adapted_to != "nothing":
            recogniser.adapt(little(recogniser, clips, seed))
        for path, emotion in clips:
            result = recogniser.predict(path)
            best = max(result.probabilities, key=lambda label: result.probabilities[label])
            said.append((emotion, best, result.emotion == best))
    table = pd.DataFrame(said, columns=["actual", "best", "answered"])
    right = table.actual == table.best
    uar = recall_score(table.actual, table.best, labels=sorted(set(table.actual)), average="macro")
    return {
        "voices": f"{name}, {len(people)} speakers",
        "adapted to": adapted_to,
        "answered": f"{table.answered.mean():.0%}",
        "right, of the answered": f"{right[table.answered].mean():.0%}",
        "UAR, of all": f"{uar:.3f}",
    }


def main() -> None:
    """Print the table as Markdown."""
    parser = errors.parser(__doc__)
    parser.add_argument("corpora", nargs="+", metavar="NAME=FOLDER", help="such as emodb=FOLDER")
    parser.add_argument("--model", type=Path, help="model file (default: the released one)")
    arguments = parser.parse_args()
    recogniser, rows = load(arguments.model), []
    for name, _, folder in (text.partition("=") for text in arguments.corpora):
        if name not in corpora.CORPORA or not folder:
            raise errors.UserError(f"expected NAME=FOLDER, NAME one of {', '.join(corpora.CORPORA)}; received {name!r}")
        if name in recogniser.model.description.expert:
            raise errors.UserError(f"expected a corpus that {recogniser.path.name} was not fitted to, received {name}")
        people = speakers(name, Path(folder))
        ways = ("nothing", f"{LITTLE:.0f} s at random", "all clips")
        rows += [row(recogniser, name, people, way) for way in ways]
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    errors.run(main)
