"""The clients that are measured: one program for each, run in an environment of its own."""
