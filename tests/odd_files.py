"""Odd files, made when the tests run: what a person may hand in by mistake, or to see what happens."""

import os
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

SAME, SAFE, NOTHING, ERROR = "the clean clip's emotion", "that or unsure", "unsure or silence", "one line"


def make(folder: Path, clean: np.ndarray, rate: int) -> dict[str, str]:
    """Fill a folder.

    Args:
        folder: to be filled.
        clean: (samples,) of a clip that is recognised.
        rate: its sample rate in Hz.

    Returns:
        What each file has to end in, by its name.
    """
    return (
        _encodings(folder, clean, rate)
        | _channels(folder, clean, rate)
        | _levels(folder, clean, rate)
        | _noises(folder, rate)
        | _broken(folder, clean, rate)
        | _no_audio(folder, clean, rate)
    )


def _write(folder: Path, name: str, samples: np.ndarray, rate: int, subtype: str = "PCM_16", kind: str = "WAV") -> None:
    soundfile.write(folder / name, samples, rate, subtype=subtype, format=kind)


def _encodings(folder: Path, clean: np.ndarray, rate: int) -> dict[str, str]:
    for subtype in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        _write(folder, f"{subtype}.wav", clean, rate, subtype)
    for kind in ("AIFF", "FLAC", "AU", "CAF", "W64", "RF64", "WAVEX", "NIST"):
        _write(folder, f"container {kind}.wav", clean, rate, kind=kind)
    _write(folder, "a wav called.mp3", clean, rate)
    _write(folder, "a wav called.m4a", clean, rate)
    _write(folder, "a flac called.raw", clean, rate, kind="FLAC")
    _write(folder, "no ending", clean, rate)
    _write(folder, "ENDING.WAV", clean, rate)
    _write(folder, "spaces, accents é ß 声 and 'quotes'.wav", clean, rate)
    _write(folder, "line\nfeed \x1b[31mred.wav", clean, rate)
    _write(folder, "-dash.wav", clean, rate)
    _write(folder, "a" * 200 + ".wav", clean, rate)
    _write(folder, "192 kHz.wav", soxr.resample(clean, rate, 192_000), 192_000)
    _write(folder, "44.1 kHz.wav", soxr.resample(clean, rate, 44_100), 44_100)
    os.symlink(folder / "ENDING.WAV", folder / "a link.wav")
    result = dict.fromkeys([path.name for path in folder.iterdir()], SAME)
    for subtype in ("PCM_U8", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"):
        _write(folder, f"{subtype}.wav", clean, rate, subtype)
        result[f"{subtype}.wav"] = SAFE
    _write(folder, "8 kHz.wav", soxr.resample(clean, rate, 8000), 8000)
    _write(folder, "vorbis.ogg", clean, rate, "VORBIS", "OGG")
    _write(folder, "opus.opus", soxr.resample(clean, rate, 48_000), 48_000, "OPUS", "OGG")
    _write(folder, "layer 3.mp3", soxr.resample(clean, rate, 44_100), 44_100, "MPEG_LAYER_III", "MP3")
    return result | dict.fromkeys(["8 kHz.wav", "vorbis.ogg", "opus.opus", "layer 3.mp3"], SAFE)


def _channels(folder: Path, clean: np.ndarray, rate: int) -> dict[str, str]:
    nothing = np.zeros_like(clean)
    sounds = {
        "stereo.wav": [clean, clean],
        "antiphase.wav": [clean, -clean],
        "left only.wav": [clean, nothing],
        "right only.wav": [nothing, clean],
        "6 channels.wav": [nothing, nothing, clean, nothing, nothing, nothing],
        "32 channels.wav": [clean] * 32,
        "32 channels, one used.wav": [nothing] * 31 + [clean],
    }
    for name, channels in sounds.items():
        _write(folder, name, np.stack(channels, axis=1), rate)
    _write(folder, "200 channels.wav", np.stack([clean[:4000]] * 200, axis=1), rate)
    return dict.fromkeys(sounds, SAME) | {"200 channels.wav": ERROR}


def _levels(folder: Path, clean: np.ndarray, rate: int) -> dict[str, str]:
    unit = clean / np.abs(clean).max()
    sounds = {
        "quiet.wav": (unit * 0.01, SAME),
        "with an offset.wav": (unit * 0.3 + 0.5, SAME),
        "not from -1 to 1.wav": (unit * 32_768, SAME),
        "huge.wav": (unit * 1e30, SAME),
        "upside down.wav": (-unit, SAME),
        "silence around.wav": (np.pad(unit * 0.5, rate // 4), SAFE),
        "clipped.wav": (np.clip(unit * 10, -1, 1) * 0.9, SAFE),
        "square.wav": (np.sign(unit), NOTHING),
        "vanishing.wav": (unit * 1e-30, NOTHING),
    }
    for name, (samples, _) in sounds.items():
        _write(folder, name, samples, rate, "FLOAT")
    return {name: expected for name, (_, expected) in sounds.items()}


def _noises(folder: Path, rate: int) -> dict[str, str]:
    random, time = np.random.default_rng(0), np.arange(2 * rate) / rate
    white = random.standard_normal(len(time))
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), len(time))
    swell = np.abs(np.sin(2 * np.pi * 2 * time))
    click = np.zeros_like(time)
    click[rate] = 1
    notes = [220, 277.18, 329.63, 440]
    sounds = {
        "silence": np.zeros_like(time),
        "offset only": np.full_like(time, 0.5),
        "last bit": random.integers(-1, 2, len(time)) / 32_768,
        "white noise": white / 5,
        "pink noise": pink / np.abs(pink).max(),
        "pulsing noise": pink / np.abs(pink).max() * swell,
        "reversed noise": (pink / np.abs(pink).max() * np.linspace(1, 0, len(time)))[::-1],
        "click": click,
        "clicks": np.where(np.arange(len(time)) % (rate // 10) == 0, 1.0, 0.0),
        "hum": sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 8)) / 4,
        "tone": np.sin(2 * np.pi * 440 * time) / 2,
        "ultrasound": np.sin(2 * np.pi * 0.49 * rate * time) / 2,
        "sweep": np.sin(2 * np.pi * (100 * time + 1500 * time**2)) / 2,
        "chord": sum(np.sin(2 * np.pi * f * k * time) / k for f in notes for k in range(1, 6)) * np.exp(-time) / 8,
        "buzz": sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 30)) * swell / 3,
        "samples from a generator of bytes": random.integers(-(2**15), 2**15, len(time)) / 2**15,
    }
    for name, samples in sounds.items():
        _write(folder, f"{name}.wav", np.asarray(samples), rate)
        _write(folder, f"long {name}.wav", np.tile(samples, 3), rate)
    return {f"{prefix}{name}.wav": NOTHING for name in sounds for prefix in ("", "long ")}


def _broken(folder: Path, clean: np.ndarray, rate: int) -> dict[str, str]:
    whole = (folder / "ENDING.WAV").read_bytes()
    sizes = whole[:4] + struct.pack("<I", 2**32 - 1) + whole[8:40] + struct.pack("<I", 2**32 - 1) + whole[44:]
    fast = bytearray(whole)
    fast[24:28] = struct.pack("<I", 2**31 - 1)
    channels = bytearray(whole)
    channels[22:24] = struct.pack("<H", 0)
    compressed = (folder / "container FLAC.wav").read_bytes()
    mp3, ogg = (folder / "layer 3.mp3").read_bytes(), (folder / "vorbis.ogg").read_bytes()
    files = {
        "empty.wav": (b"", ERROR),
        "header only.wav": (whole[:44], ERROR),
        "half a header.wav": (whole[:20], ERROR),
        "truncated.wav": (whole[: len(whole) * 9 // 10], SAFE),
        "promises 4 GB.wav": (sizes, SAME),
        "claims 2 GHz.wav": (bytes(fast), ERROR),
        "claims no channel.wav": (bytes(channels), ERROR),
        "odd byte.wav": (whole + b"\x01", SAME),
        "truncated.flac": (compressed[: len(compressed) * 9 // 10], SAFE),
        "truncated.mp3": (mp3[: len(mp3) * 9 // 10], SAFE),
        "truncated.ogg": (ogg[: len(ogg) * 9 // 10], SAFE),
        "damaged.mp3": (mp3[:2000] + bytes(500) + mp3[2500:], SAFE),
        "damaged.flac": (compressed[:3000] + b"\xff" * 200 + compressed[3200:], SAFE),
        "damaged.ogg": (ogg[:-1500] + b"\xff" * 200 + ogg[-1300:], SAFE),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    for name, value in (("NaN.wav", np.nan), ("infinity.wav", np.inf)):
        samples = clean.copy()
        samples[1000] = value
        _write(folder, name, samples, rate, "FLOAT")
    for name, count in (("no sample.wav", 0), ("one sample.wav", 1), ("half a frame.wav", rate // 32)):
        _write(folder, name, clean[:count], rate)
    _write(folder, "a syllable.wav", clean[rate // 2 : rate // 2 + rate // 8], rate)
    _write(folder, "1 Hz.wav", clean, 1)
    short = ["NaN.wav", "infinity.wav", "no sample.wav", "one sample.wav", "half a frame.wav", "1 Hz.wav"]
    return (
        {name: expected for name, (_, expected) in files.items()}
        | dict.fromkeys(short, ERROR)
        | {"a syllable.wav": SAFE}
    )


def _no_audio(folder: Path, clean: np.ndarray, rate: int) -> dict[str, str]:
    random = np.random.default_rng(1).bytes(50_000)
    files = {
        "text.wav": b"This is no recording.\n" * 100,
        "random bytes.wav": random,
        "zeros.wav": bytes(50_000),
        "picture.wav": b"\x89PNG\r\n\x1a\n" + random,
        "archive.wav": b"PK\x03\x04" + random,
        "page.mp3": b"<!doctype html><html>" + b"x" * 5000,
        "song.m4a": b"\x00\x00\x00\x20ftypM4A " + random,
        "film.mp4": b"\x00\x00\x00\x20ftypisom" + random,
        "film called.wav": b"\x00\x00\x00\x18ftypmp42" + random,
        "film.webm": b"\x1aE\xdf\xa3" + random,
        "song.wma": b"0&\xb2u\x8ef\xcf\x11" + random,
        "film.avi": b"RIFF\x00\x10\x00\x00AVI LIST" + random,
        "riff.wav": b"RIFF" + struct.pack("<I", 4) + b"WAVE",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder.wav").mkdir()
    os.symlink(folder / "nowhere", folder / "broken link.wav")
    os.symlink(folder / "loop.wav", folder / "loop.wav")
    os.mkfifo(folder / "pipe.wav")
    odd = ["folder.wav", "broken link.wav", "loop.wav", "pipe.wav"]
    return dict.fromkeys([*files, *odd], ERROR)
