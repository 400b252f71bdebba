"""The HTTP side of the local server: what clients and workers send, and what they get."""
