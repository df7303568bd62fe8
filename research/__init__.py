"""How far a recipe carries over to an unseen speaker: docs/unseen-speakers.md. Not part of the pipeline."""
