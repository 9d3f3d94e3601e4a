"""A host's session: its protocol and client, the lock that it is, and what is kept through it."""
