"""The web page and its API: ``python -m demo``. See docs/serve.md."""
