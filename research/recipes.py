"""What was tried: changes of section ``train`` of params.yaml, by name, in the order in which they were tried.

The one that changes nothing is the default. "Perturbed" is ``shift`` and ``scale``, "statistics" is what is pooled,
"blurred" is ``noise``, "averaged" is ``average`` of the weights.
"""

from typing import Any

SPECTRA = ["mfcc", "chroma", "mel"]
PLAIN = {"noise": 0.0, "average": 0.0, "units": 64, "epochs": 60, "patience": 10}
RECIPES: dict[str, dict[str, Any]] = {
    "spectra": PLAIN | {"use": SPECTRA, "shift": 0.0, "scale": 0.0, "pooling": "mean"},
    "prosody": PLAIN | {"shift": 0.0, "scale": 0.0, "pooling": "mean"},
    "prosody, perturbed": PLAIN | {"pooling": "mean"},
    "prosody, perturbed, statistics": PLAIN,
    "prosody, perturbed, stretched": PLAIN | {"pooling": "mean", "stretch": 0.2},
    "prosody, perturbed, smoothed": PLAIN | {"pooling": "mean", "label_smoothing": 0.1},
    "spectra, perturbed, statistics": PLAIN | {"use": SPECTRA},
    "prosody, perturbed, statistics, blurred": PLAIN | {"noise": 0.5},
    "prosody, perturbed, statistics, blurred, averaged": {},
}
