"""The providers' protocols by example, for the conformance suite; nothing else imports them."""
