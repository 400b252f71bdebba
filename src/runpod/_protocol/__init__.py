"""The protocol logic without I/O: what to send, how to interpret responses, when to poll or retry.

It is independent of the HTTP library and shared by the sync and async clients. Time is passed in as seconds on the
monotonic clock, responses are passed in as bytes, and the next action is returned.
"""
