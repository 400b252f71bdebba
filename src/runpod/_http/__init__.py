"""HTTP below the engine, shared by the sync and async clients: network streams, deadlines, proxies, TLS, errors of httpx."""
