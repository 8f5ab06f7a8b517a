"""The providers that ship with llms-core: an ordinary plugin distribution, one file and one entry point a plugin."""
