"""What is requested of a provider: one module per operation."""
