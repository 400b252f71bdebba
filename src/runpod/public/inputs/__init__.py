"""Typed inputs of Runpod's public endpoints, by kind."""
