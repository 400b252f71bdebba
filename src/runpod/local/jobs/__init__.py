"""Jobs, from their submission until they expire. No HTTP."""
