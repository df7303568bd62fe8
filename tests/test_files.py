"""Outputs appear whole or not at all; tables and folders are read as they were written."""

from pathlib import Path

import pytest

from ser.errors import UserError
from ser.files import read_table, replacing, walk
from tests.corpus_files import digests


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


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("clip,speaker,text,duration\na,03,null,1.5\nb,NA,7,2\n")
    table = read_table(tmp_path / "t.csv")
    assert table.speaker.tolist() == ["03", "NA"] and table.text.tolist() == ["null", "7"]
    assert table.duration.tolist() == [1.5, 2.0]
    with pytest.raises(UserError, match=r"none\.csv: expected the table of a run, found none"):
        read_table(tmp_path / "none.csv")


def test_links_are_walked_into_and_circles_end(tmp_path: Path) -> None:
    for name in ("a/x.wav", "b/y.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "a/to b").symlink_to(tmp_path / "b")
    (tmp_path / "c").symlink_to(tmp_path / "b")
    (tmp_path / "b/up").symlink_to(tmp_path)
    found = [str(Path(root, name).relative_to(tmp_path)) for root, _, names in walk(tmp_path, print) for name in names]
    assert sorted(found) == ["a/to b/y.wav", "a/x.wav", "b/y.wav", "c/y.wav"]


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    errors: list[OSError] = []
    assert not list(walk(tmp_path / "none", errors.append))
    assert [error.filename for error in errors] == [str(tmp_path / "none")]
