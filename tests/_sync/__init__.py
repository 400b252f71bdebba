# Generated from tests/_async/__init__.py by scripts/generate_sync.py. Do not edit.

"""Tests of the async client, from which those of the sync client are generated."""
