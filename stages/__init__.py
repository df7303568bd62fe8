"""The stages: each reads its declared dependencies, calls ser, writes its declared outputs."""
