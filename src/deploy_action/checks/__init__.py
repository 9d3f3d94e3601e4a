"""Checks of what answers: smoke tests, identity, the bake, and the load probe."""
