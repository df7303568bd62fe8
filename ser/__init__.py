"""Speech-emotion recognition: what training, prediction and the demo share."""

from typing import Any

# The one place where the emotions and their order stand: column i of every probability is EMOTIONS[i].
EMOTIONS = ("anger", "disgust", "fear", "happiness", "surprise", "sadness", "neutral")


def __getattr__(name: str) -> Any:
    """Provide ``load`` and its types, imported when first asked for: no stage depends on them, none pays for them."""
    if name in ("load", "Recogniser", "Result", "Segment"):
        import importlib

        return getattr(importlib.import_module("ser.answer.recogniser"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
