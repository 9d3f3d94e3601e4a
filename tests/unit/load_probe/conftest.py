"""Servers of the tests' own, on real sockets."""

from tests.support.servers import certificate, serve

__all__ = ["certificate", "serve"]
