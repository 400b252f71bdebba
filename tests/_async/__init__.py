"""Behaviour of the library, written once for both halves."""
