"""What was tried: changes of section ``train`` of params.yaml, by name, in the order in which they were tried.

The first ones use spectra, as the field does; the last one that won is the default, and changes nothing.
"""

from typing import Any

SPECTRA = ["mfcc", "chroma", "mel"]
RECIPES: dict[str, dict[str, Any]] = {
    "spectra": {"use": SPECTRA, "shift": 0.0, "scale": 0.0},
    "spectra, perturbed": {"use": SPECTRA},
    "prosody": {"shift": 0.0, "scale": 0.0},
    "prosody, perturbed": {},
    "prosody, perturbed twice as much": {"shift": 1.0, "scale": 0.4},
    "prosody, perturbed, mean and deviation pooled": {"pooling": "statistics"},
    "prosody, perturbed, stretched": {"stretch": 0.2},
    "prosody, perturbed, labels smoothed": {"label_smoothing": 0.1},
    "prosody and MFCC, perturbed": {"use": ["mfcc", "prosody"]},
}
