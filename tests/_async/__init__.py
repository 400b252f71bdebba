"""Tests of the async client, from which those of the sync client are generated."""
