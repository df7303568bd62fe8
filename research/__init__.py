"""How far a recipe carries over to a voice that was never heard: docs/unseen-speakers.md. Not part of the pipeline."""
