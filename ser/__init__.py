"""Speech-emotion recognition: what training, prediction and the demo share."""

# The one place where the emotions and their order stand: column i of every probability is EMOTIONS[i].
EMOTIONS = ("anger", "disgust", "fear", "happiness", "surprise", "sadness", "neutral")
