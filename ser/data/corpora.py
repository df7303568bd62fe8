"""Corpora: who speaks, which emotion, what is said, and where the clips are to be had.

Every source ends in the same shape, ``<speaker>/<emotion>/<clip>``, and in one manifest row per clip. A corpus whose
file names say all of that is a declaration in ``CORPORA``; TESS, whose clips are checked one by one, has a module.
"""

import re
import shutil
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ser import EMOTIONS
from ser.data import sources, tess
from ser.data.manifest import Clip
from ser.errors import UserError
from ser.files import AUDIO_ENDINGS
from ser.params import Params

# Folder names that mean one of the seven emotions, beside the emotions themselves.
EMOTION_ALIASES = {
    "angry": "anger", "fearful": "fear", "happy": "happiness", "sad": "sadness", "surprised": "surprise",
    "ps": "surprise", "pleasant_surprise": "surprise", "pleasant_surprised": "surprise",
}  # fmt: skip


@dataclass(frozen=True)
class Corpus:
    """A published corpus whose file names tell all that is to be known.

    Attributes:
        title: what people call it.
        pattern: of a clip's file name without its ending, with the groups ``speaker``, ``emotion`` and ``text``.
        emotions: what the second group means; clips of an emotion that is not among the seven are left out.
        clips: how many there are, as published, without those that are left out.
        url: the publisher's archive.
        md5: of that archive, where it is known.
        page: where a person reads about it, and downloads it.
        likely: regular expression for the name of an archive that holds it.
    """

    title: str
    pattern: str
    emotions: dict[str, str]
    clips: int
    url: str
    md5: str | None
    page: str
    likely: str


CORPORA = {
    # S. R. Livingstone and F. A. Russo, PLoS ONE 13(5), 2018; 24 actors, 2 sentences; CC BY-NC-SA 4.0. Left out: calm.
    "ravdess": Corpus(
        title="RAVDESS",
        pattern=r"03-01-(?P<emotion>0[1-8])-\d\d-(?P<text>\d\d)-\d\d-(?P<speaker>\d\d)",
        emotions={"01": "neutral", "03": "happiness", "04": "sadness", "05": "anger", "06": "fear", "07": "disgust",
                  "08": "surprise"},
        clips=1248,
        url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        md5="bc696df654c87fed845eb13823edef8a",
        page="https://doi.org/10.5281/zenodo.1188976",
        likely="ravdess|audio_speech_actors",
    ),
    # F. Burkhardt et al., Interspeech 2005; 10 speakers, 10 German sentences, no surprise; CC0. Left out: boredom.
    "emodb": Corpus(
        title="EMO-DB",
        pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]",
        emotions={"W": "anger", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"},
        clips=454,
        url="http://www.emodb.bilderbar.info/download/download.zip",
        md5=None,
        page="http://www.emodb.bilderbar.info",
        likely="emo-?db|^download",
    ),
}  # fmt: skip


def obtain(settings: Params, target: Path) -> list[Clip]:
    """Fill the empty folder ``target`` with the corpora that the settings name; corpus by corpus, sorted by clip.

    Raises:
        UserError: a corpus is not to be had, is incomplete or empty, has a folder that names no emotion, or a speaker's
            name that another one has too.
    """
    clips: list[Clip] = []
    speakers: dict[str, str] = {}
    for name in settings.corpora:
        its = sorted(_source(name, settings)(target), key=lambda clip: clip.path)
        if twice := {clip.speaker for clip in its} & {clip.speaker for clip in clips}:
            others = " + ".join(dict.fromkeys(clip.corpus for clip in clips))
            raise UserError(
                f"corpora: expected each speaker in one corpus, received {min(twice)} in {others} and {name}"
            )
        for speaker in sorted({clip.speaker for clip in its}):
            # Protocols are named in lower case, and some disks tell no "Anna" from "anna".
            if (other := speakers.setdefault(speaker.casefold(), speaker)) != speaker:
                raise UserError(
                    f"{name}: expected speakers whose names differ in more than case, received {other} and {speaker}"
                )
        clips += its
    return clips


def _source(name: str, settings: Params) -> Callable[[Path], list[Clip]]:
    if name == "tess":
        return tess.obtain
    if name == "folder":
        return lambda target: copy_folder(Path(settings.folder), target)
    if name == "synthetic":
        return lambda target: _synthesise(settings.synthetic_words, target)
    return lambda target: obtain_declared(name, target)


def _synthesise(words: int, target: Path) -> list[Clip]:
    # Imported here: espeak-ng is needed for this corpus only.
    from ser.data.synthetic import VOICES, synthesise

    synthesise(target, words)
    # Not all of the target: another corpus may lie there, with files that are named likewise.
    paths = (path for voice in VOICES for path in sorted((target / voice).rglob("*.wav")))
    clips = (tess.parse(path.relative_to(target).as_posix()) for path in paths)
    return [replace(clip, corpus="synthetic") for clip in clips if clip]


# --- A corpus that is declared ------------------------------------------------------------------------------------


def parse(name: str, source_path: str) -> Clip | None:
    """Read speaker, emotion and text off a file name of a declared corpus; None where it is not one of its clips.

    Example:
        >>> parse("ravdess", "Actor_12/03-01-08-02-01-02-12.wav").path
        'ravdess12/surprise/03-01-08-02-01-02-12.wav'
    """
    file, corpus = PurePosixPath(source_path), CORPORA[name]
    match = re.fullmatch(corpus.pattern, file.stem)
    if not match or file.suffix.lower() not in AUDIO_ENDINGS or match["emotion"] not in corpus.emotions:
        return None
    speaker, emotion = name + match["speaker"], corpus.emotions[match["emotion"]]
    return Clip(name, f"{speaker}/{emotion}/{file.name}", speaker, emotion, match["text"], file.name)


def clips_in(name: str, folder: Path) -> list[tuple[Path, Clip]]:
    """Where the clips of a declared corpus lie in a folder, in the order of their paths; each of them once.

    Raises:
        UserError: the folder, or one in it, cannot be read.
    """
    found: dict[str, tuple[Path, Clip]] = {}
    for path in sources.files_in(folder):
        if clip := parse(name, path.as_posix()):
            found.setdefault(clip.path, (path, clip))  # a mirror may hold it twice
    return list(found.values())


def obtain_declared(name: str, target: Path) -> list[Clip]:
    """Collect a declared corpus from SER_DATA_DIR, else from its publisher.

    An incomplete corpus is taken as it is; how many clips it has is printed.

    Raises:
        UserError: it is not to be had.
    """
    corpus = CORPORA[name]
    return sources.first_of(
        corpus.title,
        {"SER_DATA_DIR": sources.local, corpus.url: lambda: _download(name)},
        lambda place: _collect(name, place, target),
        f"Download it from {corpus.page}, set SER_DATA_DIR to the folder or archive and run again.",
    )


def _download(name: str) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    corpus = CORPORA[name]
    archive = Path(
        pooch.retrieve(
            corpus.url,
            corpus.md5 and f"md5:{corpus.md5}",
            fname=f"{name}.zip",
            path=pooch.os_cache(f"speech-emotion-{name}"),
            downloader=pooch.HTTPDownloader(progressbar=True, timeout=30),
        )
    )
    if not zipfile.is_zipfile(archive):  # a page that says "try later"; without a checksum, it would be kept for good
        archive.unlink()
        raise ValueError("expected a zip archive, received something else")
    return archive


def _collect(name: str, place: Path, target: Path) -> list[Clip]:
    corpus, clips = CORPORA[name], {}
    with tqdm(total=corpus.clips, desc=corpus.title, unit="clip") as bar:
        for entry, content in sources.contents(place, lambda entry: parse(name, entry) is not None, corpus.likely):
            clip = parse(name, entry)
            if clip and clip.path not in clips:  # a mirror may hold it twice
                clips[clip.path] = clip
                path = target / clip.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                bar.update()
            if len(clips) == corpus.clips:
                break
    if 0 < len(clips) < corpus.clips:
        print(f"{corpus.title}: {place} has {len(clips)} clips of {corpus.clips}; these are taken", file=sys.stderr)
    return list(clips.values())


# --- A folder of one's own -----------------------------------------------------------------------------------------


def clips_in_folder(source: Path) -> list[Clip]:
    """Clips of ``<source>/<speaker>/<emotion>/*``, in the order of their paths.

    The file's stem stands for the text, in lower case and composed (NFC): macOS writes an accent in two characters.

    Raises:
        UserError: the folder is missing, cannot be read or holds no clip, a folder inside names no emotion, or a name
            holds a control character.
    """
    if not source.is_dir():
        raise UserError(f"folder: expected a folder <speaker>/<emotion>/<clips>, received {source}, which is none")
    clips, ignored = [], []
    for path in sources.files_in(source):
        parts = path.relative_to(source).parts
        if any(part.startswith(".") for part in parts):  # macOS puts a ._name beside every name
            continue
        if path.suffix.lower() not in AUDIO_ENDINGS:
            ignored += [path] if len(parts) > 1 else []
            continue
        if len(parts) != 3:
            raise UserError(f"{path}: expected {source}/<speaker>/<emotion>/<clip>, received {len(parts)} levels")
        speaker, emotion = parts[0], _emotion(parts[1], path.parent)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", speaker):
            raise UserError(
                f"{source / speaker}: expected a speaker's name of letters, digits, _ and -, received {speaker!r}"
            )
        # The manifest could not hold a line break, nor (Cs) what is no UTF-8.
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in path.name):
            raise UserError(f"{path.parent}: expected names without control characters, received {path.name!r}")
        source_path, text = path.relative_to(source).as_posix(), unicodedata.normalize("NFC", path.stem).casefold()
        clips.append(Clip("folder", f"{speaker}/{emotion}/{path.name}", speaker, emotion, text, source_path))
    if ignored:
        print(f"not audio, left out: {', '.join(map(str, ignored[:5]))} ({len(ignored)} in all)", file=sys.stderr)
    if not clips:
        raise UserError(f"{source}: expected clips in {source}/<speaker>/<emotion>/, found none")
    return clips


def copy_folder(source: Path, target: Path) -> list[Clip]:
    """Copy the ``clips_in_folder`` to ``target``.

    Raises:
        UserError: as ``clips_in_folder`` does; or a speaker has two clips of one emotion and one name.
    """
    clips = clips_in_folder(source)
    for clip in clips:
        path, destination = source / clip.source_path, target / clip.path
        if destination.exists():
            raise UserError(f"{path}: expected one clip of this name for {clip.speaker}, {clip.emotion}; received two")
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
    return clips


def _emotion(name: str, folder: Path) -> str:
    plain = name.lower().replace(" ", "_").replace("-", "_")
    emotion = EMOTION_ALIASES.get(plain, plain)
    if emotion not in EMOTIONS:
        raise UserError(f"{folder}: expected a folder named after one of {', '.join(EMOTIONS)}; received {name!r}")
    return emotion
