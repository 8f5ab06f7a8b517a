"""The two files: llms.json for providers and models, plugins.toml for how the gateway behaves."""
