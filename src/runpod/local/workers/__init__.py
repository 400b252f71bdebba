"""What runs jobs: handlers in the server, processes, and workers that were started by hand."""
