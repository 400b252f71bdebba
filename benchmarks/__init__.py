"""What the library costs, measured side by side with other clients. Run by `scripts/bench`."""
