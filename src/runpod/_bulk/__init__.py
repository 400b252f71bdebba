"""The file of a bulk run, without network: rows, their states, sources, sinks and templates."""
