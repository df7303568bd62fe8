"""Where a corpus comes from, and what its clips are: speaker, emotion, text, checksum.

Every source ends in the same shape, ``<speaker>/<emotion>/<clip>``, and in one manifest row per clip.

TESS: Toronto Emotional Speech Set, M. K. Pichora-Fuller and K. Dupuis, University of Toronto, 2020,
https://doi.org/10.5683/SP2/E8H2MF, licence CC BY-NC-ND 4.0. Its clips are recognised by their sha256 alone, so that
the layout, the folder names and the copies that a mirror adds do not matter.
"""

import hashlib
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tqdm import tqdm

from ser import EMOTIONS
from ser.errors import UserError
from ser.manifest import Clip
from ser.params import Corpus

TESS_DOI = "doi:10.5683/SP2/E8H2MF"
TESS_PUBLISHER = "https://borealisdata.ca"
TESS_KAGGLE = "ejlok1/toronto-emotional-speech-set-tess"
TESS_CHECKSUMS = Path("data/tess.sha256")
TESS_SUFFIXES = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness",
    "ps": "surprise", "sad": "sadness", "neutral": "neutral",
}  # fmt: skip

# The largest clip of TESS has 0.6 MB: what is larger inside an archive is not a clip and is not unpacked.
MAX_MEMBER_BYTES = 4 * 2**20
MAX_ARCHIVE_MEMBERS = 50_000
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
AUDIO_ENDINGS = {
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
}  # fmt: skip
# Folder names that mean one of the seven emotions, beside the emotions themselves.
EMOTION_ALIASES = {
    "angry": "anger", "fearful": "fear", "happy": "happiness", "sad": "sadness", "surprised": "surprise",
    "ps": "surprise", "pleasant_surprise": "surprise", "pleasant_surprised": "surprise",
}  # fmt: skip


def obtain(settings: Corpus, target: Path) -> list[Clip]:
    """Fill the empty folder ``target`` with the corpus that the settings name.

    Raises:
        UserError: the corpus is not to be had, is incomplete or empty, or has a folder that names no emotion.
    """
    if settings.corpus == "tess":
        return obtain_tess(target)
    if settings.corpus == "folder":
        return copy_folder(Path(settings.folder), target)
    # Imported here: espeak-ng is needed for this corpus only.
    from ser.synthetic import synthesise

    synthesise(target, settings.synthetic_words)
    clips = (tess_clip(path.relative_to(target).as_posix()) for path in sorted(target.rglob("*.wav")))
    return [clip for clip in clips if clip]


# --- TESS ---------------------------------------------------------------------------------------------------------


def tess_clip(source_path: str) -> Clip | None:
    """Read speaker, word and emotion off a TESS file name; None where it is not one.

    The file name decides, never the folder: folder names differ between mirrors.

    Example:
        >>> tess_clip("OAF_neutral/OA_bite_neutral.wav").path
        'OAF/neutral/OAF_bite_neutral.wav'
    """
    match = re.fullmatch(r"(OAF?|YAF)_([a-z]+)_([a-z]+)\.wav", source_path.rpartition("/")[2], re.IGNORECASE)
    if not match or (suffix := match[3].lower()) not in (*TESS_SUFFIXES, *EMOTIONS):
        return None
    # One clip is published without the F of its speaker: OA_bite_neutral.wav.
    speaker = "OAF" if match[1].upper().startswith("OA") else "YAF"
    emotion, word = TESS_SUFFIXES.get(suffix, suffix), match[2].lower()
    return Clip(f"{speaker}/{emotion}/{speaker}_{word}_{suffix}.wav", speaker, emotion, word, source_path)


def tess_checksums() -> dict[str, Clip]:
    """The 2,800 clips of TESS by their sha256."""
    rows = (line.split(maxsplit=1) for line in TESS_CHECKSUMS.read_text(encoding="utf-8").splitlines())
    clips = {digest: tess_clip(source_path) for digest, source_path in rows}
    return {digest: clip for digest, clip in clips.items() if clip}


def obtain_tess(target: Path) -> list[Clip]:
    """Collect TESS from SER_DATA_DIR, else from its publisher, else from Kaggle."""
    wanted = tess_checksums()
    failures = []
    for name, locate in (("SER_DATA_DIR", _tess_local), ("Borealis", _tess_borealis), ("Kaggle", _tess_kaggle)):
        try:
            place = locate()
            print(f"TESS: looking in {name} ({place})", file=sys.stderr)
            if collect_tess(place, target, wanted):
                return sorted(wanted.values(), key=lambda clip: clip.path)
            failures.append(f"{name}: no TESS clip in {place}")
        # Whatever a downloader raises (DNS, TLS, HTTP, quota) means the same here: try the next source.
        except (OSError, RuntimeError, ValueError, KeyError, ImportError) as error:
            failures.append(f"{name}: {' '.join(str(error).split())[:200] or type(error).__name__}")
    raise UserError(
        f"expected TESS, found no source for it ({'; '.join(failures)}).\n"
        f"Download it from https://doi.org/{TESS_DOI[4:]} or https://www.kaggle.com/datasets/{TESS_KAGGLE},\n"
        "set SER_DATA_DIR to the folder or archive and run again; without TESS: dvc exp run -S corpus=synthetic"
    )


def _tess_local() -> Path:
    value = os.environ.get("SER_DATA_DIR")
    if not value:
        raise ValueError("not set")
    if not Path(value).exists():
        raise UserError(f"SER_DATA_DIR: expected a folder or an archive, received {value}, which does not exist")
    return Path(value)


def _tess_borealis() -> Path:
    """Download what the publisher lists, resuming where an earlier run stopped; returns the folder."""
    import pooch
    import requests

    url = f"{TESS_PUBLISHER}/api/datasets/:persistentId/?persistentId={TESS_DOI}"
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    files = [entry["dataFile"] for entry in answer.json()["data"]["latestVersion"]["files"]]
    files = [file for file in files if file["filename"].lower().endswith((".wav", *ARCHIVES))]
    names = {f"{file['id']}/{file['filename']}": file for file in files}
    store = pooch.create(
        path=pooch.os_cache("speech-emotion-tess"),
        base_url=TESS_PUBLISHER,
        registry={name: f"md5:{file['md5']}" for name, file in names.items()},
        urls={name: f"{TESS_PUBLISHER}/api/access/datafile/{file['id']}" for name, file in names.items()},
        retry_if_failed=3,
    )
    pooch.get_logger().setLevel("WARNING")
    # Most of the time goes into waiting for the next small file: a few at once are kind enough to the server.
    pool = ThreadPoolExecutor(4)
    try:
        list(tqdm(pool.map(store.fetch, names), "TESS from Borealis", len(names), unit="file"))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C ends it now; what has come is kept and is not fetched again
    return Path(store.path)


def _tess_kaggle() -> Path:
    import kagglehub  # public data sets download without an account

    return Path(kagglehub.dataset_download(TESS_KAGGLE))


def collect_tess(place: Path, target: Path, wanted: dict[str, Clip]) -> bool:
    """Write every clip of TESS that stands in ``place`` below ``target``; False where there is none at all.

    Args:
        place: a folder with clips or archives, in any layout, or an archive.
        target: folder to fill.
        wanted: clips by their sha256.

    Raises:
        UserError: some clips are there, but not all of them, or one has another content than the published one.
    """
    found: set[str] = set()
    strangers: dict[str, tuple[str, str]] = {}
    with tqdm(total=len(wanted), desc="TESS", unit="clip") as bar:
        for name, content in _candidates(place):
            digest = hashlib.sha256(content).hexdigest()
            if digest not in wanted:
                if clip := tess_clip(name):
                    strangers[clip.path] = (name, digest)
            elif digest not in found:
                found.add(digest)
                path = target / wanted[digest].path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                bar.update()
            if len(found) == len(wanted):
                return True
    missing = {clip.path: digest for digest, clip in wanted.items() if digest not in found}
    if not found and not strangers:
        return False
    for clip_path, expected in sorted(missing.items()):
        if clip_path in strangers:
            name, received = strangers[clip_path]
            raise UserError(f"{name}: expected sha256 {expected}, received {received}: not the clip as published")
    raise UserError(
        f"{place}: expected {len(wanted)} clips of TESS, found {len(found)}; the first one missing is {min(missing)}"
    )


def _candidates(place: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of what may be a clip: loose files first, then archives, the likeliest name first."""
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    for path in files:
        if path.suffix.lower() == ".wav" and path.stat().st_size <= MAX_MEMBER_BYTES:
            yield str(path), path.read_bytes()
    archives = [path for path in files if path.name.lower().endswith(ARCHIVES)]
    likely = [path for path in archives if re.search("tess|toronto|^archive|^dataverse", path.name, re.IGNORECASE)]
    for path in likely or archives:
        for name, content in _members(path):
            yield f"{path}:{name}", content


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Contents of an archive's WAV files. Nothing is written: a hostile path, link or bomb inside has no effect."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                sizes = ((info.filename, info.file_size, info) for info in archive.infolist())
                yield from _wavs(path, sizes, lambda info: archive.open(info))
        else:
            with tarfile.open(path) as archive:  # read in one pass: an .xz cannot seek
                members = ((info.name, info.size, info) for info in archive if info.isreg())
                yield from _wavs(path, members, lambda info: archive.extractfile(info))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise UserError(f"{path}: expected a zip or tar archive, received a broken one: {error}") from error


def _wavs(path: Path, members: Iterable, opener: Callable) -> Iterator[tuple[str, bytes]]:
    for count, (name, size, info) in enumerate(members):
        if count >= MAX_ARCHIVE_MEMBERS:
            raise UserError(f"{path}: expected at most {MAX_ARCHIVE_MEMBERS} members, received more")
        if name.lower().endswith(".wav") and size <= MAX_MEMBER_BYTES:
            stream: IO[bytes] = opener(info)
            yield name, stream.read(MAX_MEMBER_BYTES + 1)


# --- A folder of one's own -----------------------------------------------------------------------------------------


def copy_folder(source: Path, target: Path) -> list[Clip]:
    """Copy ``<source>/<speaker>/<emotion>/*`` to ``target``; the file's stem stands for what is said.

    Raises:
        UserError: the folder is missing or holds no clip, or a folder inside names no emotion.
    """
    if not source.is_dir():
        raise UserError(f"folder: expected a folder <speaker>/<emotion>/<clips>, received {source}, which is none")
    clips, ignored = [], []
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        parts = path.relative_to(source).parts
        if path.suffix.lower() not in AUDIO_ENDINGS:
            ignored += [path] if len(parts) > 1 and not path.name.startswith(".") else []
            continue
        if len(parts) != 3:
            raise UserError(f"{path}: expected {source}/<speaker>/<emotion>/<clip>, received {len(parts)} levels")
        speaker, emotion = parts[0], _emotion(parts[1], path.parent)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", speaker):
            raise UserError(
                f"{source / speaker}: expected a speaker's name of letters, digits, _ and -, received {speaker!r}"
            )
        clip = Clip(
            f"{speaker}/{emotion}/{path.name}", speaker, emotion, path.stem, path.relative_to(source).as_posix()
        )
        destination = target / clip.path
        if destination.exists():
            raise UserError(f"{path}: expected one clip of this name for {speaker}, {emotion}; received two")
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
        clips.append(clip)
    if ignored:
        print(f"not audio, left out: {', '.join(map(str, ignored[:5]))} ({len(ignored)} in all)", file=sys.stderr)
    if not clips:
        raise UserError(f"{source}: expected clips in {source}/<speaker>/<emotion>/, found none")
    return clips


def _emotion(name: str, folder: Path) -> str:
    plain = name.lower().replace(" ", "_").replace("-", "_")
    emotion = EMOTION_ALIASES.get(plain, plain)
    if emotion not in EMOTIONS:
        raise UserError(f"{folder}: expected a folder named after one of {', '.join(EMOTIONS)}; received {name!r}")
    return emotion
