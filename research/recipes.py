"""What was tried: changes of section ``train`` of params.yaml, by name, in the order in which they were tried.

The one that changes nothing is the default. "Perturbed" is ``shift`` and ``scale``, "statistics" is what is pooled.
"""

from typing import Any

SPECTRA = ["mfcc", "chroma", "mel"]
RECIPES: dict[str, dict[str, Any]] = {
    "spectra": {"use": SPECTRA, "shift": 0.0, "scale": 0.0, "pooling": "mean"},
    "prosody": {"shift": 0.0, "scale": 0.0, "pooling": "mean"},
    "prosody, perturbed": {"pooling": "mean"},
    "prosody, perturbed, statistics": {},
    "prosody, perturbed, stretched": {"pooling": "mean", "stretch": 0.2},
    "prosody, perturbed, smoothed": {"pooling": "mean", "label_smoothing": 0.1},
    "spectra, perturbed, statistics": {"use": SPECTRA},
}
