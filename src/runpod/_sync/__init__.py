# Generated from src/runpod/_async/__init__.py by scripts/generate_sync.py. Do not edit.

"""The clients: thin code that carries out what `runpod._protocol` decides."""
