"""Measurements beside the pipeline: speed, memory and spread. No stage depends on them."""
