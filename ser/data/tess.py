"""TESS, the Toronto Emotional Speech Set: which clips it has, and where they are to be had.

M. K. Pichora-Fuller and K. Dupuis, University of Toronto, 2020, https://doi.org/10.5683/SP2/E8H2MF, licence
CC BY-NC-ND 4.0. Its clips are recognised by their sha256 alone, so that the layout, the folder names and the copies
that a mirror adds do not matter.
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from ser import EMOTIONS
from ser.data import sources
from ser.data.manifest import Clip
from ser.errors import UserError

DOI = "doi:10.5683/SP2/E8H2MF"
PUBLISHER = "https://borealisdata.ca"
KAGGLE = "ejlok1/toronto-emotional-speech-set-tess"
CHECKSUMS = Path("data/tess.sha256")
SUFFIXES = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness",
    "ps": "surprise", "sad": "sadness", "neutral": "neutral",
}  # fmt: skip


def parse(source_path: str) -> Clip | None:
    """Read speaker, word and emotion off a TESS file name; None where it is not one.

    The file name decides, never the folder: folder names differ between mirrors.

    Example:
        >>> parse("OAF_neutral/OA_bite_neutral.wav").path
        'OAF/neutral/OAF_bite_neutral.wav'
    """
    match = re.fullmatch(r"(OAF?|YAF)_([a-z]+)_([a-z]+)\.wav", source_path.rpartition("/")[2], re.IGNORECASE)
    if not match or (suffix := match[3].lower()) not in (*SUFFIXES, *EMOTIONS):
        return None
    # One clip is published without the F of its speaker: OA_bite_neutral.wav.
    speaker = "OAF" if match[1].upper().startswith("OA") else "YAF"
    emotion, word = SUFFIXES.get(suffix, suffix), match[2].lower()
    return Clip("tess", f"{speaker}/{emotion}/{speaker}_{word}_{suffix}.wav", speaker, emotion, word, source_path)


def published() -> dict[str, Clip]:
    """The 2,800 clips of TESS by their sha256."""
    rows = (line.split(maxsplit=1) for line in CHECKSUMS.read_text(encoding="utf-8").splitlines())
    clips = {digest: parse(source_path) for digest, source_path in rows}
    return {digest: clip for digest, clip in clips.items() if clip}


def obtain(target: Path) -> list[Clip]:
    """Collect TESS from SER_DATA_DIR, else from its publisher, else from Kaggle.

    Raises:
        UserError: it is not to be had, is incomplete, or a clip is not as published.
    """
    wanted = published()
    return sources.first_of(
        "TESS",
        {"SER_DATA_DIR": sources.local, "Borealis": _borealis, "Kaggle": _kaggle},
        lambda place: collect(place, target, wanted),
        f"Download it from https://doi.org/{DOI[4:]} or https://www.kaggle.com/datasets/{KAGGLE},\n"
        "set SER_DATA_DIR to the folder or archive and run again; without TESS: dvc exp run -S 'corpora=[synthetic]'",
    )


def _borealis() -> Path:
    """Download what the publisher lists, resuming where an earlier run stopped; returns the folder."""
    import pooch
    import requests

    url = f"{PUBLISHER}/api/datasets/:persistentId/?persistentId={DOI}"
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    files = [entry["dataFile"] for entry in answer.json()["data"]["latestVersion"]["files"]]
    files = [file for file in files if file["filename"].lower().endswith((".wav", *sources.ARCHIVES))]
    names = {f"{file['id']}/{file['filename']}": file for file in files}
    store = pooch.create(
        path=pooch.os_cache("speech-emotion-tess"),
        base_url=PUBLISHER,
        registry={name: f"md5:{file['md5']}" for name, file in names.items()},
        urls={name: f"{PUBLISHER}/api/access/datafile/{file['id']}" for name, file in names.items()},
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


def _kaggle() -> Path:
    import kagglehub  # public data sets download without an account

    return Path(kagglehub.dataset_download(KAGGLE))


def collect(place: Path, target: Path, wanted: dict[str, Clip]) -> list[Clip]:
    """Write every clip of TESS that stands in ``place`` below ``target``; none where there is none at all.

    Args:
        place: a folder with clips or archives, in any layout, or an archive.
        target: folder to fill.
        wanted: clips by their sha256.

    Raises:
        UserError: some clips are there, but not all of them, or one has another content than the published one.
    """
    found: set[str] = set()
    strangers: dict[str, tuple[str, str]] = {}
    likely = "tess|toronto|^archive|^dataverse"
    with tqdm(total=len(wanted), desc="TESS", unit="clip") as bar:
        for name, content in sources.contents(place, lambda name: name.lower().endswith(".wav"), likely):
            digest = hashlib.sha256(content).hexdigest()
            if digest not in wanted:
                if clip := parse(name):
                    strangers[clip.path] = (name, digest)
            elif digest not in found:
                found.add(digest)
                path = target / wanted[digest].path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                bar.update()
            if len(found) == len(wanted):
                return list(wanted.values())
    missing = {clip.path: digest for digest, clip in wanted.items() if digest not in found}
    if not found and not strangers:
        return []
    for clip_path, expected in sorted(missing.items()):
        if clip_path in strangers:
            name, received = strangers[clip_path]
            raise UserError(f"{name}: expected sha256 {expected}, received {received}: not the clip as published")
    raise UserError(
        f"{place}: expected {len(wanted)} clips of TESS, found {len(found)}; the first one missing is {min(missing)}"
    )
