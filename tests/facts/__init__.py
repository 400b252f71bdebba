"""Facts about the service, and the tests that show them."""
