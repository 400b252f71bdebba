"""The clients: thin code that carries out what `runpod._protocol` decides."""
