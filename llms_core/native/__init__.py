"""Answers that are passed on in the provider's own protocol, which is also the client's: see `contracts.native`.

Nothing is translated, but the core still has to know when an answer has content, when it is complete, and what it
costs. One module per protocol reads that much of it. `formats` makes a stream of an answer that came whole, and the
reverse.
"""
