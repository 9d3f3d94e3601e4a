"""The demo: the real command line against the Docker engine of this machine."""
