"""Recognise the emotion of recordings: ``python -m ser.predict clip.wav``. See docs/predict.md."""

from ser.answer.command import run

if __name__ == "__main__":
    run()
