"""Corpora that are declared, and a folder of one's own: who speaks, which emotion, what is said."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ser import EMOTIONS
from ser.data import corpora, manifest, sources
from ser.errors import UserError
from ser.learn import parts
from tests.corpus_files import digests, lay_out, obtain, own, seed_layout, served, tarred, wav, zipped

pytestmark = pytest.mark.usefixtures("published")


def test_speakers_differ_in_more_than_case(tess: dict, tmp_path: Path) -> None:
    contents = iter(tess.values())
    own = {f"{speaker}/anger/{i}.wave": next(contents) for speaker in ("Anna", "anna", "Bob") for i in range(2)}
    folder = lay_out(own, tmp_path / "recordings")
    with pytest.raises(
        UserError, match="speakers whose names differ in more than case, received Anna in folder and anna in folder"
    ):
        obtain(tmp_path / "raw", "folder", folder=str(folder))
    assert len(digests(tmp_path / "raw")) == len(own)  # .wave is an audio file, too


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
    asked, content = [], [b"<html>try again later</html>", archive, archive]

    def answer(path: str) -> bytes:
        asked.append(path)
        return content[len(asked) - 1]

    def published_with(url: str, md5: str | None) -> None:
        known = replace(corpora.CORPORA[name], sources={"publisher": partial(sources.archive, url, md5, name)})
        monkeypatch.setitem(corpora.CORPORA, name, known)

    with served(answer) as address:
        url = f"{address}/{name}.zip"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        published_with(url, None)
        with pytest.raises(UserError, match="expected a zip archive, received something else"):
            obtain(tmp_path / "raw", name)
        assert not [*(tmp_path / "cache").rglob("*.zip")]  # it would be taken for the archive from then on
        published_with(url, "0" * 32)
        with pytest.raises(UserError) as error:
            obtain(tmp_path / "raw", name)
        corpus, lines = corpora.CORPORA[name], str(error.value).splitlines()
        assert lines[0].startswith(
            f"expected {corpus.title}, found no source for it (SER_DATA_DIR: not set; publisher: MD5 hash"
        )
        assert corpus.page in lines[1] and "SER_DATA_DIR" in lines[2]
        assert not digests(tmp_path / "raw")

        published_with(url, hashlib.md5(archive).hexdigest())
        obtain(tmp_path / "raw", name)
        obtain(tmp_path / "again", name)
        assert digests(tmp_path / "raw") == digests(tmp_path / "again") == expected
        assert len(asked) == 3  # no archive, another one, and the right one, which is kept


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
    assert parts.corpora(table) == "ravdess + tess"
    assert parts.corpora(manifest.describe(tmp_path / "raw", clips[2:])) == "tess"
    assert table["clip"].tolist() == [clip.path for clip in clips]


def test_a_speaker_of_two_corpora_is_named(tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_DATA_DIR", str(lay_out(tess, tmp_path / "data")))
    mine = own(tmp_path, "YAF/anger/hello.wav")
    with pytest.raises(UserError, match="corpora: expected speakers .*, received YAF in tess and YAF in folder"):
        obtain(tmp_path / "raw", "tess", "folder", folder=str(mine))


def test_a_recording_of_two_corpora_is_named(tess: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SER_DATA_DIR", str(lay_out(tess, tmp_path / "data")))
    mine = own(tmp_path, "me/anger/hello.wav")  # the stand-in's first clip has the same samples
    clips = obtain(tmp_path / "raw", "tess", "folder", folder=str(mine))
    with pytest.raises(UserError, match="expected one speaker and one emotion for a recording"):
        manifest.describe(tmp_path / "raw", clips)


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
    clips = obtain(target, "folder", "synthetic", folder=str(source))
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


def test_a_linked_speaker_is_one_and_a_broken_link_is_named(tmp_path: Path) -> None:
    source = own(tmp_path, "me/anger/one.wav")
    lay_out({"anger/two.wav": wav(7)}, tmp_path / "elsewhere")
    (source / "you").symlink_to(tmp_path / "elsewhere")
    (source / ".trash").mkdir()
    for name in ("me/anger/.#one.wav", ".trash/old.wav", "python"):  # an editor's lock, a desktop's, a tool's
        (source / name).symlink_to("nowhere")
    assert [clip.path for clip in corpora.copy_folder(source, tmp_path / "raw")] == [
        "me/anger/one.wav",
        "you/anger/two.wav",
    ]
    (source / "me/anger/gone.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(UserError, match=r"gone\.wav: expected a file, received a link to .*, which does not exist"):
        corpora.copy_folder(source, tmp_path / "raw")


def test_one_text_is_one_however_it_is_written(tmp_path: Path) -> None:
    """With the accent in a character of its own, as macOS writes it, and in capitals."""
    source = own(tmp_path, "a/anger/at 3.14\u202fPM.wav")  # a space of macOS's own: no control character
    assert [clip.text for clip in corpora.copy_folder(source, tmp_path / "raw")] == ["at 3.14\u202fpm"]
    (source / "a/anger/at 3.14\u202fPM.wav").unlink()
    source = own(tmp_path, "a/anger/bl\u00e9.wav", "b/anger/ble\u0301.wav", "c/anger/BL\u00c9.wav")
    assert {clip.text for clip in corpora.copy_folder(source, tmp_path / "raw")} == {"bl\u00e9"}


def test_hidden_files_are_no_clips(tmp_path: Path) -> None:
    source = own(tmp_path, "me/anger/one.wav")
    (source / "me/anger/._one.wav").write_bytes(b"macOS's own")
    (source / ".cache/me/anger").mkdir(parents=True)
    (source / ".cache/me/anger/two.wav").write_bytes(b"of some program")
    assert [clip.path for clip in corpora.copy_folder(source, tmp_path / "raw")] == ["me/anger/one.wav"]
