"""Plugins: hook specifications, discovery with quarantine, and the adapters that plugins provide."""
