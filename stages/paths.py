"""Where the stages leave their results: the one place that both dvc.yaml and the code agree on."""

from pathlib import Path

RAW = Path("data/raw")
MANIFEST = Path("data/manifest.csv")
FEATURES = Path("data/features")
SPLITS = Path("data/splits.csv")
MODELS = Path("models")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
PLOTS = Path("plots")
