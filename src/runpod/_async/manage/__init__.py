"""The management API: the collections of an account."""
