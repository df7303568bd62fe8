"""Speech-emotion recognition: what training, prediction and the demo share."""

from typing import Any

# The one place where the emotions and their order stand: column i of every probability is EMOTIONS[i].
EMOTIONS = ("anger", "disgust", "fear", "happiness", "surprise", "sadness", "neutral")
# How the names of recordings end that libsndfile reads.
AUDIO_ENDINGS = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
    ".w64", ".rf64",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """Provide ``load`` and its types, imported when first asked for: no stage depends on them, none pays for them."""
    if name in ("load", "Recogniser", "Result", "Segment"):
        import importlib

        return getattr(importlib.import_module("ser.recogniser"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
