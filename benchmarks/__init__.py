"""Benchmarks that measure both sides of a comparison in one run; RESULTS.md has the results."""
