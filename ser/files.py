"""Outputs that appear whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Build a folder beside ``target`` and put it in its place once the block has ended without an error.

    A failure or Ctrl-C leaves what stood at ``target`` untouched and nothing half done.

    Args:
        target: folder to make or to replace.

    Yields:
        An empty folder to fill.
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
