"""The two files: llms.json says which providers and models, plugins.toml says how the gateway behaves."""
