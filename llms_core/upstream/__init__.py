"""Requests to providers. Only this package imports HTTP clients, behind one seam (`transport.HttpTransport`)."""
