"""Checks of what answers: health, identity, smoke tests, analysis, and requests through the edge."""
