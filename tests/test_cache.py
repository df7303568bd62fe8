"""The feature cache: what goes in comes out, byte-identical, without pickle."""

from pathlib import Path

import numpy as np
import pytest

from ser.errors import UserError
from ser.sound import cache

RNG = np.random.default_rng(0)
CLIPS = [f"OAF/anger/{i}.wav" for i in range(4)]
FRAMES = [RNG.standard_normal((length, 3)).astype(np.float32) for length in (5, 1, 9, 2)]


def test_round_trip_in_any_order(tmp_path: Path) -> None:
    cache.write(tmp_path / "OAF.npz", CLIPS, FRAMES)
    cache.write(tmp_path / "YAF.npz", ["YAF/fear/a.wav"], FRAMES[:1])
    received = cache.read(tmp_path, [CLIPS[2], "YAF/fear/a.wav", CLIPS[0]])
    for frames, expected in zip(received, [FRAMES[2], FRAMES[0], FRAMES[0]], strict=True):
        np.testing.assert_array_equal(frames, expected)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        cache.write(tmp_path / name, CLIPS, FRAMES)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_nothing_is_pickled(tmp_path: Path) -> None:
    cache.write(tmp_path / "OAF.npz", CLIPS, FRAMES)
    with np.load(tmp_path / "OAF.npz", allow_pickle=False) as shard:
        assert shard["frames"].shape == (17, 3)
        assert shard["frames"].dtype == np.float32
        np.testing.assert_array_equal(shard["offsets"], [0, 5, 6, 15, 17])
        assert shard["clips"].tolist() == CLIPS


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "other"])
def test_a_damaged_shard_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "OAF.npz"
    cache.write(path, CLIPS, FRAMES)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[60:200] = bytes(140)
    path.write_bytes({"empty": b"", "cut": content[:-40], "text": b"no archive"}.get(damage, content))
    if damage == "other":
        np.savez(path, something=np.zeros(3))
    with pytest.raises(UserError, match=r"OAF\.npz: expected features, received a damaged file; run: dvc repro -f "):
        cache.read(tmp_path, CLIPS)


@pytest.mark.parametrize("clip", ["OAF/anger/9.wav", "XYZ/anger/0.wav"])
def test_a_missing_clip_is_named(clip: str, tmp_path: Path) -> None:
    cache.write(tmp_path / "OAF.npz", CLIPS, FRAMES)
    with pytest.raises(UserError, match="run: dvc repro features"):
        cache.read(tmp_path, [clip])
