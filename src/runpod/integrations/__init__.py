"""Integrations with other libraries, each in its own extra."""
