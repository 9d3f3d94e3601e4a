"""The platform contract on hosts in memory, at the speed of unit tests."""

from tests.contract.test_platform import *  # noqa: F403
