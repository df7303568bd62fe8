"""What lies in a folder, tables of clips, and outputs that appear whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ser.errors import UserError

if TYPE_CHECKING:  # a prediction never imports pandas
    import pandas as pd

# How the names of recordings end that libsndfile reads.
AUDIO_ENDINGS = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
    ".w64", ".rf64",
)  # fmt: skip


def read_table(path: Path) -> "pd.DataFrame":
    """Read a table of clips as it was written: a word such as "null" stays a word, a speaker "03" keeps its zero.

    Raises:
        UserError: there is none.
    """
    import pandas as pd

    if not path.exists():
        raise UserError(f"{path}: expected the table of a run, found none; run `dvc repro`")
    return pd.read_csv(path, dtype={"speaker": str, "text": str}, keep_default_na=False)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Build a folder beside ``target``, and put it in its place once the block has ended without an error.

    A failure or Ctrl-C leaves what stood at ``target`` untouched and nothing half done.
    """
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")

    def tidy() -> None:
        if old.exists() and not target.exists():  # interrupted between the two renames
            old.rename(target)
        for left_over in (new, old):
            shutil.rmtree(left_over, ignore_errors=True)

    tidy()
    new.mkdir(parents=True)
    try:
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        tidy()


def walk(folder: Path | str, onerror: Callable[[OSError], object]) -> Iterator[tuple[str, list[str], list[str]]]:
    """``os.walk``, top down, into folders that are links as well; a link to a folder around it ends there.

    A folder that several links lead to is visited by each of them: all are what somebody put there. The names of
    folders may be sorted or shortened in place. ``onerror`` is given the error of a folder that cannot be read.
    """
    # The real folders around each one that is to come: links may go in circles.
    around: dict[str, tuple[str, ...]] = {str(folder): (os.path.realpath(folder),)}
    for root, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        real = around.pop(root)
        yield root, folders, names
        targets = {name: os.path.realpath(os.path.join(root, name)) for name in folders}
        folders[:] = [name for name in folders if targets[name] not in real]
        around |= {os.path.join(root, name): (*real, targets[name]) for name in folders}
