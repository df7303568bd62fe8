"""Where TESS comes from: every layout, every source, every way to go wrong. No network, no real corpus."""

import hashlib
import io
import json
import os
import random
import sys
import tarfile
import types
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ser import EMOTIONS
from ser.data import corpora, sources
from ser.errors import UserError
from ser.files import replacing
from tests.conftest import ROOT
from tests.corpus_files import LAYOUTS, digests, lay_out, obtain, served, tarred, wav, zipped

pytestmark = pytest.mark.usefixtures("published")


@pytest.fixture
def expected(tess: dict[str, bytes]) -> dict[str, str]:
    clips = {corpora.parse("tess", path): hashlib.sha256(content).hexdigest() for path, content in tess.items()}
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
        list(sources.contents(archive, "tess"))


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
    other = replace(corpora.CORPORA["tess"], sources={"one": offline, "two": lambda: place})
    monkeypatch.setitem(corpora.CORPORA, "tess", other)
    assert len(obtain(tmp_path / "raw")) == len(tess)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("TESS: ") and "%" not in line]
    assert said[1:] == ["TESS: not from one: checksum mismatch", f"TESS: looking in two ({place})"]


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

    def answer(path: str) -> bytes | None:
        if path.startswith("/api/datasets/"):
            files = [
                {"dataFile": {"id": i, "filename": name, "md5": hashlib.md5(content).hexdigest()}}
                for i, (name, content) in enumerate(zip(names, tess.values(), strict=True))
            ]
            files.append({"dataFile": {"id": 9999, "filename": "readme.txt", "md5": "0" * 32}})
            return json.dumps({"data": {"latestVersion": {"files": files}}}).encode()
        if state.fail_first:
            state.fail_first -= 1
            return None
        number = int(path.rpartition("/")[2])
        state.served.append(names[number])
        return b"garbage" if names[number] == state.corrupt else list(tess.values())[number]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # pooch waits between retries
    with served(answer) as url:
        corpus = corpora.CORPORA["tess"]
        publishers = corpus.sources | {"Borealis": partial(sources.dataverse, url, "doi:10.5683/x", "tess")}
        monkeypatch.setitem(corpora.CORPORA, "tess", replace(corpus, sources=publishers))
        yield state


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
    whole = replace(corpora.CORPORA["tess"], checksums=ROOT / "data/tess.sha256")
    monkeypatch.setitem(corpora.CORPORA, "tess", whole)
    clips = list(corpora.published("tess").values())
    assert len(clips) == len({clip.path for clip in clips}) == 2800
    for speaker in ("OAF", "YAF"):
        for emotion in EMOTIONS:
            words = {clip.text for clip in clips if (clip.speaker, clip.emotion) == (speaker, emotion)}
            assert len(words) == 200, (speaker, emotion)
