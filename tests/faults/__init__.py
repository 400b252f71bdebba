"""Attacks on the client: a proxy with faults, and a campaign of every operation against every fault."""
