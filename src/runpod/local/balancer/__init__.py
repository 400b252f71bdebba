"""Load-balancing endpoints: requests go straight to an ASGI application or to HTTP worker processes."""
