# Generated from src/runpod/_async/manage/__init__.py by scripts/generate_sync.py. Do not edit.

"""The management API: the collections of an account."""
