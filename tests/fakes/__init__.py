"""Hosts in memory: what a deployment needs of the world, so that any call of it can be made to fail."""
