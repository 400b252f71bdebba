"""The decisions, without I/O: what to send, what an answer means, when to look again.

Nothing here knows the HTTP library, a clock or a colour: time comes in as numbers (seconds on
a monotonic clock), answers come in as bytes, and what to do next comes out.
"""
