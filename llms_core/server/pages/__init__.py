"""The pages for people: the status page at `/`, the API reference at `/docs`, and the form to sign in.

The pages are HTML that the server writes. Scripts only add to it, and everything comes from this server.
"""
