"""Measurements side by side; `make bench` runs them all, RESULTS.md keeps them."""
