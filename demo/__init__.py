"""The demo: one story told by the real command, on this machine's Docker engine."""
