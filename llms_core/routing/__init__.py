"""Which provider answers a request, and what happens when one fails."""
