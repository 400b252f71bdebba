# Generated from tests/_async/__init__.py by scripts/generate_sync.py. Do not edit.

"""Behaviour of the library, written once for both halves."""
