"""Corpora: who speaks, which emotion, what is said, and where the clips are to be had.

Every source ends in the same shape, ``<speaker>/<emotion>/<clip>``, and in one manifest row per clip.
"""

import hashlib
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ser import EMOTIONS
from ser.data import sources, synthetic
from ser.data.manifest import Clip
from ser.errors import UserError
from ser.files import AUDIO_ENDINGS
from ser.params import Params

# What the emotions are called in folders, and in the names of TESS's clips.
EMOTION_NAMES = {emotion: emotion for emotion in EMOTIONS} | {
    "angry": "anger", "fearful": "fear", "happy": "happiness", "sad": "sadness", "surprised": "surprise",
    "ps": "surprise", "pleasant_surprise": "surprise", "pleasant_surprised": "surprise",
}  # fmt: skip


@dataclass(frozen=True)
class Corpus:
    """A published corpus whose file names tell all that is to be known."""

    title: str  # what people call it
    pattern: str  # of a clip's file name without its ending, with the groups speaker, emotion and text
    emotions: dict[str, str]  # what the second group means; clips of an emotion that is not here are left out
    clips: int  # as published, without those that are left out
    page: str  # where a person reads about it, and downloads it
    likely: str  # regular expression for the name of an archive that holds it
    sources: dict[str, Callable[[], Path]]  # by name, what downloads it and returns the folder or archive
    # The sha256 and the path of each clip as published. With it a clip is recognised by its content alone, whatever a
    # mirror did to its name, and nothing less than all of them is accepted.
    checksums: Path | None = None
    renamed: dict[str, str] = field(default_factory=dict)  # slips of the pen in published names, and what was meant


CORPORA = {
    # M. K. Pichora-Fuller and K. Dupuis, University of Toronto, 2020; 2 actresses, 200 words; CC BY-NC-ND 4.0.
    "tess": Corpus(
        title="TESS",
        pattern=r"(?P<speaker>OAF|YAF)_(?P<text>[a-z]+)_(?P<emotion>[a-z]+)",
        emotions=EMOTION_NAMES,
        clips=2800,
        page="https://doi.org/10.5683/SP2/E8H2MF or kaggle.com/datasets/ejlok1/toronto-emotional-speech-set-tess",
        likely="tess|toronto|^archive|^dataverse",
        sources={
            "Borealis": partial(sources.dataverse, "https://borealisdata.ca", "doi:10.5683/SP2/E8H2MF", "tess"),
            "Kaggle": partial(sources.kaggle, "ejlok1/toronto-emotional-speech-set-tess"),
        },
        checksums=Path("data/tess.sha256"),
        renamed={"OA_bite_neutral.wav": "OAF_bite_neutral.wav"},
    ),
    # S. R. Livingstone and F. A. Russo, PLoS ONE 13(5), 2018; 24 actors, 2 sentences; CC BY-NC-SA 4.0. Left out: calm.
    "ravdess": Corpus(
        title="RAVDESS",
        pattern=r"03-01-(?P<emotion>0[1-8])-\d\d-(?P<text>\d\d)-\d\d-(?P<speaker>\d\d)",
        emotions={"01": "neutral", "03": "happiness", "04": "sadness", "05": "anger", "06": "fear", "07": "disgust",
                  "08": "surprise"},
        clips=1248,
        page="https://doi.org/10.5281/zenodo.1188976",
        likely="ravdess|audio_speech_actors",
        sources={"Zenodo": partial(
            sources.archive, "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
            "bc696df654c87fed845eb13823edef8a", "ravdess",
        )},
    ),
    # F. Burkhardt et al., Interspeech 2005; 10 speakers, 10 German sentences, no surprise; CC0. Left out: boredom.
    "emodb": Corpus(
        title="EMO-DB",
        pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]",
        emotions={"W": "anger", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"},
        clips=454,
        page="http://www.emodb.bilderbar.info",
        likely="emo-?db|^download",
        sources={"its publisher": partial(
            sources.archive, "http://www.emodb.bilderbar.info/download/download.zip", None, "emodb"
        )},
    ),
}  # fmt: skip


def obtain(settings: Params, target: Path) -> list[Clip]:
    """Fill the empty folder ``target`` with the corpora that the settings name; corpus by corpus, sorted by clip.

    Raises:
        UserError: a corpus is not to be had, is incomplete or empty, has a folder that names no emotion, or a speaker's
            name that another one has too.
    """
    clips: list[Clip] = []
    speakers: dict[str, Clip] = {}
    for name in settings.corpora:
        for clip in sorted(_clips(name, settings, target), key=lambda clip: clip.path):
            # Protocols are named in lower case, and some disks tell no "Anna" from "anna".
            other = speakers.setdefault(clip.speaker.casefold(), clip)
            if (other.corpus, other.speaker) != (clip.corpus, clip.speaker):
                raise UserError(
                    "corpora: expected speakers whose names differ in more than case, received "
                    f"{other.speaker} in {other.corpus} and {clip.speaker} in {clip.corpus}"
                )
            clips.append(clip)
    return clips


def _clips(name: str, settings: Params, target: Path) -> list[Clip]:
    if name == "folder":
        return copy_folder(Path(settings.folder), target)
    if name == "synthetic":
        synthetic.synthesise(target, settings.synthetic_words)
        listing = synthetic.listing(settings.synthetic_words)
        return [Clip(name, path, speaker, emotion, word, path) for path, speaker, emotion, word in listing]
    return obtain_published(name, target)


def obtain_published(name: str, target: Path) -> list[Clip]:
    """Collect a corpus from SER_DATA_DIR, else from the first of its sources that has it.

    Raises:
        UserError: no source has it; or it has checksums, and a clip is missing or has another content.
    """
    corpus, failures = CORPORA[name], []
    for source, locate in {"SER_DATA_DIR": sources.local, **corpus.sources}.items():
        try:
            place = locate()
        except UserError:
            raise
        # Downloaders have errors of their own (DNS, TLS, HTTP, quota, checksum) without a common base class; each of
        # them means the same here: try the next source.
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
        else:
            print(f"{corpus.title}: looking in {source} ({place})", file=sys.stderr)
            if clips := _collect(name, place, target):
                return clips
            reason = f"no {corpus.title} clip in {place}"
        failures.append(f"{source}: {reason}")
        print(f"{corpus.title}: not from {failures[-1]}", file=sys.stderr)
    raise UserError(
        f"expected {corpus.title}, found no source for it ({'; '.join(failures)}).\nDownload it from {corpus.page},\n"
        "set SER_DATA_DIR to the folder or archive and run again; or without it: dvc exp run -S 'corpora=[synthetic]'"
    )


def parse(name: str, source_path: str) -> Clip | None:
    """Read speaker, emotion and text off a file name; None where it is not one of the corpus's clips.

    The file name decides, never the folder: folder names differ between mirrors.

    Example:
        >>> parse("ravdess", "Actor_12/03-01-08-02-01-02-12.wav").path
        'ravdess12/surprise/03-01-08-02-01-02-12.wav'
    """
    corpus, source_name = CORPORA[name], PurePosixPath(source_path).name
    file = PurePosixPath(corpus.renamed.get(source_name, source_name))
    match = re.fullmatch(corpus.pattern, file.stem)
    if not match or file.suffix.lower() not in AUDIO_ENDINGS or match["emotion"] not in corpus.emotions:
        return None
    # A number is no name: each corpus has a speaker 03 of its own.
    speaker = name + match["speaker"] if match["speaker"].isdigit() else match["speaker"]
    emotion = corpus.emotions[match["emotion"]]
    return Clip(name, f"{speaker}/{emotion}/{file.name}", speaker, emotion, match["text"], source_name)


def published(name: str) -> dict[str, Clip]:
    """The clips of a corpus by their sha256; none of a corpus without checksums."""
    listing = CORPORA[name].checksums
    rows = [line.split(maxsplit=1) for line in listing.read_text(encoding="utf-8").splitlines()] if listing else []
    return {digest: replace(clip, source_path=path) for digest, path in rows if (clip := parse(name, path))}


def _collect(name: str, place: Path, target: Path) -> list[Clip]:
    corpus, known = CORPORA[name], published(name)
    clips: dict[str, Clip] = {}
    strangers: dict[str, tuple[str, str]] = {}
    with tqdm(total=corpus.clips, desc=corpus.title, unit="clip") as bar:
        for entry, content in sources.contents(place, corpus.likely):
            digest, named = hashlib.sha256(content).hexdigest(), parse(name, entry)
            clip = known.get(digest) if known else named
            if clip and clip.path not in clips:  # a mirror may hold it twice
                clips[clip.path] = clip
                path = target / clip.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                bar.update()
            elif named and not clip:
                strangers[named.path] = entry, digest
            if len(clips) == corpus.clips:
                return list(clips.values())
    if known and (clips or strangers):
        missing = {clip.path: digest for digest, clip in known.items() if clip.path not in clips}
        if changed := min(missing.keys() & strangers.keys(), default=None):
            entry, digest = strangers[changed]
            raise UserError(f"{entry}: expected sha256 {missing[changed]}, received {digest}: not as published")
        raise UserError(f"{place}: expected {corpus.clips} clips of {corpus.title}, found {len(clips)}; the first one "
                        f"missing is {min(missing)}")  # fmt: skip
    if clips:
        print(f"{corpus.title}: {place} has {len(clips)} clips of {corpus.clips}; these are taken", file=sys.stderr)
    return list(clips.values())


def copy_folder(source: Path, target: Path) -> list[Clip]:
    """Copy the clips of ``<source>/<speaker>/<emotion>/`` to ``target``; in the order of their paths.

    The file's stem stands for the text, in lower case and composed (NFC): macOS writes an accent in two characters.

    Raises:
        UserError: the folder is missing, cannot be read or holds no clip, a folder inside names no emotion, a name
            holds a control character, or a speaker has two clips of one emotion and one name.
    """
    if not source.is_dir():
        raise UserError(f"folder: expected a folder <speaker>/<emotion>/<clips>, received {source}, which is none")
    clips, ignored = [], []
    for path in sources.files_in(source):
        if path.suffix.lower() not in AUDIO_ENDINGS:
            ignored += [path] if path.parent != source else []
            continue
        clip = _own(path, source)
        destination = target / clip.path
        if destination.exists():
            raise UserError(f"{path}: expected one clip of this name for {clip.speaker}, {clip.emotion}; received two")
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
        clips.append(clip)
    if ignored:
        print(f"not audio, left out: {', '.join(map(str, ignored[:5]))} ({len(ignored)} in all)", file=sys.stderr)
    if not clips:
        raise UserError(f"{source}: expected clips in {source}/<speaker>/<emotion>/, found none")
    return clips


def _own(path: Path, source: Path) -> Clip:
    *folders, name = path.relative_to(source).parts
    if len(folders) != 2:
        raise UserError(f"{path}: expected {source}/<speaker>/<emotion>/<clip>, received {len(folders) + 1} levels")
    speaker, folder = folders
    emotion = EMOTION_NAMES.get(re.sub("[ -]", "_", folder.lower()))
    if not emotion:
        raise UserError(
            f"{path.parent}: expected a folder named after one of {', '.join(EMOTIONS)}; received {folder!r}"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]+", speaker):
        raise UserError(
            f"{source / speaker}: expected a speaker's name of letters, digits, _ and -, received {speaker!r}"
        )
    # The manifest could not hold a line break, nor (Cs) what is no UTF-8.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise UserError(f"{path.parent}: expected names without control characters, received {name!r}")
    text = unicodedata.normalize("NFC", path.stem).casefold()
    return Clip("folder", f"{speaker}/{emotion}/{name}", speaker, emotion, text, path.relative_to(source).as_posix())
