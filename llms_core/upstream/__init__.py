"""Talking to providers: the only importer of an HTTP client, behind one seam (`engine.Engine`)."""
