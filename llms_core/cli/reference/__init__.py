"""Generators of reference documentation, run by hand; tests check that the pages are up to date."""
