"""Where a corpus may lie: places that are tried one after the other, and what stands in a folder or an archive."""

import lzma
import os
import re
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from ser.data.manifest import Clip
from ser.errors import UserError
from ser.files import AUDIO_ENDINGS, walk

# The largest clip of TESS has 0.6 MB: what is larger inside an archive is not a clip and is not unpacked.
MAX_MEMBER_BYTES = 4 * 2**20
MAX_ARCHIVE_MEMBERS = 50_000
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CLIPS = (*AUDIO_ENDINGS, *ARCHIVES)
# What reading a damaged one raises, its header or what was compressed.
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)

LONGEST_REASON = 200  # characters of a downloader's error

Wanted = Callable[[str], bool]


def first_of(
    title: str, sources: dict[str, Callable[[], Path]], collect: Callable[[Path], list[Clip]], advice: str
) -> list[Clip]:
    """Collect a corpus from the first source that has it.

    Args:
        title: what the corpus is called.
        sources: by name, what downloads or finds it and returns the folder or archive.
        collect: returns the clips that stand in that place; none where it is not the corpus.
        advice: what a person can do where no source has it.

    Raises:
        UserError: no source has it, or what ``locate`` or ``collect`` raises.
    """
    failures = []
    for name, locate in sources.items():
        try:
            place = locate()
        except UserError:
            raise
        # Downloaders have errors of their own (DNS, TLS, HTTP, quota, checksum) without a common base class; each of
        # them means the same here: try the next source.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            reason = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]} ..."
        else:
            print(f"{title}: looking in {name} ({place})", file=sys.stderr)
            if clips := collect(place):
                return clips
            reason = f"no {title} clip in {place}"
        failures.append(f"{name}: {reason}")
        print(f"{title}: not from {failures[-1]}", file=sys.stderr)
    raise UserError(f"expected {title}, found no source for it ({'; '.join(failures)}).\n{advice}")


def local() -> Path:
    """The folder or archive that SER_DATA_DIR names."""
    value = os.environ.get("SER_DATA_DIR")
    if not value:
        raise ValueError("not set")
    if not Path(value).exists():
        raise UserError(f"SER_DATA_DIR: expected a folder or an archive, received {value}, which does not exist")
    return Path(value)


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, and below those that links in it name, sorted.

    Raises:
        UserError: the folder, or one in it, cannot be read, or a link that is named as a clip or an archive leads
            nowhere; a corpus must not shrink without a word.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: expected a readable folder, received: {error.strerror}") from error

    paths = sorted(Path(root, name) for root, _, names in walk(folder, refuse) for name in names)
    for path in paths:
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        # Other broken links are none of a corpus's: an editor's lock, an interpreter of some virtual environment.
        if path.is_symlink() and not path.exists() and not hidden and path.name.lower().endswith(CLIPS):
            raise UserError(f"{path}: expected a file, received a link to {os.readlink(path)}, which does not exist")
    return [path for path in paths if path.is_file()]


def contents(place: Path, wanted: Wanted, likely: str) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of what may be a clip: loose files first, then archives, as if they were folders.

    Args:
        place: a folder with clips or archives, in any layout, or an archive.
        wanted: tells by its name whether a file may be a clip.
        likely: regular expression; where the names of archives match it, the others are left closed.

    Raises:
        UserError: a folder, a clip or an archive cannot be read.
    """
    files = [place] if place.is_file() else files_in(place)
    for path in files:
        if wanted(path.as_posix()) and path.stat().st_size <= MAX_MEMBER_BYTES:
            yield path.as_posix(), _content(path)
    archives = [path for path in files if path.name.lower().endswith(ARCHIVES)]
    for path in [path for path in archives if re.search(likely, path.name, re.IGNORECASE)] or archives:
        for name, content in _members(path, wanted):
            yield f"{path.as_posix()}/{name}", content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: expected a readable file, received: {error.strerror}") from error


def _members(path: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    """Contents of an archive's clips. Nothing is written: a hostile path, link or bomb inside has no effect."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                sizes = ((info.filename, info.file_size, info) for info in archive.infolist())
                yield from _clips(path, sizes, lambda info: archive.open(info), wanted)
        else:
            with tarfile.open(path) as archive:  # read in one pass: an .xz cannot seek
                members = ((info.name, info.size, info) for info in archive if info.isreg())
                yield from _clips(path, members, lambda info: archive.extractfile(info), wanted)
    except BROKEN as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected a zip or tar archive, received a broken one: {reason}") from error


def _clips(path: Path, members: Iterable, opener: Callable, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    for count, (name, size, info) in enumerate(members):
        if count >= MAX_ARCHIVE_MEMBERS:
            raise UserError(f"{path}: expected at most {MAX_ARCHIVE_MEMBERS} members, received more")
        if wanted(name) and size <= MAX_MEMBER_BYTES:
            stream: IO[bytes] = opener(info)
            yield name, stream.read(MAX_MEMBER_BYTES + 1)
