"""Storage of large files in a bucket: `runpod.uploads` is the public module."""
