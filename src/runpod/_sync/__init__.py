# Generated from src/runpod/_async/__init__.py by scripts/generate_sync.py. Do not edit.

"""The clients: thin I/O code around the logic in `runpod._protocol`."""
