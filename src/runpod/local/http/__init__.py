"""The HTTP side of the local server: its routes for clients and workers."""
