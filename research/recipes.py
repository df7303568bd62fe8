"""What was tried: changes of section ``train`` of params.yaml, by name, in the order in which they were tried.

The one that changes nothing is the default; those after it change one thing. "Perturbed" is ``shift`` and
``scale``, "statistics" is what is pooled. "Four members" and what follows are "prosody, perturbed, statistics", too;
the others are one network. Weights that are not averaged are those that ``val`` chose. "Level shifted further" is
``shift_pitch``; before, the level of pitch was shifted as all else.
"""

from typing import Any

SPECTRA = ["mfcc", "chroma", "mel"]
AS_THE_REST = {"shift_pitch": 0.5}
ALONE = AS_THE_REST | {"expert": False}
PROSODY = ALONE | {"use": ["prosody"]}
EARLY = PROSODY | {"average": 0.0}  # early stopping
NOT_PERTURBED = {"shift": 0.0, "shift_pitch": 0.0, "scale": 0.0}
SINGLE = EARLY | {"members": 1, "units": 64, "epochs": 60}
RECIPES: dict[str, dict[str, Any]] = {
    "spectra": SINGLE | NOT_PERTURBED | {"use": SPECTRA, "pooling": "mean"},
    "prosody": SINGLE | NOT_PERTURBED | {"pooling": "mean"},
    "prosody, perturbed": SINGLE | {"pooling": "mean"},
    "prosody, perturbed, statistics": SINGLE,
    "prosody, perturbed, stretched": SINGLE | {"pooling": "mean", "stretch": 0.2},
    "prosody, perturbed, smoothed": SINGLE | {"pooling": "mean", "label_smoothing": 0.1},
    "spectra, perturbed, statistics": SINGLE | {"use": SPECTRA},
    "four members": EARLY | {"epochs": 40},
    "four members, weights averaged": PROSODY,
    "four members, weights averaged, flux": ALONE,
    "four members, weights averaged, flux, an expert": AS_THE_REST,
    "four members, weights averaged, flux, an expert, level shifted further": {},
    "the default, without the expert": {"expert": False},
    "the default, not perturbed": NOT_PERTURBED,
    "the default, mean pooling": {"pooling": "mean"},
    "the default, one member": {"members": 1},
    "the default, early stopping": {"average": 0.0},
    "the default, without flux": {"use": ["prosody"]},
    "the default, on spectra": {"use": SPECTRA},
}
# What `python -m research.baselines` has beside them.
MFCC_STATISTICS = "mean and standard deviation of MFCC, logistic regression"
EXPERT_ALONE = "the expert alone"
BASELINES = (MFCC_STATISTICS, "the expert's statistics, logistic regression", EXPERT_ALONE)
DEFAULT = next(name for name, changes in RECIPES.items() if not changes)
LEVEL_AS_THE_REST = next(name for name, changes in RECIPES.items() if changes == AS_THE_REST)
