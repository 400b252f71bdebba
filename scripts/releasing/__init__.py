"""Makes releases: see `scripts/release`."""
