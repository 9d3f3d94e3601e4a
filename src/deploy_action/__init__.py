"""Verified container deployments that undo themselves when something goes wrong."""

__all__ = ["__version__"]

__version__ = "1.0.0"
