"""The clients: thin I/O code around the logic in `runpod._protocol`."""
