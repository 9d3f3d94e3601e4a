"""Images: references, digests, builds and registry logins."""
