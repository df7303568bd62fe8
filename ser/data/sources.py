"""Where a corpus may lie, each place a folder or an archive, and what stands in there."""

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO

import pooch
import requests
from tqdm import tqdm

from ser.errors import UserError
from ser.files import AUDIO_ENDINGS, walk

# The largest clip of TESS has 0.6 MB: what is larger is not a clip, and inside an archive it is not unpacked.
MAX_CLIP_BYTES = 4 * 2**20
MAX_MEMBERS = 50_000  # of an archive
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# What reading a damaged one raises, its header or what was compressed.
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


def local() -> Path:
    """What SER_DATA_DIR names."""
    value = os.environ.get("SER_DATA_DIR")
    if not value:
        raise ValueError("not set")
    if not Path(value).exists():
        raise UserError(f"SER_DATA_DIR: expected a folder or an archive, received {value}, which does not exist")
    return Path(value)


def archive(url: str, md5: str | None, cache: str) -> Path:
    """Download a zip archive, once."""
    pooch.get_logger().setLevel("WARNING")
    folder, fetch = pooch.os_cache(f"speech-emotion-{cache}"), pooch.HTTPDownloader(progressbar=True, timeout=30)
    path = Path(pooch.retrieve(url, md5 and f"md5:{md5}", f"{cache}.zip", folder, downloader=fetch))
    if not zipfile.is_zipfile(path):  # a page that says "try later"; without a checksum, it would be kept for good
        path.unlink()
        raise ValueError("expected a zip archive, received something else")
    return path


def dataverse(server: str, doi: str, cache: str) -> Path:
    """Download the clips and archives of a data set of a Dataverse, resuming where an earlier run stopped."""
    pooch.get_logger().setLevel("WARNING")
    answer = requests.get(f"{server}/api/datasets/:persistentId/?persistentId={doi}", timeout=30)
    answer.raise_for_status()
    listed = [entry["dataFile"] for entry in answer.json()["data"]["latestVersion"]["files"]]
    files = {f"{file['id']}/{file['filename']}": file for file in listed}
    names = [name for name in files if name.lower().endswith((*AUDIO_ENDINGS, *ARCHIVES))]
    store = pooch.create(
        path=pooch.os_cache(f"speech-emotion-{cache}"),
        base_url=server,
        registry={name: f"md5:{files[name]['md5']}" for name in names},
        urls={name: f"{server}/api/access/datafile/{files[name]['id']}" for name in names},
        retry_if_failed=3,
    )
    # Most of the time goes into waiting for the next small file: a few at once are kind enough to the server.
    pool = ThreadPoolExecutor(4)
    try:
        list(tqdm(pool.map(store.fetch, names), "downloading", len(names), unit="file"))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C ends it now; what has come is kept and is not fetched again
    return Path(store.path)


def kaggle(handle: str) -> Path:
    """Download a public data set of Kaggle; that needs no account."""
    import kagglehub

    return Path(kagglehub.dataset_download(handle))


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, and below those that links in it name, but for hidden ones; sorted.

    Raises:
        UserError: a folder cannot be read, or a link that is named as a clip or an archive leads nowhere: a corpus must
            not shrink without a word.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: expected a readable folder, received: {error.strerror}") from error

    paths: list[Path] = []
    for root, folders, names in walk(folder, refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(root, name) for name in names if not name.startswith(".")]  # macOS puts ._name beside a name
    for path in paths:
        # Other broken links are none of a corpus's, such as the interpreter of some virtual environment.
        if not path.exists() and path.name.lower().endswith((*AUDIO_ENDINGS, *ARCHIVES)):
            raise UserError(f"{path}: expected a file, received a link to {os.readlink(path)}, which does not exist")
    return sorted(path for path in paths if path.is_file())


def contents(place: Path, likely: str) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of what may be a clip: loose files first, then archives, as if they were folders.

    Nothing is written: a hostile path, link or bomb in an archive has no effect. Where the names of some archives match
    ``likely``, a regular expression, the others are left closed.

    Raises:
        UserError: a folder, a clip or an archive cannot be read.
    """
    files = [place] if place.is_file() else files_in(place)
    for path in files:
        if path.name.lower().endswith(AUDIO_ENDINGS) and path.stat().st_size <= MAX_CLIP_BYTES:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise UserError(f"{path}: expected a readable file, received: {error.strerror}") from error
            yield path.as_posix(), content
    archives = [path for path in files if path.name.lower().endswith(ARCHIVES)]
    for path in [path for path in archives if re.search(likely, path.name, re.IGNORECASE)] or archives:
        try:
            for count, (name, size, opened) in enumerate(_members(path)):
                if count == MAX_MEMBERS:
                    raise UserError(f"{path}: expected at most {MAX_MEMBERS} members, received more")
                if name.lower().endswith(AUDIO_ENDINGS) and size <= MAX_CLIP_BYTES:
                    yield f"{path.as_posix()}/{name}", opened().read(MAX_CLIP_BYTES)
        except BROKEN as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: expected a zip or tar archive, received a broken one: {reason}") from error


def _members(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            for info in zipped.infolist():
                yield info.filename, info.file_size, partial(zipped.open, info)
    else:
        with tarfile.open(path) as packed:  # read in one pass: an .xz cannot seek
            for member in packed:
                if member.isreg():
                    yield member.name, member.size, partial(packed.extractfile, member)  # type: ignore[misc]
