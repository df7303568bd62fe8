"""Where corpora come from: every layout, every source, every way to go wrong. No network, no real corpus."""

import hashlib
import io
import json
import os
import random
import sys
import tarfile
import threading
import types
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser import EMOTIONS, corpora, manifest, sources
from ser import tess as source
from ser.errors import UserError
from ser.files import replacing
from ser.params import Corpora
from tests.conftest import ROOT

FOLDERS = {
    "OAF": "OAF_Fear OAF_Pleasant_surprise OAF_Sad OAF_angry OAF_disgust OAF_happy OAF_neutral".split(),
    "YAF": "YAF_fear YAF_pleasant_surprised YAF_sad YAF_angry YAF_disgust YAF_happy YAF_neutral".split(),
}
SUFFIXES = "fear ps sad angry disgust happy neutral".split()
SEED_EMOTIONS = dict(zip(SUFFIXES, "Fear Surprise Sad Anger Disgust Happy Neutral".split(), strict=True))


def wav(seed: int) -> bytes:
    """A short clip that no other seed gives."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(seed).uniform(-0.5, 0.5, 2000), 24_414, format="WAV")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def tess() -> dict[str, bytes]:
    """A stand-in for TESS: its names, its quirks, three words, other sounds. Published path -> content."""
    files = {}
    for speaker, folders in FOLDERS.items():
        for folder, suffix in zip(folders, SUFFIXES, strict=True):
            for word in ("back", "bite", "mob"):
                name = f"{speaker}_{word}_{suffix}.wav"
                if name == "OAF_bite_neutral.wav":
                    name = "OA_bite_neutral.wav"
                files[f"{folder}/{name}"] = wav(len(files))
    return files


@pytest.fixture(autouse=True)
def _published(tess: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in tess.items())
    (tmp_path / "tess.sha256").write_text(listing, encoding="utf-8")
    monkeypatch.setattr(source, "CHECKSUMS", tmp_path / "tess.sha256")
    monkeypatch.delenv("SER_DATA_DIR", raising=False)
    # Nothing listens there: a test that reaches for the network fails at once.
    monkeypatch.setattr(source, "PUBLISHER", "http://127.0.0.1:9")
    kaggle = types.SimpleNamespace(dataset_download=lambda handle: (_ for _ in ()).throw(OSError(f"offline: {handle}")))
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle)


def lay_out(files: dict[str, bytes], root: Path) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def zipped(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(files: dict[str, bytes], path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def seed_layout(files: dict[str, bytes]) -> dict[str, bytes]:
    result = {}
    for path, content in files.items():
        name = path.split("/")[1]
        actor = "Actor_01" if name.startswith("OA") else "Actor_02"
        result[f"{actor}/{SEED_EMOTIONS[name[:-4].split('_')[2]]}/{name}"] = content
    return result


LAYOUTS = {
    "mirror": lambda files: {f"TESS Toronto emotional speech set data/{p}": c for p, c in files.items()},
    "kaggle, nested double": lambda files: {
        f"{prefix}TESS Toronto emotional speech set data/{p}": c
        for prefix in ("", "tess toronto emotional speech set data/")
        for p, c in files.items()
    },
    "seed": seed_layout,
    "flat": lambda files: {p.split("/")[1]: c for p, c in files.items()},
    "shouting": lambda files: {p.upper(): c for p, c in files.items()},
    "renamed": lambda files: {f"clips/{i}.wav": c for i, c in enumerate(files.values())},
}


def obtain(target: Path, *names: str, folder: str = "recordings") -> list[manifest.Clip]:
    target.mkdir(parents=True, exist_ok=True)
    return corpora.obtain(Corpora(list(names) or ["tess"], folder, 20), target)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def expected(tess: dict[str, bytes]) -> dict[str, str]:
    clips = {source.parse(path): hashlib.sha256(content).hexdigest() for path, content in tess.items()}
    return {clip.path: digest for clip, digest in clips.items() if clip}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.xz", "tar.gz", "the archive itself"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same(
    layout: str, kind: str, tess: dict, expected: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = LAYOUTS[layout](tess)
    place = tmp_path / "data"
    place.mkdir()
    if kind == "folder":
        lay_out(files, place)
    elif kind.startswith("tar"):
        tarred(files, place / f"tess.{kind}", "w:" + kind[4:] if kind != "tar" else "w")
    else:
        archive = zipped(files, place / "archive.zip")
        place = archive if kind == "the archive itself" else place
    monkeypatch.setenv("SER_DATA_DIR", str(place))
    clips = obtain(tmp_path / "raw")
    assert digests(tmp_path / "raw") == expected
    assert [clip.path for clip in clips] == sorted(expected)
    assert {clip.source_path for clip in clips} == set(tess)


def test_the_order_of_members_does_not_matter(
    tess: dict, expected: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = list(tess.items())
    random.Random(0).shuffle(shuffled)
    monkeypatch.setenv("SER_DATA_DIR", str(tarred(dict(shuffled), tmp_path / "t.tar", "w")))
    assert [clip.path for clip in obtain(tmp_path / "raw")] == sorted(expected)


@pytest.mark.parametrize("archived", [False, True])
def test_a_wrong_checksum_names_the_file_and_leaves_nothing(
    archived: bool, tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**tess, "YAF_sad/YAF_mob_sad.wav": wav(999)}
    place = zipped(files, tmp_path / "tess.zip") if archived else lay_out(files, tmp_path / "data")
    monkeypatch.setenv("SER_DATA_DIR", str(place))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "precious").write_text("last good corpus")
    with (
        pytest.raises(UserError, match=r"YAF_mob_sad\.wav: expected sha256 \w{64}, received \w{64}"),
        replacing(tmp_path / "raw") as folder,
    ):
        obtain(folder)
    assert digests(tmp_path / "raw").keys() == {"precious"}
    assert not list(tmp_path.glob(".raw.*"))


def test_a_missing_clip_is_named(tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {path: content for path, content in tess.items() if "YAF_back_angry" not in path}
    monkeypatch.setenv("SER_DATA_DIR", str(lay_out(files, tmp_path / "data")))
    with pytest.raises(
        UserError, match=r"expected 42 clips of TESS, found 41; the first one missing is YAF/anger/YAF_back"
    ):
        obtain(tmp_path / "raw")


def test_hostile_archives_write_nothing_outside(
    tess: dict, expected: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = list(tess.values())
    files = {f"../../{i}/../../evil.wav": content for i, content in enumerate(contents)}
    archive = tmp_path / "in" / "tess.tar"
    archive.parent.mkdir()
    with tarfile.open(tarred(files, archive, "w"), "a") as tar:
        link = tarfile.TarInfo("OAF_link_fear.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        huge = tarfile.TarInfo("OAF_huge_fear.wav")
        huge.size = 8 * 2**20
        tar.addfile(huge, io.BytesIO(bytes(huge.size)))
    monkeypatch.setenv("SER_DATA_DIR", str(archive))
    obtain(tmp_path / "out" / "raw")
    assert digests(tmp_path / "out" / "raw") == expected
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "tess.sha256"}
    assert not list(tmp_path.parent.glob("evil.wav"))


@pytest.mark.parametrize("name", ["tess.zip", "tess.tar.xz"])
def test_a_broken_archive_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 not really")
    monkeypatch.setenv("SER_DATA_DIR", str(tmp_path / name))
    with pytest.raises(UserError, match=f"{name}: expected a zip or tar archive"):
        obtain(tmp_path / "raw")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_an_archive_that_is_damaged_inside_is_named(kind: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = {f"{i}.wav": random.integers(0, 64, 30_000, np.uint8).tobytes() for i in range(9)}
    archive = tmp_path / f"tess.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path, content in noise.items():
                packed.writestr(path, content)
    else:
        tarred(noise, archive, f"w:{kind.removeprefix('tar.')}")
    damaged = bytearray(archive.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 2000] = random.bytes(2000)
    archive.write_bytes(damaged)
    with pytest.raises(UserError, match=f"{archive.name}: expected a zip or tar archive, received a broken one"):
        list(sources.contents(archive, lambda name: name.endswith(".wav"), "tess"))


@pytest.mark.parametrize("interrupted", [1, 2])
def test_an_interruption_while_a_folder_is_replaced_loses_nothing(
    interrupted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "raw"
    target.mkdir()
    (target / "precious").write_text("last good corpus")
    rename, count = Path.rename, 0

    def renamed(self: Path, place: Path) -> Path:
        nonlocal count
        count += 1
        if count == interrupted:
            raise KeyboardInterrupt
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", renamed)
    with pytest.raises(KeyboardInterrupt), replacing(target) as folder:
        (folder / "new").write_text("new corpus")
    assert digests(target).keys() == {"precious"}
    assert not list(tmp_path.glob(".raw.*"))


def test_what_a_killed_run_left_aside_is_put_back(tmp_path: Path) -> None:
    aside = tmp_path / ".raw.old"
    aside.mkdir()
    (aside / "precious").write_text("last good corpus")
    with pytest.raises(UserError), replacing(tmp_path / "raw"):
        raise UserError("no source")
    assert digests(tmp_path / "raw").keys() == {"precious"}


def test_a_path_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="SER_DATA_DIR: expected a folder or an archive"):
        obtain(tmp_path / "raw")


def test_whatever_a_downloader_raises_the_next_source_is_tried(
    tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class BackendError(Exception):
        """As kagglehub's own: derived from nothing else."""

    def offline() -> Path:
        raise BackendError("checksum mismatch")

    place = lay_out(tess, tmp_path / "data")
    clips = sources.first_of("TESS", {"one": offline, "two": lambda: place}, lambda found: [found], "advice")
    assert clips == [place]
    said = capsys.readouterr().err.splitlines()
    assert said == ["TESS: not from one: checksum mismatch", f"TESS: looking in two ({place})"]


def test_a_full_disk_is_no_missing_source(tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_DATA_DIR", str(lay_out(tess, tmp_path / "data")))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device"):
        obtain(tmp_path / "raw")


@pytest.mark.parametrize("what", ["folder", "clip"])
def test_what_cannot_be_read_is_named(what: str, tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus must not shrink without a word."""
    place = lay_out(tess, tmp_path / "data")
    monkeypatch.setenv("SER_DATA_DIR", str(place))
    locked = place / sorted(tess)[0].split("/")[0]
    read, scan = Path.read_bytes, os.scandir

    def refused(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    if what == "folder":
        monkeypatch.setattr(os, "scandir", lambda path: refused(path) if str(path) == str(locked) else scan(path))
    else:
        monkeypatch.setattr(Path, "read_bytes", lambda path: refused(path) if locked in path.parents else read(path))
    with pytest.raises(
        UserError, match=f"{locked}.*: expected a readable {what.replace('clip', 'file')}, received: Per"
    ):
        obtain(tmp_path / "raw")


def test_speakers_differ_in_more_than_case(tess: dict, tmp_path: Path) -> None:
    contents = iter(tess.values())
    own = {f"{speaker}/anger/{i}.wave": next(contents) for speaker in ("Anna", "anna", "Bob") for i in range(2)}
    folder = lay_out(own, tmp_path / "recordings")
    with pytest.raises(
        UserError, match="folder: expected speakers whose names differ in more than case, received Anna"
    ):
        obtain(tmp_path / "raw", "folder", folder=str(folder))
    assert len(digests(tmp_path / "raw")) == len(own)  # .wave is an audio file, too


def test_without_network_and_copy_three_lines_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        obtain(tmp_path / "raw")
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert "SER_DATA_DIR: not set" in lines[0] and "Borealis: " in lines[0] and "Kaggle: offline" in lines[0]
    assert "https://doi.org/10.5683/SP2/E8H2MF" in lines[1]
    assert "SER_DATA_DIR" in lines[2] and "dvc exp run -S 'corpora=[synthetic]'" in lines[2]


@pytest.fixture
def dataverse(
    tess: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[types.SimpleNamespace]:
    """A Dataverse on the loopback with the two routes that are used; it can fail and counts what it served."""
    state = types.SimpleNamespace(served=[], fail_first=0, corrupt=None, tess=tess)
    names = [path.split("/")[1] for path in tess]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/datasets/"):
                files = [
                    {"dataFile": {"id": i, "filename": name, "md5": hashlib.md5(content).hexdigest()}}
                    for i, (name, content) in enumerate(zip(names, tess.values(), strict=True))
                ]
                files.append({"dataFile": {"id": 9999, "filename": "readme.txt", "md5": "0" * 32}})
                body = json.dumps({"data": {"latestVersion": {"files": files}}}).encode()
            else:
                number = int(self.path.rpartition("/")[2])
                if state.fail_first:
                    state.fail_first -= 1
                    self.send_error(503)
                    return
                state.served.append(names[number])
                body = b"garbage" if names[number] == state.corrupt else list(tess.values())[number]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(source, "PUBLISHER", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # pooch waits between retries
    yield state
    server.shutdown()


def test_the_publisher_serves_it(dataverse: types.SimpleNamespace, expected: dict, tmp_path: Path) -> None:
    obtain(tmp_path / "raw")
    assert digests(tmp_path / "raw") == expected
    assert sorted(dataverse.served) == sorted(path.split("/")[1] for path in dataverse.tess)


def test_a_second_download_fetches_nothing_and_a_broken_one_resumes(
    dataverse: types.SimpleNamespace, expected: dict, tmp_path: Path
) -> None:
    dataverse.corrupt = "YAF_mob_sad.wav"
    with pytest.raises(UserError, match="Borealis: .*YAF_mob_sad.wav"):
        obtain(tmp_path / "first")
    assert not digests(tmp_path / "first")
    dataverse.corrupt, dataverse.served = None, []
    obtain(tmp_path / "second")
    assert digests(tmp_path / "second") == expected
    assert "YAF_mob_sad.wav" in dataverse.served and len(dataverse.served) < len(expected) / 2
    dataverse.served = []
    obtain(tmp_path / "third")
    assert not dataverse.served


def test_a_server_that_stumbles_is_asked_again(
    dataverse: types.SimpleNamespace, expected: dict, tmp_path: Path
) -> None:
    dataverse.fail_first = 2
    obtain(tmp_path / "raw")
    assert digests(tmp_path / "raw") == expected


def test_kaggle_is_the_last_source(tess: dict, expected: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(handle: str) -> str:
        asked.append(handle)
        return str(lay_out(LAYOUTS["kaggle, nested double"](tess), tmp_path / "kaggle"))

    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=download))
    obtain(tmp_path / "raw")
    assert digests(tmp_path / "raw") == expected
    assert asked == ["ejlok1/toronto-emotional-speech-set-tess"]


def test_the_committed_checksums_are_the_whole_of_tess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHECKSUMS", ROOT / "data/tess.sha256")
    clips = list(source.published().values())
    assert len(clips) == len({clip.path for clip in clips}) == 2800
    for speaker in ("OAF", "YAF"):
        for emotion in EMOTIONS:
            words = {clip.text for clip in clips if (clip.speaker, clip.emotion) == (speaker, emotion)}
            assert len(words) == 200, (speaker, emotion)


# --- Corpora that are declared ---

NAMES = {
    "emodb": {
        "wav/03a01Fa.wav": "emodb03/happiness/03a01Fa.wav",
        "wav/16b10Td.wav": "emodb16/sadness/16b10Td.wav",
        "wav/08a02La.wav": None,  # boredom, which is none of the seven
        "lablaut/03a01Fa.lablaut": None,
    },
    "ravdess": {
        "Actor_07/03-01-06-01-02-01-07.flac": "ravdess07/fear/03-01-06-01-02-01-07.flac",
        "Actor_12/03-01-08-02-01-02-12.wav": "ravdess12/surprise/03-01-08-02-01-02-12.wav",
        "Actor_02/03-01-02-01-01-01-02.wav": None,  # calm
        "Actor_02/03-02-05-01-01-01-02.wav": None,  # sung
        "Actor_02/notes.txt": None,
    },
}


@pytest.fixture(params=NAMES)
def declared(request: pytest.FixtureRequest) -> tuple[str, dict[str, bytes], dict[str, str]]:
    """Name of a corpus, some files in its own layout, and the digests of what is to be taken."""
    files = {path: wav(number) for number, path in enumerate(NAMES[request.param])}
    taken = {NAMES[request.param][path]: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return request.param, files, {path: digest for path, digest in taken.items() if path}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.xz", "held twice"])
def test_a_declared_corpus_is_found_whatever_its_layout(
    kind: str, declared: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    name, files, expected = declared
    place = tmp_path / "data"
    place.mkdir()
    if kind == "folder":
        lay_out(files, place)
    elif kind == "held twice":
        lay_out(files | {f"again/{path}": content for path, content in files.items()}, place)
    elif kind == "zip":
        zipped(files, place / f"{name}.zip")
    else:
        tarred(files, place / f"{name}.{kind}", "w:xz")
    monkeypatch.setenv("SER_DATA_DIR", str(place))
    clips = obtain(tmp_path / "raw", name)
    assert digests(tmp_path / "raw") == expected
    assert [clip.path for clip in clips] == sorted(expected) and {clip.corpus for clip in clips} == {name}
    assert f"2 clips of {corpora.CORPORA[name].clips}" in capsys.readouterr().err


def test_a_complete_corpus_is_looked_for_no_further(
    declared: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, files, expected = declared
    lay_out(files, tmp_path / "data")
    (tmp_path / "data/other.zip").write_bytes(b"broken")
    monkeypatch.setenv("SER_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(UserError, match="expected a zip or tar archive, received a broken one: [^\n]*$"):
        obtain(tmp_path / "raw", name)
    monkeypatch.setitem(corpora.CORPORA, name, replace(corpora.CORPORA[name], clips=len(expected)))
    assert len(obtain(tmp_path / "again", name)) == len(expected)


def test_what_a_name_says(tmp_path: Path) -> None:
    clip = corpora.parse("ravdess", "Actor_12/03-01-08-02-01-02-12.wav")
    assert clip and (clip.speaker, clip.emotion, clip.text) == ("ravdess12", "surprise", "01")
    clip = corpora.parse("emodb", "03a01Fa.wav")
    assert clip and (clip.speaker, clip.emotion, clip.text) == ("emodb03", "happiness", "a01")


def test_the_publisher_is_asked_where_there_is_no_copy(
    declared: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, files, expected = declared
    archive = zipped(files, tmp_path / "published.zip").read_bytes()
    served, content = [], [b"<html>try again later</html>", archive, archive]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content[0])))
            self.end_headers()
            self.wfile.write(content.pop(0))

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{name}.zip"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    other = replace(corpora.CORPORA[name], url=url, md5="0" * 32)
    monkeypatch.setitem(corpora.CORPORA, name, replace(other, md5=None))
    with pytest.raises(UserError, match="expected a zip archive, received something else"):
        obtain(tmp_path / "raw", name)
    assert not [*(tmp_path / "cache").rglob("*.zip")]  # it would be taken for the archive from then on
    monkeypatch.setitem(corpora.CORPORA, name, other)
    with pytest.raises(UserError) as error:
        obtain(tmp_path / "raw", name)
    lines = str(error.value).splitlines()
    assert lines[0].startswith(
        f"expected {other.title}, found no source for it (SER_DATA_DIR: not set; {url}: MD5 hash"
    )
    assert other.page in lines[1] and "SER_DATA_DIR" in lines[1]
    assert not digests(tmp_path / "raw")

    monkeypatch.setitem(corpora.CORPORA, name, replace(other, md5=hashlib.md5(archive).hexdigest()))
    obtain(tmp_path / "raw", name)
    obtain(tmp_path / "again", name)
    assert digests(tmp_path / "raw") == digests(tmp_path / "again") == expected
    assert len(served) == 3  # no archive, another one, and the right one, which is kept
    server.shutdown()


def test_corpora_are_put_together_in_the_order_that_is_asked_for(
    tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = lay_out(tess, tmp_path / "data")
    for name, paths in NAMES.items():
        zipped({path: wav(500 + number) for number, path in enumerate(paths)}, place / f"{name}.zip")
    monkeypatch.setenv("SER_DATA_DIR", str(place))
    clips = obtain(tmp_path / "raw", "ravdess", "tess")
    assert [clip.corpus for clip in clips] == ["ravdess"] * 2 + ["tess"] * len(tess)
    table = manifest.describe(tmp_path / "raw", clips)
    assert manifest.title(table) == "ravdess + tess"
    assert manifest.title(manifest.describe(tmp_path / "raw", clips[2:])) == "tess"
    assert table["clip"].tolist() == [clip.path for clip in clips]


def test_a_speaker_of_two_corpora_is_named(tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_DATA_DIR", str(lay_out(tess, tmp_path / "data")))
    mine = own(tmp_path, "YAF/anger/hello.wav")
    with pytest.raises(UserError, match="expected each speaker in one corpus, received YAF in tess and folder"):
        obtain(tmp_path / "raw", "tess", "folder", folder=str(mine))


def test_a_recording_of_two_corpora_is_named(tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_DATA_DIR", str(lay_out(tess, tmp_path / "data")))
    mine = own(tmp_path, "me/anger/hello.wav")  # the stand-in's first clip has the same samples
    clips = obtain(tmp_path / "raw", "tess", "folder", folder=str(mine))
    with pytest.raises(UserError, match="expected one speaker and one emotion for a recording"):
        manifest.describe(tmp_path / "raw", clips)


# --- A folder of one's own ---


def own(tmp_path: Path, *paths: str) -> Path:
    for number, path in enumerate(paths):
        lay_out({path: wav(number)}, tmp_path / "mine")
    return tmp_path / "mine"


def test_a_folder_is_copied(tmp_path: Path) -> None:
    source = own(
        tmp_path, "anna/Angry/hello there.wav", "anna/neutral/hello there.wav", "bob/ps/wow.flac", "bob/ps/.DS_Store"
    )
    clips = corpora.copy_folder(source, tmp_path / "raw")
    assert {(c.path, c.speaker, c.emotion, c.text) for c in clips} == {
        ("anna/anger/hello there.wav", "anna", "anger", "hello there"),
        ("anna/neutral/hello there.wav", "anna", "neutral", "hello there"),
        ("bob/surprise/wow.flac", "bob", "surprise", "wow"),
    }
    assert digests(tmp_path / "raw").keys() == {clip.path for clip in clips}


def test_recordings_that_are_named_like_synthetic_clips_stay_what_they_are(tmp_path: Path) -> None:
    source = own(tmp_path, "anna/sad/OAF_back_sad.wav")
    target = tmp_path / "raw"
    target.mkdir()
    clips = corpora.obtain(Corpora(["folder", "synthetic"], folder=str(source), synthetic_words=5), target)
    assert [clip.path for clip in clips if clip.corpus == "folder"] == ["anna/sadness/OAF_back_sad.wav"]
    assert {clip.speaker for clip in clips if clip.corpus == "synthetic"} == {"OAF", "YAF"}
    assert digests(target).keys() == {clip.path for clip in clips}


def test_the_seed_layout_is_a_folder_corpus_too(tess: dict, tmp_path: Path) -> None:
    clips = corpora.copy_folder(lay_out(seed_layout(tess), tmp_path / "seed"), tmp_path / "raw")
    assert len(clips) == len(tess)
    assert {clip.speaker for clip in clips} == {"Actor_01", "Actor_02"}
    assert {clip.emotion for clip in clips} == set(EMOTIONS)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "expected a folder <speaker>/<emotion>/<clips>"),
        (["anna/angre/a.wav"], "expected a folder named after one of anger, disgust, .* received 'angre'"),
        (["anna/a.wav"], "expected .*/<speaker>/<emotion>/<clip>, received 2 levels"),
        (["anna/anger/notes.txt"], "expected clips in .*, found none"),
        (["an na/anger/a.wav"], "expected a speaker's name of letters"),
        (["anna/anger/caf\udce9.wav"], r"expected names without control characters, received 'caf\\udce9\.wav'"),
        (["anna/anger/two\nlines.wav"], r"expected names without control characters, received 'two\\nlines.wav'"),
        (["anna/anger/a.wav", "anna/Angry/a.wav"], "expected one clip of this name for anna, anger; received two"),
    ],
)
def test_a_folder_that_is_wrong_is_named(paths: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        corpora.copy_folder(own(tmp_path, *paths), tmp_path / "raw")


# --- The manifest ---


def test_the_manifest_describes_every_clip(tmp_path: Path) -> None:
    source = own(tmp_path, "a/anger/null.wav", "03/fear/x.wav")
    table = manifest.describe(tmp_path / "raw", corpora.copy_folder(source, tmp_path / "raw"))
    assert list(table.columns) == manifest.COLUMNS
    assert list(table["clip"]) == ["03/fear/x.wav", "a/anger/null.wav"]
    assert table.duration.tolist() == [round(2000 / 24_414, 6)] * 2
    assert table.sample_rate.tolist() == [24_414] * 2
    assert table.sha256[0] == hashlib.sha256((source / "03/fear/x.wav").read_bytes()).hexdigest()
    table.to_csv(tmp_path / "manifest.csv", index=False)
    again = manifest.read(tmp_path / "manifest.csv")
    assert again.text.tolist() == ["x", "null"] and again.speaker.tolist() == ["03", "a"]


def test_a_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    source = lay_out({"a/anger/x.wav": b"no audio"}, tmp_path / "mine")
    with pytest.raises(UserError, match=r"x\.wav: expected audio"):
        manifest.describe(tmp_path / "raw", corpora.copy_folder(source, tmp_path / "raw"))


def test_one_recording_under_two_emotions_is_refused(tmp_path: Path) -> None:
    source = lay_out({"a/anger/x.wav": wav(1), "a/fear/y.wav": wav(1)}, tmp_path / "mine")
    with pytest.raises(UserError, match=r"a/anger/x\.wav and a/fear/y\.wav: expected one speaker and one emotion"):
        manifest.describe(tmp_path / "raw", corpora.copy_folder(source, tmp_path / "raw"))


def test_a_copy_in_another_format_is_the_same_recording(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-9999, 9999, 2000).astype(np.int16)
    (tmp_path / "mine/a/anger").mkdir(parents=True)
    for name in ("x.wav", "y.flac"):
        soundfile.write(tmp_path / "mine/a/anger" / name, samples, 16_000)
    clips = corpora.copy_folder(tmp_path / "mine", tmp_path / "raw")
    assert manifest.describe(tmp_path / "raw", clips).recording.nunique() == 1


def test_a_linked_speaker_is_one_and_a_broken_link_is_named(tmp_path: Path) -> None:
    source = own(tmp_path, "me/anger/one.wav")
    lay_out({"anger/two.wav": wav(7)}, tmp_path / "elsewhere")
    (source / "you").symlink_to(tmp_path / "elsewhere")
    (source / ".trash").mkdir()
    for name in ("me/anger/.#one.wav", ".trash/old.wav", "python"):  # an editor's lock, a desktop's, a tool's
        (source / name).symlink_to("nowhere")
    assert [clip.path for clip in corpora.clips_in_folder(source)] == ["me/anger/one.wav", "you/anger/two.wav"]
    (source / "me/anger/gone.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(UserError, match=r"gone\.wav: expected a file, received a link to .*, which does not exist"):
        corpora.clips_in_folder(source)


def test_one_text_is_one_however_it_is_written(tmp_path: Path) -> None:
    """With the accent in a character of its own, as macOS writes it, and in capitals."""
    source = own(tmp_path, "a/anger/at 3.14\u202fPM.wav")  # a space of macOS's own: no control character
    assert [clip.text for clip in corpora.clips_in_folder(source)] == ["at 3.14\u202fpm"]
    (source / "a/anger/at 3.14\u202fPM.wav").unlink()
    source = own(tmp_path, "a/anger/bl\u00e9.wav", "b/anger/ble\u0301.wav", "c/anger/BL\u00c9.wav")
    assert {clip.text for clip in corpora.clips_in_folder(source)} == {"bl\u00e9"}


def test_hidden_files_are_no_clips(tmp_path: Path) -> None:
    source = own(tmp_path, "me/anger/one.wav")
    (source / "me/anger/._one.wav").write_bytes(b"macOS's own")
    (source / ".cache/me/anger").mkdir(parents=True)
    (source / ".cache/me/anger/two.wav").write_bytes(b"of some program")
    assert [clip.path for clip in corpora.copy_folder(source, tmp_path / "raw")] == ["me/anger/one.wav"]


def test_a_clip_that_lies_there_twice_is_one(tmp_path: Path) -> None:
    for place in ("a/Actor_12", "b/Actor_12"):
        (tmp_path / place).mkdir(parents=True)
        for name in ("03-01-08-02-01-02-12.wav", "03-01-02-02-01-02-12.wav", "notes.txt"):  # surprise, calm, no clip
            (tmp_path / place / name).touch()
    ((path, clip),) = corpora.clips_in("ravdess", tmp_path)
    assert path == tmp_path / "a/Actor_12/03-01-08-02-01-02-12.wav" and clip.emotion == "surprise"
