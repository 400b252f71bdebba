"""Workers: handlers in the server, worker processes, and workers that are started by hand."""
