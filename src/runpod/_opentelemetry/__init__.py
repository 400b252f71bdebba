"""What `runpod.integrations.opentelemetry` records, and how. Needs the packages of the extra `opentelemetry`."""
