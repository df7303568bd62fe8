"""Draw the pictures of ``plots/`` again as PDF, for a paper: ``plots/<protocol>/confusion.pdf`` and so on.

    python -m tools.figures

It reads the tables of ``plots/`` and the figures of ``metrics/`` as the last run left them. PDFs are ignored by git.
"""

import json
from pathlib import Path

import pandas as pd

from ser import errors
from ser.judge import pictures
from stages.paths import METRICS, PLOTS

ENDING = "pdf"


def main() -> None:
    summary = PLOTS / "summary.csv"
    if not summary.exists():
        raise errors.UserError(f"{summary}: expected the results of a run, found none; run `dvc repro`")
    table = pd.read_csv(summary)
    for protocol in table.protocol:
        pictures.draw(PLOTS / protocol, read(METRICS / f"{protocol}.json"), ENDING)
    pictures.protocols(table, read(METRICS / "summary.json")["corpus"], summary.with_suffix(f".{ENDING}"))
    print(f"{len(list(PLOTS.rglob(f'*.{ENDING}')))} pictures: {PLOTS}/summary.{ENDING}, {PLOTS}/<protocol>/*.{ENDING}")


def read(path: Path) -> dict:
    """Content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    errors.run(main, __doc__)
