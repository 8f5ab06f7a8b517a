"""The providers that ship with llms-core: an ordinary plugin distribution with one entry point per provider."""
