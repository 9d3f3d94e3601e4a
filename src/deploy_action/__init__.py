"""Verified container deployments that roll back automatically when something goes wrong."""

__all__ = ["__version__"]

__version__ = "1.0.0"
