"""Benchmarks of the library and other clients. Run by `scripts/bench`."""
