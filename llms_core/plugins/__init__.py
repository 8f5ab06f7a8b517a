"""Plugins: hookspecs, discovery with quarantine, and the registry of what they provide."""
