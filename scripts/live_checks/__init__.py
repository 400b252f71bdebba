"""Short, bounded checks of what is assumed about the service, against the service itself."""
