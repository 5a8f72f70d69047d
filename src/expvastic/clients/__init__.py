"""Wire clients over the loop: they know addresses, TLS and HTTP, and nothing of containers."""
