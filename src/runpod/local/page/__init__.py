"""The page of the local server: its endpoints, workers and jobs in a browser, live."""
